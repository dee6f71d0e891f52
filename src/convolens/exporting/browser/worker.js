// Runs the model: behind it, in the same worker, stands onnxruntime-web. Takes pixels, gives the model's outputs.
"use strict";
let session = null;

async function start({ module, wasm, model }) {
  ort.env.wasm.numThreads = 1; // more need headers that neither a disk nor most static hosts send
  ort.env.wasm.wasmBinary = wasm;
  // Made here, not by the page: to a page from a disk and its worker each other's addresses are foreign.
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([module], { type: "text/javascript" })) };
  ort.env.logLevel = "fatal";
  session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], logSeverityLevel: 4 });
  return {};
}

async function look({ pixels, height, width }) {
  const picture = new ort.Tensor("uint8", pixels, [height, width, 3]);
  const before = performance.now();
  const found = await session.run({ picture });
  const outputs = {};
  for (const [name, { data, dims }] of Object.entries(found)) {
    outputs[name] = { data: data instanceof BigInt64Array ? Float64Array.from(data, Number) : data, dims: [...dims] };
  }
  return { outputs, milliseconds: performance.now() - before };
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ id: data.id, found: await { start, look }[data.what](data) });
  } catch (error) {
    self.postMessage({ id: data.id, error: String((error && error.message) || error) });
  }
};
