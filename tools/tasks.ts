/** The tasks of deno.json that users start, and what each takes; docs/commands.md is made of these tables. */
import { command } from "./command_line.ts";

const SOURCE = {
  value: "log:DIR|kafka:HOST:PORT",
  required: true,
  help: "the folder of topic logs, or the broker, to read from",
} as const;
const TOPIC = { value: "NAME", default: "transactions", help: "the topic" } as const;
const MODEL = {
  models: { value: "DIR", default: "models", help: "where models and their selection are" },
  model: { value: "FILE.onnx", help: "another model than the selected one" },
  threshold: { value: "P", help: "probability that alerts, 0 to 1 (default: the selection's)" },
} as const;

export const KPI = command({
  name: "kpi",
  does: "runs the KPI query: counts transactions, alerts and frauds in windows of event time",
  options: {
    source: SOURCE,
    topic: TOPIC,
    checkpoint: {
      value: "DIR",
      help: "where the query keeps its state, so that a second start goes on (required to run)",
    },
    sink: {
      value: "parquet:DIR|jsonl:FILE|console",
      default: "console",
      help: "where the windows go",
    },
    watermark: { value: "DURATION", default: "30 seconds", help: "how late a row may come" },
    window: { value: "DURATION", default: "1 minute", help: "length of a window" },
    slide: {
      value: "DURATION",
      help: "from one window's start to the next one's (default: the window)",
    },
    keys: {
      value: "NAME:TYPE,…",
      help: "counts by these fields too, of type string, integer or double: merchant:string",
    },
    "output-mode": {
      value: "append|update|complete",
      default: "append",
      help: "final windows, changed windows, or all windows after each batch",
    },
    ...MODEL,
    rejected: { value: "DIR", help: "keeps late and unreadable rows there, each with its reason" },
    alerts: { value: "DIR", help: "keeps every alert and fraud there, with what became of it" },
    provisional: { value: "DIR", help: "keeps the windows still open when the run ends there" },
    trigger: {
      value: "available-now|DURATION",
      default: "available-now",
      help: "reads what is there and ends, or looks every DURATION until Ctrl-C",
    },
    "max-offsets-per-trigger": { value: "N", help: "messages in a batch at most (default: all)" },
    "starting-offsets": {
      value: "earliest|latest|JSON",
      default: "earliest",
      help: `where a new query begins; JSON by partition: '{"0": 17}'`,
    },
    "max-ahead": {
      value: "DURATION",
      help: "rejects a row whose event time is further ahead of the clock",
    },
    "fail-on-data-loss": {
      value: "true|false",
      default: "true",
      help: "whether messages that are gone end the query",
    },
    progress: { value: "FILE", help: "appends one JSON line a batch, with Spark's fields" },
    json: { help: "prints the closing line as JSON, on standard output" },
    "min-batches-to-retain": {
      value: "N",
      default: "100",
      help: "batches that the checkpoint remembers",
    },
    "write-spec": {
      value: "FILE",
      help: "writes the query as JSON for deno task spark; without --checkpoint it is not run",
    },
    "from-spark-checkpoint": {
      value: "DIR",
      help: "a new --checkpoint goes on where this run on Spark ended",
    },
  },
  examples: [
    "kpi --source log:data/topics --checkpoint checkpoints/kpi --sink parquet:data/kpi",
    'kpi --source kafka:127.0.0.1:9092 --checkpoint checkpoints/live --trigger "1 second"',
  ],
});

export const REPLAY = command({
  name: "replay",
  does: "plays a recording into a new topic, in the order in which its rows arrive",
  options: {
    from: {
      value: "FILE",
      required: true,
      help: "the recording, .parquet or .csv, with the columns Time, V1 to V28, Amount, Class",
    },
    to: {
      value: "log:DIR|kafka:HOST:PORT",
      required: true,
      help: "the folder of topic logs, or the broker, to write to",
    },
    topic: { value: "NAME", required: true, help: "the topic; a topic log must not exist yet" },
    partitions: { value: "N", default: "3", help: "partitions of the topic, at most 1000" },
    speed: { value: "X|max", default: "max", help: "seconds of the recording a second" },
    disorder: {
      value: "SPEC|none",
      default: "2s:0.90,40s:0.08,4m:0.02",
      help: "longest delays and the shares of the rows they hit",
    },
    seed: {
      value: "N",
      default: "42",
      help: "of the disorder; the same options give the same topic",
    },
    limit: { value: "N", help: "plays the first N rows only" },
    start: {
      value: "TIME",
      default: "2024-01-01T10:00:00Z",
      help: "event time of the first row, in UTC if it names no zone",
    },
    rate: { value: "N", default: "50", help: "rows a second of event time" },
  },
  examples: [
    "replay --from data/transactions_60k.parquet --to log:data/topics --topic cards",
  ],
});

export const WATERMARKS = command({
  name: "watermarks",
  does: "shows what every watermark from 0 to 10 minutes would lose and cost, and which to choose",
  options: {
    source: SOURCE,
    topic: TOPIC,
    window: { value: "DURATION", default: "1 minute", help: "length of the query's windows" },
    slide: {
      value: "DURATION",
      help: "from one window's start to the next one's (default: the window)",
    },
    "max-offsets-per-trigger": {
      value: "N",
      default: "1500",
      help: "messages in a batch of the query; batches matter",
    },
    loss: { value: "SHARE", default: "0.1%", help: "the share of transactions that may be lost" },
    "frauds-per-day": { value: "N", help: "in its place, the frauds a day that may be lost" },
    ...MODEL,
    json: { help: "prints every delay and the recommendation as JSON" },
  },
  examples: ["watermarks --source log:data/topics --loss 0.5%"],
});

export const REPAIR = command({
  name: "repair",
  does: "puts late rows back into the windows they missed, as a new version of a second table",
  options: {
    table: { value: "DIR", required: true, help: "what the query wrote with --sink parquet:DIR" },
    rejected: { value: "DIR", required: true, help: "what it kept aside with --rejected DIR" },
    to: { value: "DIR", required: true, help: "where the versions go: DIR/version=1 and so on" },
    ...MODEL,
  },
  examples: ["repair --table data/kpi --rejected data/rejected --to data/kpi_repaired"],
});

export const INSPECT = command({
  name: "inspect",
  does: "says what a checkpoint holds, ours or Spark's: batches, offsets, watermark, open windows",
  operands: { value: "DIR", help: "the checkpoint; it is only read", least: 1, most: 1 },
  options: { json: { help: "prints it as JSON" } },
  examples: ["inspect checkpoints/kpi"],
});

export const REPORT = command({
  name: "report",
  does: "runs notebooks from a fresh kernel and writes each as one file, report/NAME.html",
  operands: {
    value: "NOTEBOOK",
    help: "an .ipynb file (default: all of notebooks/)",
    least: 0,
    most: Infinity,
  },
  options: { pdf: { help: "writes a PDF beside it; needs Chromium" } },
  examples: ["report", "report notebooks/task_d.ipynb --pdf"],
});

export const LAB = command({
  name: "lab",
  does: "opens JupyterLab on the notebook, with the Deno kernel, in the project's own environment",
  options: {},
  passesOn: "JupyterLab",
  examples: ["lab", "lab --no-browser --port 8899"],
});

export const KAFKA = command({
  name: "kafka",
  does: "starts or stops a one-node Apache Kafka on loopback; its data stays in .kafka/",
  operands: { value: "up|down", help: "what to do", least: 1, most: 1 },
  options: {
    port: { value: "N", default: "9092", help: "its port; the controller takes the one after it" },
  },
  examples: ["kafka up", "kafka down"],
});
