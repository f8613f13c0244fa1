/**
 * Imported before ONNX Runtime, which else notes below `~/.cache/Microsoft` what it runs, on which machine, and
 * sends it to Microsoft. It looks when it starts; natively, so no permission of Deno holds it back.
 *
 * @module
 */
try {
  Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
} catch { /* without --allow-env=ORT_DISABLE_TELEMETRY it is for the caller to set it */ }
