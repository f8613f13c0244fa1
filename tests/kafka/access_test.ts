import assert from "node:assert/strict";
import * as net from "node:net";
import { fileURLToPath } from "node:url";
import { type KafkaOptions, KafkaSource } from "../../lib/kafka/source.ts";
import { openKafkaPublisher } from "../../tools/replay/kafka_publisher.ts";
import { PASSWORD } from "./broker.ts";
import { broker, ignore, numbered, publish, startBroker, valuesOf, withSource } from "./steps.ts";

startBroker();

Deno.test("a message the broker refuses is a clear error, and the next one is taken", {
  ignore,
}, async () => {
  const publisher = await openKafkaPublisher(broker.bootstrap, "refused", 1);
  try {
    await assert.rejects(
      publisher.send(0, [{ key: "k", value: "x".repeat(10_000_000) }]),
      /topic refused, partition 0: .*larger than the max message size.*1 messages, 10000\d+ bytes/,
    );
    await publisher.send(0, numbered(30, () => ({ key: "k", value: "x".repeat(100_000) })));
    await assert.rejects(
      openKafkaPublisher(broker.bootstrap, "refused", 2),
      { name: "RangeError", message: /refused has 1 partitions, 2 asked for/ },
    );
  } finally {
    await publisher.close();
  }
  await withSource("refused", {}, async (source) => {
    assert.deepEqual(await source.latestOffsets(), { 0: 30 });
  });
});

Deno.test("PLAIN, SCRAM and TLS logins read, and no error or description shows the password", {
  ignore,
}, async () => {
  await publish("guarded", [["a"]]);
  await broker.foreign(["scram", "reader", PASSWORD]);
  const login = { username: "reader", password: PASSWORD };
  const ssl = { ca: [broker.certificate] };
  const ways: [string, KafkaOptions][] = [
    [broker.sasl, { sasl: { mechanism: "plain", ...login } }],
    [broker.sasl, { sasl: { mechanism: "scram-sha-256", ...login } }],
    [broker.sasl, { sasl: { mechanism: "scram-sha-512", ...login } }],
    [broker.tls, { sasl: { mechanism: "plain", ...login }, ssl }],
  ];
  for (const [address, options] of ways) {
    const source = await KafkaSource.open(address, "guarded", options);
    const [messages] = await source.getBatch({ 0: 0 }, { 0: 1 });
    assert.deepEqual(valuesOf(messages!), ["a"]);
    assert.equal(source.description, "Kafka[guarded]");
    assert.doesNotMatch(Deno.inspect(source, { depth: 20 }), new RegExp(PASSWORD));
    await source.close();
  }
  const wrong: [string, KafkaOptions][] = [
    [broker.sasl, { sasl: { mechanism: "plain", username: "other", password: PASSWORD } }],
    [broker.sasl, { sasl: { mechanism: "scram-sha-256", username: "other", password: PASSWORD } }],
    [broker.tls, { sasl: { mechanism: "plain", ...login }, ssl: true }],
  ];
  for (const [address, options] of wrong) {
    const error = await KafkaSource.open(address, "guarded", options).catch((error) => error);
    assert.match(error.message, /Cannot read Kafka topic guarded at .*TLS and SASL settings/);
    assert.doesNotMatch(Deno.inspect(error, { depth: 20 }), new RegExp(PASSWORD));
  }
  const environment = {
    KAFKA_SASL_MECHANISM: "SCRAM-SHA-512",
    KAFKA_SASL_USERNAME: "reader",
    KAFKA_SASL_PASSWORD: PASSWORD,
  };
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  try {
    const source = await KafkaSource.open(broker.sasl, "guarded");
    assert.deepEqual(await source.latestOffsets(), { 0: 1 });
    await source.close();
  } finally {
    for (const name of Object.keys(environment)) Deno.env.delete(name);
  }
});

Deno.test(
  "the query's own permissions reach a broker under any name of this machine",
  { ignore },
  async () => {
    const rows = numbered(3, (i) => JSON.stringify({ event_time: `2024-01-01T10:0${i}:00Z` }));
    await publish("loopback", [rows]);
    const port = Number(broker.bootstrap.split(":")[1]);
    const ipv6 = net.createServer((client) => {
      const upstream = net.connect(port, "127.0.0.1");
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => ipv6.listen(0, "::1", resolve));
    const other = (ipv6.address() as net.AddressInfo).port;
    const dir = await Deno.makeTempDir();
    for (
      const [i, address] of [`localhost:${port}`, `[::1]:${other}, 127.0.0.1:${port}`].entries()
    ) {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["task", "-q", "kpi"],
          ...[
            "--source",
            `kafka:${address}`,
            "--topic",
            "loopback",
            "--sink",
            `jsonl:${dir}/${i}.jsonl`,
          ],
          ...["--checkpoint", `${dir}/${i}`, "--progress", `${dir}/${i}.progress`],
        ],
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
      const [progress] = (await Deno.readTextFile(`${dir}/${i}.progress`)).split("\n");
      assert.equal(JSON.parse(progress!).numInputRows, 3);
      const offsets = await Deno.readTextFile(`${dir}/${i}/offsets/0`);
      assert.match(offsets, /"sourceId":"[0-9a-f]{32}"/);
    }
    ipv6.close();
    await Deno.remove(dir, { recursive: true });
  },
);
