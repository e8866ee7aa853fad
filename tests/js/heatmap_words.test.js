// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { placeHeatmap } from "../../viz/browser/instrument/heatmap_layout.js";
import { describeFocus, notesOf } from "../../viz/browser/instrument/heatmap_words.js";
import { measureWords } from "../../viz/browser/instrument/measures.js";

/** @import { Label, Tile } from "../../viz/browser/instrument/trace.js" */

const READABLE = 128;

/** @param {number} count of tokens of both sides */
function placeOf(count) {
  return placeHeatmap(470, [0, count - 1, 0, count - 1], READABLE, () => 30);
}

/** A tile of queries 2 to 4 and keys 1 to 2. @type {Tile} */
const TILE = {
  region: [2, 4, 1, 2],
  block: [1, 1],
  shape: [3, 2],
  cells: Float32Array.from([0.25, 0.5, -1, NaN, 0.75, 0.125]),
  given: new Float32Array(3),
};

/** @type {Label[]} */
const LABELS = ["a", "b", "the", "cat", "خط"].map((text) => [text, false]);
const SHADE = { query: new Uint8Array(5), key: new Uint8Array(5) };
const STYLE = {
  verb: "looks at",
  most: { query: "gives most to", key: "gets most from" },
  words: { bad: "broken" },
};

/**
 * @param {number | null} query
 * @param {number | null} key
 * @param {Tile | null} [tile]
 */
function said(query, key, tile = TILE) {
  const trace = { queries: LABELS, keys: LABELS, header: { style: STYLE }, whole: [0, 4, 0, 4] };
  const scene = /** @type {any} */ ({ trace, tile, focus: { query, key }, shade: SHADE });
  return describeFocus(
    scene,
    placeHeatmap(470, TILE.region, READABLE, () => 30),
    null,
  );
}

test("the line below the picture says the pair, its weight, or why there is none", () => {
  assert.equal(said(2, 1), "the (2) looks at b (1): 0.2500");
  assert.equal(said(3, 1), "cat (3) looks at b (1): masked");
  assert.equal(said(3, 2), "cat (3) looks at the (2): broken");
  assert.equal(said(2, 1, null), "the (2) looks at b (1): …");
  assert.equal(said(0, 1), "a (0) looks at b (1): outside the region");
  assert.equal(said(2, null), "the (2) gives most to the (2): 0.5000");
  assert.equal(said(null, 1), "b (1) gets most from \u2068خط\u2069 (4): 0.7500");
  assert.equal(said(null, null), "");
});

test("notes name the region and the blocks", () => {
  const trace = /** @type {any} */ ({ whole: [0, 399, 0, 399] });
  assert.equal(notesOf(trace, placeOf(400)), "Each cell is the largest weight of 4 x 4 pairs.");
  const part = placeHeatmap(470, [0, 199, 5, 9], READABLE, () => 30);
  assert.equal(notesOf(trace, part), "Queries 0 to 199, keys 5 to 9; each cell is the largest weight of 2 x 1 pairs.");
  assert.equal(notesOf(/** @type {any} */ ({ whole: [0, 3, 0, 3] }), placeOf(4)), "");
});

test("measures have their units, and a dash where they are not defined", () => {
  assert.equal(measureWords("bits", 1.799), "1.80 bits");
  assert.equal(measureWords("tokens", 4.66), "4.7 tokens");
  assert.equal(measureWords("", 0.4684), "46.8%");
  assert.equal(measureWords("", NaN), "–");
  assert.equal(measureWords("", null), "–");
  assert.equal(measureWords("", undefined), "…");
});
