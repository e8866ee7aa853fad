// @ts-check
// The bytes of a picture, as viz/wire/packing.py writes them.

/** @typedef {Uint8Array | Uint16Array | Float32Array} PackedArray */

const TYPES = { Uint8Array, Uint16Array, Float32Array };

/**
 * Read `uint32 length | JSON header | arrays`. The arrays are views, not copies.
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
    const [type, offset, size] = /** @type {[keyof typeof TYPES, number, number]} */ (place);
    arrays[name] = new TYPES[type](
      /** @type {ArrayBuffer} */ (copy.buffer),
      copy.byteOffset + 4 + length + offset,
      size,
    );
  }
  return { header, arrays };
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
