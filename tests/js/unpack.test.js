// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { sameBytes, unpack } from "../../viz/browser/core/unpack.js";

/**
 * The layout of viz/wire/packing.py, written by hand.
 * @param {object} header
 * @param {Uint8Array} body
 */
function pack(header, body) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = text.length + (-text.length & 3);
  const bytes = new Uint8Array(4 + padded + body.length).fill(32, 4);
  new DataView(bytes.buffer).setUint32(0, padded, true);
  bytes.set(text, 4);
  bytes.set(body, 4 + padded);
  return bytes;
}

const BODY = new Uint8Array(20);
BODY.set([1, 2, 255]);
new DataView(BODY.buffer).setUint16(4, 513, true);
new DataView(BODY.buffer).setFloat32(8, 0.25, true);
new DataView(BODY.buffer).setFloat32(12, Number.NaN, true);
const HEADER = {
  title: "猫 <b>",
  arrays: { small: ["Uint8Array", 0, 3], wide: ["Uint16Array", 4, 1], real: ["Float32Array", 8, 2] },
};

test("arrays are read at their places, whatever the header's length", () => {
  for (const title of ["", "x", "xy", "xyz", HEADER.title]) {
    const { header, arrays } = unpack(pack({ ...HEADER, title }, BODY));
    assert.equal(header.title, title);
    assert.deepEqual([...arrays.small], [1, 2, 255]);
    assert.deepEqual([...arrays.wide], [513]);
    assert.deepEqual([...arrays.real], [0.25, Number.NaN]);
  }
});

test("bytes at an odd place of their buffer are read as well", () => {
  const bytes = pack(HEADER, BODY);
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  assert.deepEqual([...unpack(shifted).arrays.real], [0.25, Number.NaN]);
});

test("arrays are views of the message, not copies", () => {
  const bytes = pack(HEADER, BODY);
  assert.equal(unpack(bytes).arrays.real.buffer, bytes.buffer);
});

test("equal bytes are the same, others are not", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  assert.ok(sameBytes(bytes, Uint8Array.of(1, 2, 3)));
  assert.ok(sameBytes(undefined, undefined));
  for (const other of [Uint8Array.of(1, 2, 4), Uint8Array.of(1, 2), undefined]) assert.ok(!sameBytes(bytes, other));
});
