// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { fadeCells } from "../../viz/browser/instrument/heads_drawing.js";
import {
  boxOfHead,
  cellsOfFocus,
  enlargedBox,
  headAfter,
  headAt,
  layoutHeads,
  SMALL_PITCH,
  sameHead,
} from "../../viz/browser/instrument/heads_layout.js";
import {
  describeHead,
  describeHeadInFocus,
  describeLegend,
  examineHeads,
} from "../../viz/browser/instrument/heads_words.js";

const HEADS = [5, 3];
const SIZE = { layers: 2, heads: 5, aspect: 0.5, scored: false };
const STYLE = { head: "Layer {layer}, head {head}", verb: "attends to", masked: 255, words: { bad: "not a number" } };
/** @type {any} */
const TRACE = { nLayers: 2, nHeads: 5, done: 2, block: [1, 1], header: { style: STYLE } };
const PLAIN = { broken: new Set(/** @type {string[]} */ ([])), isMasked: false, isHidden: false, isDimmed: false };

test("the middle of a head's box is that head, at any width and with scores", () => {
  for (const width of [90, 390, 1400]) {
    for (const scored of [false, true]) {
      const layout = layoutHeads({ ...SIZE, scored }, width);
      HEADS.forEach((count, layer) => {
        for (let head = 0; head < count; head++) {
          const [x, y, wide, high] = boxOfHead(layout, [layer, head]);
          assert.deepEqual(headAt(layout, HEADS, x + wide / 2, y + high / 2), [layer, head]);
        }
      });
    }
  }
});

test("beside the heads is none, and where a layer has fewer", () => {
  const layout = layoutHeads(SIZE, 800);
  const [x, y] = boxOfHead(layout, [1, 3]);
  assert.equal(headAt(layout, HEADS, x + 1, y + 1), null);
  assert.equal(headAt(layout, HEADS, 1, y), null);
  assert.equal(headAt(layout, HEADS, x, 1), null);
  assert.equal(headAt(layout, HEADS, x, layout.bottom + 1), null);
});

test("any number of heads fits into the first screen, with boxes that have an area", () => {
  for (const [layers, heads] of [
    [6, 12],
    [30, 9],
    [48, 25],
    [1, 1],
    [2, 40],
    [96, 96],
  ]) {
    for (const aspect of [0.4, 1, 2.5]) {
      for (const scored of [false, true]) {
        const layout = layoutHeads({ layers, heads, aspect, scored }, 420);
        const [x, y, wide, high] = boxOfHead(layout, [layers - 1, heads - 1]);
        assert.ok(layout.high <= 461, `${layers} x ${heads}: ${layout.high}`);
        assert.ok(layout.wide <= 420 && x + wide <= layout.wide + 0.01);
        assert.ok(y + high <= layout.bottom);
        assert.ok(wide > 0 && high > 0, `${layers} x ${heads}: ${wide} x ${high}`);
      }
    }
  }
  assert.ok(layoutHeads({ layers: 48, heads: 25, aspect: 1, scored: false }, 420).pitch > 8);
});

test("scores take room below the thumbnails, which do not grow beyond reading size", () => {
  const plain = layoutHeads({ ...SIZE, aspect: 1 }, 5000);
  const scored = layoutHeads({ ...SIZE, aspect: 1, scored: true }, 5000);
  assert.equal(plain.pitch, 104);
  assert.equal(scored.pitchY - plain.pitchY, 15);
  assert.equal(boxOfHead(plain, [0, 0])[3], boxOfHead(scored, [0, 0])[3]);
});

test("an enlarged head is inside the picture and does not cover its own thumbnail", () => {
  for (const size of [
    { layers: 30, heads: 9, aspect: 1, scored: false },
    { layers: 6, heads: 12, aspect: 2.5, scored: false },
    { layers: 2, heads: 40, aspect: 0.4, scored: false },
  ]) {
    const layout = layoutHeads(size, 420);
    assert.ok(layout.pitch < SMALL_PITCH);
    for (let layer = 0; layer < size.layers; layer++) {
      for (let head = 0; head < size.heads; head++) {
        const [x, y, wide, high] = enlargedBox(layout, [layer, head], size.aspect);
        assert.ok(x >= 0 && y >= 0 && x + wide <= layout.wide && y + high <= layout.high);
        assert.ok(wide > 40);
        const [left, , width] = boxOfHead(layout, [layer, head]);
        assert.ok(x >= left + width || x + wide <= left, `${layer} ${head}`);
      }
    }
  }
});

test("arrow keys stay inside and keep to the heads of a layer", () => {
  assert.deepEqual(headAfter("ArrowRight", [0, 0], HEADS), [0, 1]);
  assert.deepEqual(headAfter("ArrowLeft", [0, 0], HEADS), [0, 0]);
  assert.deepEqual(headAfter("ArrowDown", [0, 4], HEADS), [1, 2]);
  assert.deepEqual(headAfter("ArrowDown", [1, 2], HEADS), [1, 2]);
  assert.equal(headAfter("Enter", [0, 0], HEADS), null);
});

test("heads are the same by layer and head", () => {
  assert.ok(sameHead([1, 2], [1, 2]));
  assert.ok(sameHead(null, null));
  assert.ok(!sameHead([1, 2], [1, 3]));
  assert.ok(!sameHead(null, [0, 0]));
});

test("a focused token is in the cell of its block", () => {
  assert.deepEqual(cellsOfFocus({ query: 8, key: null }, [3, 1]), { row: 2, column: null });
  assert.deepEqual(cellsOfFocus({ query: 0, key: 5 }, [1, 2]), { row: 0, column: 2 });
});

test("the picture says which head is where, with its score or the pair's weight", () => {
  const scores = [...Array(7).fill(null), 0.876, null, null];
  assert.equal(describeHead(TRACE, [1, 2], scores), "Layer 1, head 2, attends to the true key 88% of the time");
  assert.equal(describeHead(TRACE, [0, 2], scores), "Layer 0, head 2");
  assert.equal(describeHead(TRACE, [1, 2], null), "Layer 1, head 2");
  const weight = Float32Array.from({ length: 10 }, (_, number) => number / 10);
  weight[3] = -1;
  const pair = { weight, others: new Float32Array(10).fill(0.1), query: 1, key: 2 };
  assert.equal(describeHeadInFocus(TRACE, [1, 2], pair, null), "Layer 1, head 2: 0.70, 7.0 times the others");
  assert.equal(describeHeadInFocus(TRACE, [0, 3], pair, null), "Layer 0, head 3: masked");
});

test("the legend says what is no plain weight, and nothing where all is plain", () => {
  assert.equal(describeLegend(TRACE, PLAIN, "grey", false), "");
  const grown = { ...TRACE, done: 1, block: [3, 2] };
  assert.equal(
    describeLegend(grown, { broken: new Set(["0,1"]), isMasked: true, isHidden: true, isDimmed: true }, "sand", true),
    "1 of 2 layers so far, a cell is the largest weight of 3 x 2 pairs, sand: masked, faded: dimmed, hatched: hidden, pink: not a number, " +
      "per cent: how often a head's strongest key is the true one",
  );
});

test("the cells of hidden tokens are hidden, not masked", () => {
  const cells = Uint8Array.from([255, 255, 255, 255, 9, 9, 255, 9, 9]);
  const thumbnail = { rows: 3, columns: 3, cells };
  /** @type {any} */
  const trace = { ...TRACE, heads: [1], done: 1, thumbnail: () => thumbnail, isBroken: () => false };
  const first = Uint8Array.from([2, 0, 0]);
  const none = new Uint8Array(3);
  const facts = (/** @type {Uint8Array} */ query, /** @type {Uint8Array} */ key) => {
    const { isMasked, isHidden } = examineHeads(trace, { query, key });
    return [isMasked, isHidden];
  };
  assert.deepEqual(facts(first, first), [false, true]);
  assert.deepEqual(facts(none, none), [true, false]);
  cells[5] = 255;
  assert.deepEqual(facts(first, first), [true, true]);
});

test("cells of dimmed tokens keep their colour and lose opacity", () => {
  const pixels = Uint32Array.from([0xff112233, 0xff445566, 0xff778899, 0xffaabbcc]);
  fadeCells(pixels, Uint8Array.from([1, 0]), Uint8Array.from([0, 0]), 0.2);
  assert.deepEqual([...pixels], [0x33112233, 0x33445566, 0xff778899, 0xffaabbcc]);
  fadeCells(pixels, Uint8Array.from([0, 0]), Uint8Array.from([0, 1]), 0.6);
  assert.deepEqual([...pixels], [0x33112233, 0x99445566, 0xff778899, 0x99aabbcc]);
});

test("layers of one head each stand in reading order, larger than in a column, and are found at their place", () => {
  for (const [layers, width, columns] of [
    [6, 380, 3],
    [30, 380, 6],
    [30, 340, 6],
  ]) {
    for (const scored of [false, true]) {
      const layout = layoutHeads({ layers, heads: 1, aspect: 1, scored }, width);
      const heads = Array(layers).fill(1);
      if (!scored) assert.equal(layout.columns, columns);
      assert.ok(layout.pitch > 40);
      assert.ok(layout.high < 460);
      let [before, row] = [-1, -1];
      for (let layer = 0; layer < layers; layer++) {
        const [x, y, wide, high] = boxOfHead(layout, [layer, 0]);
        assert.ok(y > row || (y === row && x > before), "reading order");
        [before, row] = [x, y];
        assert.ok(x >= 0 && x + wide <= layout.wide && y + high <= layout.bottom);
        assert.deepEqual(headAt(layout, heads, x + wide / 2, y + high / 2), [layer, 0]);
      }
      assert.equal(headAt(layout, heads, layout.pitch * Number(layout.columns) + 1, 30), null);
    }
  }
  assert.deepEqual(headAfter("ArrowRight", [4, 0], [1, 1, 1, 1, 1, 1]), [5, 0]);
  assert.deepEqual(headAfter("ArrowUp", [4, 0], [1, 1, 1, 1, 1, 1]), [3, 0]);
});
