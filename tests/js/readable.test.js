// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasMasked, shadedBlocks } from "../../viz/browser/instrument/heatmap_shade.js";
import { rowSentence, shareSentence, sharesOf } from "../../viz/browser/instrument/heatmap_shares.js";
import { regionOfTexts, textsOfRegion } from "../../viz/browser/instrument/heatmap_texts.js";
import {
  boxOnMap,
  mapSize,
  moveRegion,
  pairOnMap,
  regionAround,
  regionFrom,
  resizeRegion,
} from "../../viz/browser/instrument/minimap_layout.js";
import { ticksOf } from "../../viz/browser/instrument/scales.js";
import { DIMMED, HIDDEN } from "../../viz/browser/instrument/shown.js";
import { coloursOfWeight, notesOfTokens } from "../../viz/browser/instrument/strip_words.js";
import { describeLack } from "../../viz/browser/instrument/toolbar_view.js";

/** @import { Region } from "../../viz/browser/instrument/store.js" */
/** @import { Label, Tile } from "../../viz/browser/instrument/trace.js" */

const SCALE = { strongest: 254, floor: 1e-4 };

test("the bar of colours has numbers at the places of its scale", () => {
  const at = (/** @type {string} */ scale) => ticksOf(scale, SCALE).map(({ text, place }) => [text, place.toFixed(3)]);
  assert.deepEqual(at("linear").slice(0, 2), [
    ["0", "0.000"],
    ["0.25", "0.250"],
  ]);
  assert.deepEqual(at("root").slice(2), [
    ["0.25", "0.500"],
    ["0.5", "0.707"],
    ["1", "1.000"],
  ]);
  assert.deepEqual(at("log"), [
    ["≤0.0001", "0.000"],
    ["0.001", "0.250"],
    ["0.01", "0.500"],
    ["0.1", "0.750"],
    ["1", "1.000"],
  ]);
});

/** @type {Label[]} */
const KEYS = [
  ["[CLS]", true],
  ["a", false],
  ["[SEP]", true],
].map(([text, special]) => /** @type {Label} */ ([text, special]));
/** @param {number[]} cells @returns {Tile} */
function tileOf(cells) {
  const rows = cells.length / 3;
  return {
    region: [0, rows - 1, 0, 2],
    block: [1, 1],
    shape: [rows, 3],
    cells: Float32Array.from(cells),
    given: new Float32Array(rows),
  };
}

test("shares are means over the rows that are shown", () => {
  const tile = tileOf([0.5, 0.25, 0.25, 0.125, 0.5, 0.375, 1, 0, 0, -1, -1, -1]);
  const none = new Uint8Array(4);
  assert.deepEqual(sharesOf(tile, KEYS, none), [(0.75 + 0.5 + 1) / 3, (0.5 + 0.125 + 1) / 3]);
  assert.deepEqual(sharesOf(tile, KEYS, Uint8Array.of(HIDDEN, DIMMED, HIDDEN, 0)), [0.5, 0.125]);
  const plain = KEYS.map(([text]) => /** @type {Label} */ ([text, false]));
  assert.deepEqual(sharesOf(tile, plain, none), [null, (0.5 + 0.125 + 1) / 3]);
  // The rows of a maximum over heads sum to more than 1.
  assert.deepEqual(sharesOf(tileOf([1, 0.5, 0.5]), KEYS, none), [0.75, 0.5]);
  assert.ok(sharesOf(tileOf([Number.NaN, 0.5, 0.5]), KEYS, none).every(Number.isNaN));
});

test("a sentence states the shares, and what happens to the rows", () => {
  assert.equal(
    shareSentence([0.6171, 0.4684], "this head's attention"),
    "Special tokens get 61.7% of this head's attention, the first token gets 46.8%.",
  );
  assert.equal(
    shareSentence([null, 0.5], "the attention in this map"),
    "The first token gets 50.0% of the attention in this map.",
  );
  assert.equal(shareSentence(null, ""), "");
  assert.equal(shareSentence([Number.NaN, Number.NaN], ""), "");
  assert.equal(rowSentence({ special: "dim", sink: "show", renormalise: true }), "");
  assert.match(rowSentence({ special: "hide", sink: "show", renormalise: false }), /sum to less than 1/);
  assert.match(rowSentence({ special: "show", sink: "hide", renormalise: true }), /divided by what is left/);
});

test("a block is hidden if all of its tokens are, and masked cells of hidden tokens are not called masked", () => {
  const shade = Uint8Array.of(HIDDEN, HIDDEN, HIDDEN, 0, DIMMED);
  assert.deepEqual([...shadedBlocks(shade, 0, 2, 3, HIDDEN)], [1, 0, 0]);
  assert.deepEqual([...shadedBlocks(shade, 0, 2, 3, DIMMED)], [1, 0, 1]);
  const cells = { first: /** @type {[number, number]} */ ([0, 0]), block: /** @type {[number, number]} */ ([1, 1]) };
  const both = { query: Uint8Array.of(HIDDEN, 0), key: Uint8Array.of(HIDDEN, 0) };
  const has = (/** @type {number[]} */ values) => hasMasked(values, -1, { ...cells, rows: 2, columns: 2 }, both);
  assert.equal(has([-1, -1, -1, 0.5]), false);
  assert.equal(has([-1, -1, -1, -1]), true);
});

/** @type {[first: number, last: number][][]} */
const SPANS = [
  [
    [0, 6],
    [7, 10],
  ],
  [
    [0, 6],
    [7, 10],
  ],
];

test("the texts of a pair are regions of the queries of one and the keys of one", () => {
  assert.deepEqual(regionOfTexts("A to B", SPANS), [0, 6, 7, 10]);
  assert.deepEqual(regionOfTexts("B to A", SPANS), [7, 10, 0, 6]);
  assert.equal(regionOfTexts("All", SPANS), null);
  const whole = /** @type {Region} */ ([0, 10, 0, 10]);
  for (const choice of ["All", "A to A", "A to B", "B to A", "B to B"])
    assert.equal(textsOfRegion(regionOfTexts(choice, SPANS), SPANS, whole), choice);
  assert.equal(textsOfRegion([0, 5, 7, 10], SPANS, whole), "Other part");
});

/** @type {Region} */
const WHOLE = [0, 100, 0, 202];

test("the map has the shape of the head, and the box its place", () => {
  const size = mapSize(WHOLE);
  assert.deepEqual(size, { width: 96, height: 48 });
  assert.deepEqual(mapSize([0, 0, 0, 99]), { width: 96, height: 24 });
  assert.deepEqual(boxOnMap(WHOLE, WHOLE, size), { x: 0, y: 0, ...size });
  const box = boxOnMap([50, 100, 101, 202], WHOLE, size);
  assert.ok(Math.abs(box.x + box.width - 96) < 1e-9 && Math.abs(box.y + box.height - 48) < 1e-9);
  const [query, key] = pairOnMap(box.x, box.y, WHOLE, size);
  assert.ok(Math.abs(query - 50) < 1e-9 && Math.abs(key - 101) < 1e-9);
});

test("a moved region keeps its size and stays in the text", () => {
  /** @type {Region} */
  const region = [10, 29, 40, 56];
  assert.deepEqual(regionFrom(region, WHOLE, -5, 500), [0, 19, 186, 202]);
  assert.deepEqual(regionAround(region, WHOLE, 50, 100), [40, 59, 92, 108]);
  assert.deepEqual(moveRegion(region, WHOLE, 1, -1), [13, 32, 38, 54]);
  assert.deepEqual(moveRegion([3, 3, 5, 5], WHOLE, -1, 1), [2, 2, 6, 6]);
});

test("a region grows to the whole head and shrinks to one pair", () => {
  let region = /** @type {Region} */ ([10, 29, 40, 56]);
  for (let step = 0; step < 40; step++) region = resizeRegion(region, WHOLE, 1);
  assert.deepEqual(region, WHOLE);
  for (let step = 0; step < 80; step++) region = resizeRegion(region, WHOLE, -1);
  assert.deepEqual([region[1] - region[0], region[3] - region[2]], [0, 0]);
  assert.deepEqual(resizeRegion([10, 29, 40, 59], WHOLE, 1), [8, 32, 38, 62]);
});

test("the strip says what the row of a decoder is, and fades the weights of dimmed tokens", () => {
  const trace = (/** @type {string} */ kind, /** @type {Label[]} */ labels) =>
    /** @type {any} */ ({ header: { kind }, queries: labels, keys: labels });
  assert.deepEqual(notesOfTokens(trace("encoder", [["a", false]])), []);
  assert.equal(notesOfTokens(trace("decoder", [["a", false, true]])).length, 2);
  const colours = new Uint8Array(768);
  const style = { ...SCALE, masked: 255 };
  assert.deepEqual(coloursOfWeight(1, style, colours, "#ff0000"), ["rgb(0, 0, 0)", "#ffffff"]);
  assert.deepEqual(coloursOfWeight(1, style, colours, "#ff0000", "#ffffff"), ["rgb(168, 168, 168)", "#000000"]);
});

test("a missing view is named with its remedy", () => {
  assert.match(describeLack("words", false), /^This file does not have the weights for words: /);
  assert.match(describeLack("", true), /^The server could not compute this view\./);
});
