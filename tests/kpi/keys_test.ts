import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { join } from "node:path";
import { keyFields, openKpis, parseKpiSpec, readParquetFolder, TRANSACTION_SCHEMA } from "lib";
import pl, { type DataFrame } from "polars";
import { describeInspection, inspectCheckpoint } from "../../lab/inspect.ts";
import { KEPT_COLUMNS } from "../../lib/windows/aside.ts";
import { MADE_COLUMNS } from "../../lib/kpi/schema.ts";
import { JsonlSink } from "../../tools/kpi/jsonl_sink.ts";
import { ROOT } from "../faults/program.ts";
import { makeKeyedTopic } from "./keyed_topic.ts";

const dir = await Deno.makeTempDir({ prefix: "keys-" });
await makeKeyedTopic(dir, "t", 6000);
const KEYS = ["merchant", "country"];
const spec = join(dir, "spec.json");

async function kpi(place: string, ...options: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["task", "-q", "kpi", "--source", `log:${dir}`, "--topic", "t", "--json"],
      ...["--sink", `parquet:${place}/out`, "--checkpoint", `${place}/checkpoint`],
      ...["--max-offsets-per-trigger", "1200", "--threshold", "0.02", ...options],
    ],
    cwd: ROOT,
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

const rowsOf = (table: DataFrame, by: readonly string[]) => table.sort([...by]).toRecords();
const COUNTS = ["n_txn", "n_alert", "n_fraud_true", "tp", "fp", "fn"];

Deno.test("--keys counts each window by its keys: null is one, and their sum is the table without", async () => {
  const [plain, keyed] = [join(dir, "plain"), join(dir, "keyed")];
  deepEqual((await kpi(plain)).code, 0);
  const aside = [
    ...["--alerts", `${keyed}/alerts`, "--provisional", `${keyed}/open`, "--write-spec", spec],
  ];
  const ran = await kpi(keyed, "--keys", "merchant:string,country:integer", ...aside);
  deepEqual([ran.code, ran.err], [0, ""]);
  const [windows, groups, open] = await Promise.all(
    [`${plain}/out`, `${keyed}/out`, `${keyed}/open`].map((folder) => readParquetFolder(folder)),
  );
  deepEqual(groups!.columns.slice(0, 5), ["window_start", "window_end", ...KEYS, "watermark"]);
  deepEqual(
    rowsOf(groups!.groupBy("window_start").agg(...COUNTS.map((name) => pl.col(name).sum())), [
      "window_start",
    ]),
    rowsOf(windows!.select("window_start", ...COUNTS), ["window_start"]),
  );
  for (const name of KEYS) {
    const isNull = groups!.filter(pl.col(name).isNull());
    ok(isNull.height > 0 && isNull.height < groups!.height / 2, name);
  }
  const record = JSON.parse(ran.out);
  deepEqual(
    [record.keys, record.openWindows, record.windowsWritten, record.rows.open],
    [KEYS, open!.height, groups!.height, Number(open!.getColumn("n_txn").sum())],
  );
  const found = await inspectCheckpoint(`${keyed}/checkpoint`);
  equal(found.openWindows!.length, open!.height);
  equal(found.query!.keys, KEYS.join(", "));
  ok(open!.height > 50, "the test needs more groups than are listed one by one");
  match(
    describeInspection(found),
    new RegExp(
      `\nOpen windows: \\d, in ${open!.height} groups\n  2024\\S+: \\d+ groups, \\d+ rows\n`,
    ),
  );
  // Alerts have the keys of the group that counts them.
  const alerts = await readParquetFolder(`${keyed}/alerts`);
  const all = pl.concat([groups!, open!]);
  const by = ["window_start", ...KEYS];
  deepEqual(
    rowsOf(
      alerts.filter(pl.col("outcome").eq(pl.lit("counted")).and(pl.col("is_alert").eq(1)))
        .groupBy(...by).agg(pl.len().cast(pl.Int64).alias("n_alert")),
      by,
    ),
    rowsOf(all.filter(pl.col("n_alert").gt(0)).select(...by, "n_alert"), by),
  );
});

Deno.test("a restart goes on with the same keys and refuses others; a spec has them", async () => {
  const keyed = join(dir, "keyed");
  const other = await kpi(keyed, "--keys", "merchant:string");
  equal(other.code, 1);
  match(other.err, /keys was merchant, country and is now merchant/);
  const before = await inspectCheckpoint(join(keyed, "checkpoint"));
  const again = await kpi(keyed, "--keys", "merchant:string,country:integer");
  const { batches, rows, openWindows, watermark } = JSON.parse(again.out);
  deepEqual([again.code, batches, rows, openWindows, watermark], [
    ...[0, 0, before.rows, before.openWindows!.length, before.restart!.watermark],
  ]);
  const read = parseKpiSpec(await Deno.readTextFile(spec));
  deepEqual(read.keys, KEYS);
  const { kpis, model } = await openKpis(read);
  equal(kpis.identity("append").keys, "merchant, country");
  await model.close();
});

Deno.test("keyFields() says what is wrong with a key, and so does a spec", () => {
  deepEqual(keyFields([" merchant : string", "card-type:integer", "Über_2:double"]), [
    { name: "merchant", type: "string" },
    { name: "card-type", type: "integer" },
    { name: "Über_2", type: "double" },
  ]);
  const wrong: [string[], RegExp][] = [
    [["merchant"], /keys should be NAME:TYPE, .* got "merchant"/],
    [["a b:string"], /keys should be NAME:TYPE/],
    [[""], /got ""$/],
    [["merchant:text"], /keys cannot name "merchant": its type is text\. .*integer/],
    [["day:timestamp"], /its type is timestamp/],
    [["tp:string"], /"tp": the query has a column of this name/],
    [["WINDOW:string"], /"WINDOW": the query has a column/],
    [["__proto__:string"], /__proto__/],
    [["Amount:double"], /keys cannot name "Amount": the name is in use already/],
    [["class:integer"], /"class": the name is in use/], // as Spark reads names
    [["a:string", "A:string"], /"a": the name is in use/],
    [["a:string", "a:string"], /"a": the name is in use/],
  ];
  for (const [keys, message] of wrong) throws(() => keyFields(keys), message, keys.join());
  const text = JSON.stringify({
    ...JSON.parse(Deno.readTextFileSync(spec)),
    keys: ["country", "shop"],
  });
  throws(() => parseKpiSpec(text), /KPI spec: keys cannot name "shop": the schema has no such/);
});

Deno.test("no key can have the name of a column that the query makes", async () => {
  const results = (await readParquetFolder(join(dir, "plain", "out"))).columns;
  const alerts = (await readParquetFolder(join(dir, "keyed", "alerts"))).columns;
  const fields = TRANSACTION_SCHEMA.map(({ name }) => name);
  const made = [...results, ...alerts, ...KEPT_COLUMNS].filter((name) =>
    !KEYS.includes(name) && (name === "event_time" || !fields.includes(name))
  );
  const path = join(dir, "out.jsonl");
  const sink = new JsonlSink(path);
  await sink.open("q", { batchId: 0, isNew: true });
  await sink.addBatch(0, pl.DataFrame({ n_txn: [1] }));
  made.push(...Object.keys(JSON.parse(await Deno.readTextFile(path))));
  deepEqual(made.filter((name) => !MADE_COLUMNS.includes(name)), []);
  deepEqual(MADE_COLUMNS.filter((name) => !made.includes(name)), ["window"]);
  await Deno.remove(dir, { recursive: true });
});
