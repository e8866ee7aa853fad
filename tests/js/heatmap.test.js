// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  paintNumbers,
  paintWeights,
  pairsOfCell,
  partOf,
  strongestOf,
  weightAt,
  weightOfCell,
} from "../../viz/browser/instrument/heatmap_cells.js";
import { openRegion, pairAfter, readableAround, regionOfNumbers } from "../../viz/browser/instrument/heatmap_choice.js";
import { isTurned } from "../../viz/browser/instrument/heatmap_labels.js";
import { blockOf, placeHeatmap, regionOfBox, spotAt } from "../../viz/browser/instrument/heatmap_layout.js";
import { SELECTION } from "./message.js";

/** @import { Region, Selection } from "../../viz/browser/instrument/store.js" */
/** @import { Tile } from "../../viz/browser/instrument/trace.js" */

const READABLE = 128;

/**
 * @param {number} queries
 * @param {number} keys
 * @param {number} [wide]
 */
function placeOf(queries, keys, wide = 470) {
  return placeHeatmap(wide, [0, queries - 1, 0, keys - 1], READABLE, (_, __, font) => 4 * font);
}

/** A tile of queries 2 to 4 and keys 1 to 2. @type {Tile} */
const TILE = {
  region: [2, 4, 1, 2],
  block: [1, 1],
  shape: [3, 2],
  cells: Float32Array.from([0.25, 0.5, -1, NaN, 0.75, 0.125]),
  given: new Float32Array(3),
};

test("cells are square, in whole pixels, and fit the first screen at 13 tokens", () => {
  const place = placeOf(13, 13);
  assert.deepEqual(place.pitch, [22, 22]);
  assert.ok(place.high < 370, String(place.high));
  assert.ok(place.left + place.width <= place.wide);
});

test("the picture grows with the tokens and never leaves its width", () => {
  const heights = [13, 30, 64, 128, 129, 4000].map((count) => placeOf(count, count).high);
  assert.deepEqual(
    heights,
    heights.toSorted((one, other) => one - other),
  );
  assert.ok(heights.every((height) => height <= 560));
  for (const wide of [300, 366, 470, 900]) {
    for (const [queries, keys] of [
      [1, 1],
      [2, 90],
      [90, 2],
      [5, 23],
      [1, 4000],
      [200, 200],
    ]) {
      const { left, width, top, height, high, pitch } = placeOf(queries, keys, wide);
      assert.ok(left + width <= wide + 0.01, `${queries} ${keys} ${wide}`);
      assert.ok(top + height < high);
      assert.ok(Math.min(...pitch) > 0);
    }
  }
});

test("a side of few tokens beside a long one is high enough to point at", () => {
  assert.ok(placeOf(1, 90).height >= 24);
  assert.ok(placeOf(3, 90).height >= 60);
});

test("a point is on a cell, on a label of one side, or on nothing", () => {
  const place = placeOf(13, 13);
  const { left, top, pitch, width, height } = place;
  const x = left + 2.5 * pitch[1];
  const y = top + 8.5 * pitch[0];
  assert.deepEqual(spotAt(place, x, y), { query: 8, key: 2 });
  assert.deepEqual(spotAt(place, left - 10, y), { query: 8, key: null });
  assert.deepEqual(spotAt(place, x, top + height + 10), { query: null, key: 2 });
  assert.deepEqual(spotAt(place, left + width + 2, y), { query: null, key: null });
  assert.deepEqual(spotAt(place, left - 10, top + height + 10), { query: null, key: null });
  assert.deepEqual(spotAt(place, 4, y), { query: null, key: null });
});

test("where labels are missing, a label belongs to the token that it names", () => {
  const place = placeOf(128, 128);
  assert.ok(place.every[0] > 2);
  for (let row = 0; row < 128; row++) {
    const { query } = spotAt(place, place.left - 10, place.top + (row + 0.5) * place.pitch[0]);
    assert.equal((query ?? -1) % place.every[0], 0);
    assert.ok(Math.abs((query ?? -1) - row) < place.every[0] && (query ?? 999) < 128);
  }
});

test("a box opens the positions that it touches, in any direction and inside of the text", () => {
  const place = placeOf(13, 13);
  const at = (/** @type {number} */ key, /** @type {number} */ query) =>
    /** @type {[number, number]} */ ([place.left + key * place.pitch[1], place.top + query * place.pitch[0]]);
  assert.deepEqual(regionOfBox(place, at(1.5, 2.5), at(4.1, 6.9)), [2, 6, 1, 4]);
  assert.deepEqual(regionOfBox(place, at(4.1, 6.9), at(1.5, 2.5)), [2, 6, 1, 4]);
  assert.deepEqual(regionOfBox(place, at(-9, 3.5), at(99, 99)), [3, 12, 0, 12]);
});

test("a box over blocks opens whole blocks, of which the last may be short", () => {
  const place = placeOf(301, 301);
  assert.deepEqual(place.block, [3, 3]);
  const at = (/** @type {number} */ token) =>
    /** @type {[number, number]} */ ([place.left + token * place.pitch[1], place.top + token * place.pitch[0]]);
  assert.deepEqual(regionOfBox(place, at(4), at(10)), [3, 11, 3, 11]);
  assert.deepEqual(regionOfBox(place, at(299), at(310)), [297, 300, 297, 300]);
});

test("blocks are as large as the server's", () => {
  assert.deepEqual(blockOf([0, 127, 0, 128], READABLE), [1, 2]);
  assert.deepEqual(blockOf([100, 100, 0, 999], READABLE), [1, 8]);
});

const SCALE_STYLE = { strongest: 254, masked: 255, floor: 1e-4 };
const COLOURS = Uint8Array.from({ length: 768 }, (_, at) => (at < 765 ? Math.floor(at / 3) : 7));

test("weights are painted with the colours of the palette, masked cells and bad weights with their own", () => {
  const { pixels, masked, broken } = paintWeights(
    Float32Array.from([0, 1, -1, NaN, 1.5, 0.25]),
    COLOURS,
    SCALE_STYLE,
    "#e7298a",
  );
  const seen = Array.from({ length: 6 }, (_, cell) => [...pixels.slice(4 * cell, 4 * cell + 4)]);
  assert.deepEqual(seen, [
    [0, 0, 0, 255],
    [254, 254, 254, 255],
    [7, 7, 7, 255],
    [0xe7, 0x29, 0x8a, 255],
    [254, 254, 254, 255],
    [127, 127, 127, 255],
  ]);
  assert.deepEqual([masked, broken], [true, true]);
  assert.equal(paintWeights(Float32Array.of(0.25), COLOURS, SCALE_STYLE, "#000000").masked, false);
});

test("a thumbnail is painted by its colour numbers", () => {
  const { pixels, masked } = paintNumbers(Uint8Array.of(3, 255), COLOURS, 255);
  assert.deepEqual([...pixels], [3, 3, 3, 255, 7, 7, 7, 255]);
  assert.equal(masked, true);
});

test("a region shows a part of the thumbnail of the whole head", () => {
  assert.deepEqual(partOf({ block: [2, 4], first: [0, 0] }, [10, 19, 20, 59]), [5, 5, 10, 5]);
  assert.deepEqual(partOf({ block: [1, 1], first: [10, 20] }, [10, 19, 20, 59]), [0, 0, 40, 10]);
});

test("a weight is found by its positions, and only in the region", () => {
  assert.equal(weightAt(TILE, 4, 1), 0.75);
  assert.equal(weightAt(TILE, 3, 1), -1);
  assert.ok(Number.isNaN(weightAt(TILE, 3, 2)));
  for (const [query, key] of [
    [1, 1],
    [5, 1],
    [2, 0],
    [2, 3],
  ])
    assert.equal(weightAt(TILE, query, key), null);
  assert.equal(weightAt({ ...TILE, block: [2, 2] }, 4, 1), null);
  assert.deepEqual(strongestOf(TILE, "query", 2), { position: 2, weight: 0.5 });
  assert.deepEqual(strongestOf(TILE, "key", 1), { position: 4, weight: 0.75 });
  assert.equal(strongestOf(TILE, "query", 3), null);
});

test("a cell of a pooled head has the pairs of its block", () => {
  const place = placeOf(301, 301);
  assert.deepEqual(pairsOfCell(place, 4, 300), [3, 5, 300, 300]);
  /** @type {Tile} */
  const tile = {
    ...TILE,
    region: [0, 300, 0, 300],
    block: [3, 3],
    shape: [101, 101],
    cells: new Float32Array(101 * 101),
  };
  tile.cells[1 * 101 + 100] = 0.5;
  assert.equal(weightOfCell(tile, [3, 5, 300, 300]), 0.5);
});

/** @type {Selection} */
const LOCKED = { ...SELECTION, layer: 3, head: 1, query: 8, key: 2 };
/** @type {Region} */
const WHOLE = [0, 12, 0, 12];

test("a region releases the locked tokens that it does not show, and the whole head releases none", () => {
  assert.deepEqual(openRegion(LOCKED, [8, 9, 1, 3], WHOLE), {
    region: [8, 9, 1, 3],
    query: 8,
    key: 2,
    first: "query",
  });
  assert.deepEqual(openRegion(LOCKED, [0, 7, 1, 3], WHOLE), {
    region: [0, 7, 1, 3],
    query: null,
    key: 2,
    first: "key",
  });
  assert.deepEqual(openRegion(LOCKED, [0, 7, 4, 5], WHOLE), {
    region: [0, 7, 4, 5],
    query: null,
    key: null,
    first: "query",
  });
  assert.deepEqual(openRegion(LOCKED, WHOLE, WHOLE), { region: null });
  assert.deepEqual(openRegion(LOCKED, null, WHOLE), { region: null });
});

test("typed ends stay in the text, and a first one moves a last one that is before it", () => {
  assert.deepEqual(regionOfNumbers([2, 5, 1, 3], 0, WHOLE), [2, 5, 1, 3]);
  assert.deepEqual(regionOfNumbers([7, 5, 1, 3], 0, WHOLE), [7, 7, 1, 3]);
  assert.deepEqual(regionOfNumbers([2, 1, 1, 3], 1, WHOLE), [1, 1, 1, 3]);
  assert.deepEqual(regionOfNumbers([2, 5, 4, 3], 2, WHOLE), [2, 5, 4, 4]);
  assert.deepEqual(regionOfNumbers([-3, 99, NaN, NaN], 1, WHOLE), [0, 12, 0, 12]);
});

test("a part around a pair is as large as can be shown pair by pair", () => {
  assert.deepEqual(readableAround([0, 399, 0, 399], 200, 3, 128), [136, 263, 0, 127]);
  assert.deepEqual(readableAround([0, 399, 0, 399], 399, 399, 128), [272, 399, 272, 399]);
  assert.deepEqual(readableAround([0, 399, 10, 19], 5, 15, 128), [0, 127, 10, 19]);
});

test("arrow keys begin at the focus, move cell by cell and stop at the edge", () => {
  const place = placeOf(13, 13);
  assert.deepEqual(pairAfter("ArrowRight", { query: null, key: null }, place), [0, 0]);
  assert.deepEqual(pairAfter("ArrowRight", { query: 8, key: null }, place), [8, 0]);
  assert.deepEqual(pairAfter("ArrowRight", { query: 8, key: 2 }, place), [8, 3]);
  assert.deepEqual(pairAfter("ArrowUp", { query: 0, key: 2 }, place), [0, 2]);
  assert.deepEqual(pairAfter("Home", { query: 8, key: 5 }, place), [8, 0]);
  assert.deepEqual(pairAfter("End", { query: 8, key: 5 }, place), [8, 12]);
  assert.deepEqual(pairAfter("ArrowDown", { query: 3, key: 3 }, placeOf(301, 301)), [6, 3]);
  assert.equal(pairAfter("a", { query: 8, key: 5 }, place), null);
});

test("below turned words a single character stands upright where its column is wide enough", () => {
  const place = { upright: false, pitch: /** @type {[number, number]} */ ([20, 20]), font: 12 };
  for (const text of ["(", "]", "7", ".", "猫", "😀", "e\u0301"]) assert.equal(isTurned(place, text), false, text);
  for (const text of ["[CLS]", "10", "", "睡觉"]) assert.equal(isTurned(place, text), true, text);
  assert.equal(isTurned({ ...place, pitch: [20, 11] }, "("), true);
  assert.equal(isTurned({ ...place, upright: true }, "[CLS]"), false);
});
