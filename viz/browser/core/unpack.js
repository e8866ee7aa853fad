// @ts-check
// The bytes of a picture, as viz/wire/packing.py writes them.

/** @typedef {Uint8Array | Uint16Array | Float32Array} PackedArray */

const TYPES = { Uint8Array, Uint16Array, Float32Array };
// Weights in 16 bits (viz/wire/packing.py): the number of weight 1, and that of one that is not a number; above, masked.
const CODE_OF_ONE = 65533;
const CODE_OF_NAN = 65534;

/**
 * Read `uint32 length | JSON header | arrays`. The arrays are views, not copies, except weights in 16 bits.
 * @param {Uint8Array} bytes
 * @returns {{ header: any, arrays: any }}
 */
export function unpack(bytes) {
  const copy = bytes.byteOffset % 4 ? bytes.slice() : bytes;
  const length = new DataView(copy.buffer, copy.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(copy.subarray(4, 4 + length)));
  /** @type {Record<string, PackedArray>} */
  const arrays = {};
  for (const [name, place] of Object.entries(header.arrays)) {
    const [type, offset, size] = /** @type {[keyof typeof TYPES | "Weights", number, number]} */ (place);
    if (type === "Weights") {
      const start = 4 + length + offset;
      arrays[name] = readWeights(copy.subarray(start, start + 2 * size));
      continue;
    }
    arrays[name] = new TYPES[type](
      /** @type {ArrayBuffer} */ (copy.buffer),
      copy.byteOffset + 4 + length + offset,
      size,
    );
  }
  return { header, arrays };
}

/**
 * Return weights of 16 bits as numbers: -1 where masked, NaN where a weight is not a number.
 * @param {Uint8Array} bytes the low bytes of all weights, then the high bytes
 */
export function readWeights(bytes) {
  const size = bytes.length / 2;
  const weights = new Float32Array(size);
  for (let at = 0; at < size; at++) {
    const code = bytes[at] | (bytes[size + at] << 8);
    weights[at] = code <= CODE_OF_ONE ? code / CODE_OF_ONE : code === CODE_OF_NAN ? Number.NaN : -1;
  }
  return weights;
}

/**
 * Return whether two messages are equal: a rerun of the page may send the same bytes again.
 * @param {Uint8Array | undefined} one
 * @param {Uint8Array | undefined} other
 */
export function sameBytes(one, other) {
  if (one === other) return true;
  if (!one || !other || one.length !== other.length) return false;
  for (let place = 0; place < one.length; place++) if (one[place] !== other[place]) return false;
  return true;
}
