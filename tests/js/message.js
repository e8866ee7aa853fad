// @ts-check
// Messages of traces as viz/wire/packing.py writes them, made by hand.

const NAMES = { Uint8Array: "Uint8Array", Uint16Array: "Uint16Array", Float32Array: "Float32Array" };

/**
 * Return `length of the header | header | arrays`, every part padded to 4 bytes.
 * @param {object} header
 * @param {Record<string, Uint8Array | Uint16Array | Float32Array>} arrays
 */
export function pack(header, arrays) {
  /** @type {Record<string, [string, number, number]>} */
  const index = {};
  let length = 0;
  for (const [name, array] of Object.entries(arrays)) {
    index[name] = [NAMES[/** @type {keyof typeof NAMES} */ (array.constructor.name)], length, array.length];
    length += array.byteLength + (-array.byteLength & 3);
  }
  const text = new TextEncoder().encode(JSON.stringify({ ...header, arrays: index }));
  const padded = text.length + (-text.length & 3);
  const bytes = new Uint8Array(4 + padded + length).fill(32, 4, 4 + padded);
  new DataView(bytes.buffer).setUint32(0, padded, true);
  bytes.set(text, 4);
  for (const [name, array] of Object.entries(arrays)) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), 4 + padded + index[name][1]);
  }
  return bytes;
}

/**
 * Return the message of a trace with 2 layers of 2 and 1 heads, 3 queries and 2 keys.
 * @param {object} [changes] of the header
 * @param {Record<string, Uint8Array | Float32Array>} [arrays]
 */
export function message(changes = {}, arrays = { weights: weights() }) {
  const labels = (/** @type {string[]} */ ...texts) => texts.map((text) => [text, false]);
  const header = {
    trace: "name",
    opening: { id: "first", selection: "layer=1&head=0", after: 0 },
    parts: [],
    kind: "cross",
    heads: [2, 1],
    queries: labels("a", "b", "c"),
    keys: labels("x", "y"),
    cuts: [[], []],
    tiles: [],
    sentences: [],
    measures: [],
    style: { strongest: 254, masked: 255, floor: 1e-4 },
    defaults: { threshold: 0.05, scale: "linear", palette: "automatic", scales: ["linear"] },
    palettes: { blues: {} },
    ...changes,
  };
  return pack(header, { colours: new Uint8Array(768), ...arrays });
}

/** Return weights `[layer, head, query, key]`: masked, not a number, and numbers that float32 has exactly. */
export function weights() {
  const head = [0.5, 0.5, 1, -1, Number.NaN, 0.25];
  return Float32Array.from([...head, ...head.map((weight) => weight / 2), ...head, ...Array(6).fill(-1)]);
}

/**
 * A selection that shows the first head as it is.
 * @type {import("../../viz/browser/instrument/store.js").Selection}
 */
export const SELECTION = {
  layer: 0,
  head: 0,
  query: null,
  key: null,
  first: "query",
  region: null,
  threshold: 0,
  palette: "automatic",
  scale: "linear",
  truth: true,
  unit: "pieces",
  heads: "",
  combine: "overlay",
  special: "show",
  sink: "show",
  renormalise: false,
};
