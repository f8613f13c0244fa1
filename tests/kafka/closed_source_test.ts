import assert from "node:assert/strict";
import { count, MemorySink, readStream } from "lib";
import { KafkaSource } from "../../lib/kafka/source.ts";
import { broker, ignore, publish, startBroker } from "./steps.ts";

startBroker();

Deno.test(
  "a cell that starts a query again leaves the running one its source; a closed one says so",
  {
    ignore,
  },
  async () => {
    const row = (minute: string) => `{"t":"2024-01-01T10:${minute}:00Z"}`;
    await publish("again", [[row("00"), row("05")]]);
    const source = await KafkaSource.open(broker.bootstrap, "again");
    const dir = await Deno.makeTempDir();
    const startCell = () =>
      readStream(source, [{ name: "t", type: "timestamp" }]).withWatermark("t", "10 seconds")
        .groupByWindow("t", "1 minute").agg({ n: count() })
        .writeStream(new MemorySink(), { outputMode: "append", checkpointLocation: dir });
    const query = await startCell();
    await query.processAllAvailable();
    await assert.rejects(startCell(), /a running query holds/);
    await publish("again", [[row("06")]]);
    while (query.standing.rows.read < 3) await query.processAllAvailable();
    await query.stop();
    assert.equal(query.exception, null);
    const closed = await startCell();
    await assert.rejects(closed.awaitTermination(), /Kafka\[again\] is closed, .* open it again/);
    await Deno.remove(dir, { recursive: true });
  },
);
