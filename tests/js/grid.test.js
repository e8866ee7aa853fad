// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxOf,
  colourMaps,
  describeHead,
  describeSelection,
  headAfter,
  headAt,
  layoutOf,
  sameHead,
} from "../../viz/browser/instrument/grid_layout.js";

/** @import { Header } from "../../viz/browser/instrument/grid_layout.js" */

/** @type {Header} */
const HEADER = {
  style: { strongest: 254, head: "Layer {layer}, head {head}", verb: "attends to" },
  title: "All heads",
  note: "",
  heads: [5, 3],
  shape: [2, 5, 2, 3],
  done: 1,
  aspect: 0.5,
  selected: null,
  scale: "weight",
  outline: "#e4572e",
  bad: "#e7298a",
  truth: "#f28e2b",
  scores: null,
};

test("the middle of a head's box is that head, at any width and with scores", () => {
  for (const width of [90, 390, 1400]) {
    for (const scores of [null, Array.from({ length: 10 }, () => 0.5)]) {
      const layout = layoutOf({ ...HEADER, scores }, width);
      HEADER.heads.forEach((count, layer) => {
        for (let head = 0; head < count; head++) {
          const [x, y, wide, high] = boxOf(layout, [layer, head]);
          assert.deepEqual(headAt(layout, HEADER.heads, x + wide / 2, y + high / 2), [layer, head]);
        }
      });
    }
  }
});

test("beside the heads is none, and where a layer has fewer", () => {
  const layout = layoutOf(HEADER, 800);
  const [x, y] = boxOf(layout, [1, 3]);
  assert.equal(headAt(layout, HEADER.heads, x + 1, y + 1), null);
  assert.equal(headAt(layout, HEADER.heads, 1, y), null);
  assert.equal(headAt(layout, HEADER.heads, x, 1), null);
  assert.equal(headAt(layout, HEADER.heads, x, layout.bottom + 1), null);
});

test("scores take room below the maps, and maps do not grow beyond reading size", () => {
  const plain = layoutOf(HEADER, 5000);
  const scored = layoutOf({ ...HEADER, scores: [] }, 5000);
  assert.equal(plain.pitch, 104);
  assert.equal(scored.pitchY - plain.pitchY, 15);
  assert.equal(boxOf(plain, [0, 0])[3], boxOf(scored, [0, 0])[3]);
});

test("arrow keys stay inside and keep to the heads of a layer", () => {
  assert.deepEqual(headAfter("ArrowRight", null, HEADER.heads), [0, 1]);
  assert.deepEqual(headAfter("ArrowLeft", [0, 0], HEADER.heads), [0, 0]);
  assert.deepEqual(headAfter("ArrowDown", [0, 4], HEADER.heads), [1, 2]);
  assert.deepEqual(headAfter("ArrowDown", [1, 2], HEADER.heads), [1, 2]);
  assert.equal(headAfter("Enter", [0, 0], HEADER.heads), null);
});

test("heads are the same by layer and head", () => {
  assert.ok(sameHead([1, 2], [1, 2]));
  assert.ok(sameHead(null, null));
  assert.ok(!sameHead([1, 2], [1, 3]));
  assert.ok(!sameHead(null, [0, 0]));
});

test("every cell has its colour, layers down and heads across", () => {
  const maps = Uint8Array.from({ length: 5 * 2 * 3 }, (_, cell) => cell);
  const colours = Uint8Array.from({ length: 3 * 256 }, (_, part) => part % 251);
  const pixels = new Uint8ClampedArray(4 * 5 * 3 * 2);
  colourMaps(pixels, { maps, colours, broken: new Uint8Array(10) }, HEADER);
  for (const [head, row, column] of [
    [0, 0, 0],
    [2, 1, 0],
    [4, 1, 2],
  ]) {
    const colour = 3 * ((head * 2 + row) * 3 + column);
    const pixel = 4 * (row * 15 + head * 3 + column);
    assert.deepEqual([...pixels.slice(pixel, pixel + 4)], [...colours.slice(colour, colour + 3), 255]);
  }
});

test("the grid says which head is where, and what is selected", () => {
  const scores = [...Array(7).fill(null), 0.876, null, null];
  assert.equal(describeHead({ ...HEADER, scores }, [1, 2]), "Layer 1, head 2, attends to the true key 88% of the time");
  assert.equal(describeHead({ ...HEADER, scores }, [0, 2]), "Layer 0, head 2");
  assert.equal(describeHead(HEADER, [1, 2]), "Layer 1, head 2");
  assert.equal(describeSelection(HEADER, [1, 2]), "Layer 1, head 2 is selected");
  assert.equal(describeSelection({ ...HEADER, note: "grey: masked" }, null), "Layers down, heads across; grey: masked");
});
