import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import pl from "polars";
import { COLUMNS, float32, readRecording } from "../../tools/replay/recording.ts";
import { makeParquet, withFolder } from "./recordings.ts";

Deno.test("readRecording() reads Kaggle's CSV, and other columns do not matter", () =>
  withFolder((dir) => {
    const numbers = COLUMNS.slice(0, -1).map((_, c) => c === 0 ? "1e+05" : `-${c}.3598071336738`);
    for (const quote of [`"`, ""]) {
      const header = ["note", ...COLUMNS].map((name) => quote + name + quote).join(",");
      // A reader that takes the types from the first rows would see whole numbers only.
      const zeros = Array(200).fill(`1,${"0,".repeat(30)}${quote}0${quote}`).join("\n");
      const row = ["text", ...numbers, `${quote}1${quote}`].join(",");
      const file = join(dir, "creditcard.csv");
      Deno.writeTextFileSync(file, `${header}\n${zeros}\n${row}\n`);
      const recording = readRecording(file);
      equal(recording.length, 201);
      const fields = COLUMNS.map((name, c) =>
        `"${name}":${name === "Class" ? 1 : Number(numbers[c])}`
      );
      equal(
        recording.message(200, 0),
        `{"event_time":"1970-01-01T00:00:00.000Z",${fields.join(",")}}`,
      );
    }
    return Promise.resolve();
  }));

Deno.test("readRecording() writes float64 as JavaScript does, and null for what is no number", () =>
  withFolder((dir) => {
    const file = makeParquet(dir, 4, pl.Float64);
    const v1 = pl.Series("V1", [1.1 * 3, null, NaN, Infinity], pl.Float64);
    pl.readParquet(file).withColumns(v1).writeParquet(file);
    const recording = readRecording(file, 10);
    const values = [0, 1, 2, 3].map((row) => /"V1":([^,]*)/.exec(recording.message(row, 0))![1]);
    deepEqual(values, ["3.3000000000000003", "null", "null", "null"]);
    return Promise.resolve();
  }));

Deno.test("readRecording() names the file and the columns that are missing", () =>
  withFolder((dir) => {
    const file = makeParquet(dir, 1);
    pl.readParquet(file).drop("V3", "Class").writeParquet(file);
    throws(
      () => readRecording(file),
      /recording\.parquet: it should have .*, but V3, Class are missing/,
    );
    Deno.writeTextFileSync(file, "not parquet");
    throws(() => readRecording(file), /Cannot read the recording .*recording\.parquet: parquet/);
    return Promise.resolve();
  }));

/** A recording of two rows where column `c` holds c and c + 0.5, but for `column`. */
function withColumn(dir: string, column: pl.Series): string {
  const others = COLUMNS.map((name, c) => pl.Series(name, [c, c + 0.5], pl.Float64));
  const file = join(dir, "other.parquet");
  pl.DataFrame(others).withColumns(column).writeParquet(file);
  return file;
}

Deno.test("readRecording() takes numbers of any type, and refuses what is none with its place", () =>
  withFolder((dir) => {
    const texts = (...values: (string | null)[]) => pl.Series("Amount", values, pl.Utf8);
    const numbers = (...values: (number | null)[]) => pl.Series("Amount", values, pl.Float64);
    // deno-lint-ignore no-explicit-any -- its types lack it
    const decimal = (pl as any).Decimal(10, 2) as pl.DataType;
    const taken: [column: pl.Series, written: string[]][] = [
      [texts("149.62", " 1e3 "), ["149.62", "1000"]],
      [texts("NaN", null), ["null", "null"]],
      [texts("1", "-2").cast(pl.Categorical), ["1", "-2"]],
      [texts("149.62", null).cast(decimal), ["149.62", "null"]],
      [texts("9007199254740991", "-1").cast(pl.Int64), ["9007199254740991", "-1"]],
      [texts("7", null).cast(pl.Int8), ["7", "null"]],
      [numbers(null, null).cast(pl.Date), ["null", "null"]],
      [pl.Series("Class", [true, false], pl.Bool), ["1", "0"]],
    ];
    for (const [column, written] of taken) {
      const recording = readRecording(withColumn(dir, column));
      const field = new RegExp(`"${column.name}":([^,}]*)`);
      deepEqual([0, 1].map((row) => field.exec(recording.message(row, 0))![1]), written);
    }
    const day = new Date("2024-01-01T10:00:00Z");
    const refused: [column: pl.Series, why: RegExp][] = [
      [texts("1", "149,62"), /row 2: "149,62" should be a number/],
      [texts("12.3 EUR", "1"), /row 1: "12.3 EUR" should be a number/],
      [texts("0x10", "1"), /row 1: "0x10"/],
      [texts("1e400", "1"), /row 1: "1e400"/],
      [texts("legit", "1").cast(pl.Categorical), /row 1: "legit"/],
      [texts("9007199254740993", "1").cast(pl.Int64), /"9007199254740993" has too many digits/],
      [texts("9007199254740993", "1"), /row 1: "9007199254740993" has too many digits/],
      [texts("18446744073709551615", "1").cast(pl.UInt64), /"18446744073709551615" has too many/],
      [pl.Series("Amount", [null, day], pl.Datetime("ns")), /row 2: "2024-.*Z" of type Datetime/],
      [numbers(null, 5).cast(pl.Date), /row 2: .* of type Date /],
      [numbers(5, 5).cast(pl.Time), /row 1: .* of type Time /],
      [pl.Series("Amount", [true, false], pl.Bool), /row 1: true of type Bool/],
      [pl.Series("Amount", [[1], [2]]), /row 1: \[1\] of type List/],
      [pl.DataFrame({ a: [1, 2] }).toStruct("Amount"), /row 1: \{"a":1\} of type Struct/],
    ];
    for (const [column, why] of refused) {
      const read = () => readRecording(withColumn(dir, column));
      throws(read, /^RangeError: Cannot read the recording .*other.parquet: column Amount, row /);
      throws(read, why);
    }
    const bytes = withColumn(dir, texts("31", "32"));
    pl.readParquet(bytes).withColumn(pl.col("Amount").str.decode("hex")).writeParquet(bytes);
    throws(() => readRecording(bytes), /other.parquet: column Amount: .*Binary/); // Polars gives no row
    return Promise.resolve();
  }));

Deno.test("readRecording() reads CSV as it is written, and refuses what it cannot tell", () =>
  withFolder((dir) => {
    const file = join(dir, "recording.csv");
    const header = COLUMNS.join(",");
    const row = COLUMNS.map((_, c) => c).join(",");
    const quoted = (line: string) => `"${line.split(",").join('","')}"`;
    const whole = "row".repeat(2_000_000); // over the border of two blocks
    const taken: [text: string, rows: number][] = [
      [`${header}\n${row}\n\n  \n${row}\n\n\n`, 2],
      [`\n\n${header}\r\n${row}\r\n\r\n${row}`, 2],
      [`\ufeff${header}\n${row}\n`, 1],
      [`\ufeff${quoted(header)}\n${quoted(row)}\n`, 1],
      [`${header} \n${row.replaceAll(",", " , ")} \n`, 1],
      [`note,${header}\n"a\nb ""c"" ",${row}\n`, 1],
      [`note,${header}\n"${whole}\n${whole}",${row}\n,${row}\n`, 2],
    ];
    for (const [text, rows] of taken) {
      Deno.writeTextFileSync(file, text);
      const recording = readRecording(file);
      equal(recording.length, rows);
      deepEqual(Object.values(JSON.parse(recording.message(rows - 1, 0))).slice(1), [
        ...COLUMNS.keys(),
      ]);
    }
    Deno.writeTextFileSync(file, `${header}\n${row}\n  \n${row}\nnot read\n`);
    equal(readRecording(file, 2).length, 2);
    const refused: [text: string, why: RegExp][] = [
      ["", /it is empty/],
      ["\n \n", /it is empty/],
      [`${header}\n`, /it holds no rows/],
      [`${header}\n\n`, /it holds no rows/],
      [`${header},Amount\n${row},1\n`, /but Amount is there twice/],
      [`${header.replaceAll(",", ";")}\n`, /but Time, V1, .* are missing/],
      [`${header}\n${row}\n${",".repeat(30)}\n`, /row 2 has 0 values and the header 31/],
      [`${header}\n${row}\n1,2\n`, /row 2 has 2 values and the header 31/],
      [`${header}\n${row},5\n`, /row 1 has 32 values and the header 31/],
      [`${header}\n${row}\n${row.replace("29", '"149,62"')}`, /column Amount, row 2: "149,62"/],
      [`${header},note\n${row},"a\n${row},b\n`, /its last quote is never closed/],
    ];
    for (const [text, why] of refused) {
      Deno.writeTextFileSync(file, text);
      throws(() => readRecording(file), why);
      throws(() => readRecording(file), /Cannot read the recording .*recording.csv: /);
    }
    return Promise.resolve();
  }));

Deno.test("float32() prints the shortest decimal that reads back to the same float32", () => {
  const cases: [value: number, text: string][] = [
    [0.1, "0.1"],
    [-149.62, "-149.62"],
    [0, "0"],
    [1, "1"],
    [118_929, "118929"],
    [16_777_216, "16777216"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1 / 3, "0.33333334"],
    [1e-7, "1e-7"],
  ];
  for (const [value, text] of cases) equal(float32(Math.fround(value)), text);

  // All bit patterns of normal numbers are alike, so any spread of them will do.
  const bits = Uint32Array.from({ length: 20_000 }, (_, i) => Math.imul(i + 1, 2_654_435_761));
  for (const value of new Float32Array(bits.buffer)) {
    if (!(Math.abs(value) >= 2 ** -126 && Math.abs(value) < Infinity)) continue;
    equal(Math.fround(Number(float32(value))), value);
    const shortest = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digits) => Number(value.toPrecision(digits)))
      .find((decimal) => Math.fround(decimal) === value);
    equal(float32(value), String(shortest));
  }
});
