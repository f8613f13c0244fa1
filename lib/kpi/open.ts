import { isAlert, windowKpis } from "./kpi.ts";
import { OnnxModel } from "../model/onnx.ts";
import { openSource } from "../sources/open.ts";
import type { KpiSpec } from "./spec.ts";
import { readStream, type ResultStream } from "../verbs/stream.ts";

/**
 * Opens the source and the model that a spec names and builds its query: call `writeStream` with
 * the spec's output mode. Throws if the model's file is not the one of the spec, and closes both if
 * the query cannot be built. Close the model after the query.
 */
export async function openKpis(
  spec: KpiSpec,
): Promise<{ readonly kpis: ResultStream; readonly model: OnnxModel }> {
  const { startingOffsets, maxOffsetsPerTrigger, failOnDataLoss } = spec;
  await using opened = new AsyncDisposableStack();
  const model = opened.adopt(await OnnxModel.load(spec.model.path), (model) => model.close());
  if (model.sha256 !== spec.model.sha256) {
    throw new TypeError(
      `"${spec.model.path}" is not the model of the spec: its SHA-256 is ${model.sha256} and ` +
        `should be ${spec.model.sha256}. Restore the file, or write the spec anew`,
    );
  }
  const address = `${spec.source.kind}:${spec.source.address}`;
  const onLoss = failOnDataLoss === undefined ? {} : { failOnDataLoss };
  const source = await openSource(address, spec.topic, onLoss);
  opened.defer(() => source.close());
  const rows = readStream(source, spec.schema, {
    startingOffsets,
    maxOffsetsPerTrigger,
    failOnDataLoss,
  });
  const kpis = windowKpis(rows.score(model).withColumns(isAlert(spec.threshold)), spec);
  opened.move();
  return { kpis, model };
}
