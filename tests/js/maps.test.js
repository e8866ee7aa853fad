// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { boxOf, cellAt, colourMaps, layoutOf, shortName } from "../../viz/browser/training/maps_layout.js";

/** @import { Name } from "../../viz/browser/training/words.js" */

/**
 * @param {number} count
 * @param {string} text
 * @returns {Name[]}
 */
function names(count, text) {
  return Array.from({ length: count }, () => /** @type {Name} */ ([text, false]));
}

/** @typedef {Parameters<typeof layoutOf>[0]} Scene */
/** @type {Scene} */
const MAPS = { form: "maps", shape: [2, 3, 5, 7], queries: names(5, "q"), keys: names(7, "k") };
/** @type {Scene} */
const PICTURE = { form: "picture", shape: [2, 3, 1, 17], queries: names(1, "class"), keys: names(17, "patch") };
/** @type {Scene} */
const SIGNAL = { form: "signal", shape: [2, 3, 11, 11], queries: names(11, "42"), keys: names(11, "42") };

test("the middle of a cell is that cell, in every form and at any width", () => {
  for (const scene of [MAPS, PICTURE, SIGNAL]) {
    for (const width of [320, 900, 1600]) {
      const layout = layoutOf(scene, width);
      const [across, down] = layout.cells;
      const [x, y, wide, high] = boxOf(layout, 1, 2);
      for (let cell = 0; cell < across * down; cell++) {
        const column = cell % across;
        const row = Math.floor(cell / across);
        const found = cellAt(layout, scene, x + ((column + 0.5) * wide) / across, y + ((row + 0.5) * high) / down);
        const expected = scene.form === "picture" ? { query: 0, key: 1 + cell } : { query: row, key: column };
        assert.deepEqual(found, { layer: 1, head: 2, ...expected });
      }
    }
  }
});

test("beside the maps is no cell", () => {
  const layout = layoutOf(MAPS, 900);
  const [x, y, wide, high] = boxOf(layout, 1, 2);
  for (const [left, top] of [
    [0, y],
    [x, 0],
    [x + wide + 1, y + 1],
    [x + 1, y + high + 1],
    [x + 2 * layout.pitchX, y],
  ]) {
    assert.equal(cellAt(layout, MAPS, left, top), null);
  }
});

test("everything fits the width, and a picture has a column of its own", () => {
  for (const scene of [MAPS, PICTURE, SIGNAL]) assert.ok(layoutOf(scene, 700).width <= 700 + 1e-9);
  const layout = layoutOf(PICTURE, 700);
  assert.equal(layout.firstMap, layout.left + layout.pitchX);
  assert.deepEqual(layout.cells, [4, 4]);
});

test("names are written where a cell has room for a letter, and long ones take more", () => {
  assert.deepEqual(layoutOf(MAPS, 900).named, { queries: true, keys: true });
  assert.deepEqual(layoutOf(MAPS, 120).named, { queries: false, keys: false });
  assert.deepEqual(layoutOf(SIGNAL, 900).named, { queries: false, keys: false });
  const wordy = { ...MAPS, queries: names(5, "word"), keys: names(7, "word") };
  assert.equal(layoutOf(wordy, 900).left - layoutOf(MAPS, 900).left, 62 - 16);
  assert.equal(layoutOf(wordy, 900).above - layoutOf(MAPS, 900).above, 62 - 16);
});

test("every cell has its colour, the darkest from the darkest weight on", () => {
  const [layers, heads, rows, columns] = MAPS.shape;
  const maps = Uint8Array.from({ length: layers * heads * rows * columns }, (_, cell) => cell);
  const colours = Uint8Array.from({ length: 768 }, (_, part) => Math.floor(part / 3));
  const frame = { step: 0, loss: 0, accuracy: 0, scores: new Float32Array(6), maps };
  for (const darkest of [1, 0.5]) {
    const pixels = new Uint8ClampedArray(4 * maps.length);
    colourMaps(pixels, frame, { ...MAPS, darkest }, [columns, rows], colours);
    for (const [layer, head, row, column] of [
      [0, 0, 0, 0],
      [1, 2, 4, 6],
      [1, 0, 3, 2],
    ]) {
      const weight = ((layer * heads + head) * rows + row) * columns + column;
      const pixel = 4 * ((layer * rows + row) * heads * columns + head * columns + column);
      assert.deepEqual([...pixels.slice(pixel, pixel + 4)], [...Array(3).fill(Math.min(255, weight / darkest)), 255]);
    }
  }
});

test("a picture's maps leave out the class token", () => {
  const maps = Uint8Array.from({ length: 17 }, (_, key) => (key ? key : 255));
  const colours = Uint8Array.from({ length: 768 }, (_, part) => Math.floor(part / 3));
  const pixels = new Uint8ClampedArray(4 * 16);
  const frame = { step: 0, loss: 0, accuracy: 0, scores: new Float32Array(1), maps };
  colourMaps(pixels, frame, { form: "picture", shape: [1, 1, 1, 17], darkest: 1 }, [4, 4], colours);
  assert.deepEqual([pixels[0], pixels[60]], [1, 16]);
});

test("names beside a map are short", () => {
  assert.equal(shortName(["[CLS]", true]), "·");
  assert.equal(shortName([" ", false]), "␣");
  assert.equal(shortName(["ninechars", false]), "ninechars");
  assert.equal(shortName(["ten letters", false]), "ten lett…");
});
