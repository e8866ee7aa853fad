// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { coloursOfWeight, describeWeight, weightsOf } from "../../viz/browser/instrument/strip_words.js";

/** @import { Tile } from "../../viz/browser/instrument/trace.js" */

/** @type {Tile} */
const TILE = {
  region: [10, 11, 20, 22],
  block: [1, 1],
  shape: [2, 3],
  cells: Float32Array.of(0.5, 0.25, 0.125, -1, Number.NaN, 1),
  given: Float32Array.of(1, 1),
};

test("one row shows what the chosen query attends to, else what attends to the chosen key", () => {
  const row = weightsOf("query", true, { query: 10, key: null }, TILE);
  assert.equal(row.from, "query");
  assert.deepEqual([19, 20, 21, 22, 23].map(row.weight), [undefined, 0.5, 0.25, 0.125, undefined]);
  const column = weightsOf("query", true, { query: null, key: 20 }, TILE);
  assert.equal(column.from, "key");
  assert.deepEqual([9, 10, 11, 12].map(column.weight), [undefined, 0.5, -1, undefined]);
  // A pair is one of the chosen query's.
  assert.equal(weightsOf("query", true, { query: 10, key: 20 }, TILE).from, "query");
  const none = weightsOf("query", true, { query: null, key: null }, TILE);
  assert.deepEqual([none.from, none.weight(20)], [null, undefined]);
});

test("of two rows, each shows what the chosen token of the other one gives or gets", () => {
  const queries = weightsOf("query", false, { query: 10, key: 21 }, TILE);
  assert.deepEqual([queries.from, queries.weight(10)], ["key", 0.25]);
  const keys = weightsOf("key", false, { query: 10, key: 21 }, TILE);
  assert.deepEqual([keys.from, keys.weight(20)], ["query", 0.5]);
  assert.equal(weightsOf("query", false, { query: 10, key: null }, TILE).from, null);
});

test("a chosen token whose weights have not come says so and shows none", () => {
  const waiting = weightsOf("query", true, { query: 10, key: null }, null);
  assert.deepEqual([waiting.from, waiting.weight(20)], ["query", undefined]);
});

test("weights in words: a masked one and one that is not a number are not 0", () => {
  const style = { digits: 2, words: { bad: "broken" } };
  const said = [0, 0.126, -1, Number.NaN, undefined].map((weight) => describeWeight(weight, style));
  assert.deepEqual(said, ["0.00", "0.13", "masked", "broken", ""]);
});

test("text is black or white, whichever contrasts more with the ground", () => {
  const colours = new Uint8Array(768);
  const style = { strongest: 254, masked: 255, floor: 1e-4 };
  colours.set([255, 255, 255], 0);
  colours.set([8, 48, 107], 3 * 254);
  colours.set([119, 119, 119], 3 * 127);
  colours.set([185, 190, 198], 3 * 255);
  const found = [0, 1, 0.25, -1, Number.NaN].map((weight) => coloursOfWeight(weight, style, colours, "#e7298a"));
  assert.deepEqual(found, [
    ["rgb(255, 255, 255)", "#000000"],
    ["rgb(8, 48, 107)", "#ffffff"],
    ["rgb(119, 119, 119)", "#000000"],
    ["rgb(185, 190, 198)", "#000000"],
    ["rgb(231, 41, 138)", "#000000"],
  ]);
});
