/** The tasks about Apache Spark, and what each takes. */
import { command } from "../command_line.ts";

export const SPARK = command({
  name: "spark",
  does: "runs the query on Apache Spark, from the JSON that kpi --write-spec wrote",
  options: {
    spec: { value: "FILE", required: true, help: "the query as JSON" },
    sink: {
      value: "parquet:DIR|batches:DIR|console",
      required: true,
      help: "a folder (append), a folder with one a batch (any output mode), or a table",
    },
    checkpoint: {
      value: "DIR",
      required: true,
      help: "Spark's checkpoint, from which a restart goes on",
    },
    spark: { value: "4|3.5", default: "4", help: "the line of releases, installed into .cache" },
    "from-checkpoint": {
      value: "DIR",
      help: "a new --checkpoint goes on where this run of deno task kpi ended",
    },
    master: { value: "URL", default: "local[*]", help: "where Spark runs" },
    trigger: {
      value: "available-now|DURATION",
      default: "available-now",
      help: "reads what is there and ends, or a batch every DURATION (with Kafka)",
    },
    conf: { value: "KEY=VALUE", repeated: true, help: "a Spark setting" },
    kafka: {
      value: "KEY=VALUE",
      repeated: true,
      help: "an option of Spark's Kafka source, such as kafka.security.protocol=SSL",
    },
  },
  examples: ["spark --spec kpi.json --sink parquet:data/spark --checkpoint checkpoints/spark"],
});

export const SCALE = command({
  name: "scale",
  does: "shows how far one process goes and what a topic needs, by measured figures",
  options: {
    rate: {
      value: "N",
      repeated: true,
      help: "rows a second at the peak (default: 100 to 200000)",
    },
    retention: { value: "DURATION", default: "7 days", help: "how long the topic keeps messages" },
    outage: { value: "DURATION", default: "1 hour", help: "an outage to catch up after" },
    window: { value: "DURATION", default: "1 minute", help: "length of a window" },
    slide: {
      value: "DURATION",
      help: "from one window's start to the next one's (default: the window)",
    },
    watermark: { value: "DURATION", default: "2 minutes", help: "how late a row may come" },
    headroom: {
      value: "SHARE",
      default: "0.5",
      help: "the share of what was measured that the peak may take",
    },
    measure: {
      value: "rows|pace|cluster|long|all",
      repeated: true,
      help:
        "measures that anew on this machine, for the figures in docs/ (long takes 24 GB of disk)",
    },
  },
  examples: ["scale --rate 5000 --rate 20000"],
});
