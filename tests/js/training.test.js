// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { append, framesOf, hasGap, indexOf, nearest, pauseBefore } from "../../viz/browser/training/frames.js";
import { lossScale } from "../../viz/browser/training/scale.js";
import { describeCell, describeFrame, describeMaps, describeScore, tableOf } from "../../viz/browser/training/words.js";

/** @import { Frame, Frames, Shape } from "../../viz/browser/training/frames.js" */
/** @import { Scene } from "../../viz/browser/training/words.js" */

/** @type {Shape} */
const SHAPE = [1, 2, 2, 3];
const CELLS = 2 * 2 * 3;

/**
 * @param {number} after
 * @param {number[]} steps
 * @returns {[import("../../viz/browser/training/frames.js").Update, import("../../viz/browser/training/frames.js").Columns]}
 */
function update(after, steps) {
  const columns = {
    step: Float32Array.from(steps),
    loss: Float32Array.from(steps, (step) => 1 / (step + 1)),
    accuracy: Float32Array.from(steps, () => 0.5),
    scores: Float32Array.from({ length: 2 * steps.length }, (_, place) => steps[place >> 1] / 100 + (place & 1) / 4),
    maps: Uint8Array.from(
      { length: CELLS * steps.length },
      (_, place) => steps[Math.floor(place / CELLS)] + (place % CELLS),
    ),
  };
  return [{ key: "k", after, live: true, shape: SHAPE }, columns];
}

/** @type {Scene} */
const SCENE = {
  key: "k",
  title: "A task",
  steps: 1200,
  form: "maps",
  queries: [
    ["S", true],
    ["b", false],
  ],
  keys: [
    ["S", true],
    ["a", false],
    ["b", false],
  ],
  truth: [[1, 2]],
  solves: 0.9,
  chance: 0.25,
  darkest: 1,
  levels: 100,
  outline: "#f28e2b",
  style: { head: "Layer {layer}, head {head}", verb: "attends to" },
  light: new Uint8Array(768),
  dark: new Uint8Array(768),
  shape: SHAPE,
  live: false,
};

/** @type {Frame} */
const FRAME = {
  step: 1000,
  loss: 0.012345,
  accuracy: 0.876,
  scores: Float32Array.of(0.5, 0.95),
  maps: Uint8Array.from({ length: CELLS }, (_, cell) => 5 * cell),
};

test("updates are joined without repeats, each frame with its own scores and maps", () => {
  /** @type {Frame[]} */
  const frames = [];
  append(frames, ...update(-1, [0, 10]));
  append(frames, ...update(-1, [0, 10, 20]));
  assert.deepEqual(
    frames.map((frame) => frame.step),
    [0, 10, 20],
  );
  assert.deepEqual(
    [...frames[2].maps],
    Array.from({ length: CELLS }, (_, cell) => 20 + cell),
  );
  assert.deepEqual([...frames[1].scores], [...Float32Array.of(0.1, 0.35)]);
});

test("an update that begins later than the last frame leaves a gap", () => {
  /** @type {Frame[]} */
  const frames = [];
  assert.ok(!hasGap(frames, update(-1, [0])[0]));
  assert.ok(hasGap(frames, update(10, [20])[0]));
  append(frames, ...update(-1, [0, 10]));
  assert.ok(!hasGap(frames, update(10, [20])[0]));
  assert.ok(hasGap(frames, update(20, [30])[0]));
});

test("the trainings that were used last are kept", () => {
  /** @type {Map<string, Frames>} */
  const trainings = new Map();
  const first = framesOf(trainings, "a");
  for (const key of ["b", "c", "a", "d"]) framesOf(trainings, key);
  assert.deepEqual([...trainings.keys()], ["c", "a", "d"]);
  assert.equal(framesOf(trainings, "a"), first);
});

test("the nearest frame to a step, and the pause before the next", () => {
  const frames = [0, 10, 40].map((step) => ({ ...FRAME, step }));
  assert.deepEqual(
    [-5, 4, 6, 30, 99].map((step) => nearest(frames, step)),
    [0, 0, 1, 2, 2],
  );
  assert.equal(pauseBefore(3, false), pauseBefore(300, false));
  assert.deepEqual(
    [1, 9, 300].map((waiting) => pauseBefore(waiting, true)),
    [260, 100, 40],
  );
});

test("a truth score is not rounded over the mark that it misses", () => {
  assert.equal(describeScore(0.8999, 0.9), "0.89");
  assert.equal(describeScore(0.9, 0.9), "0.90");
  assert.equal(describeScore(0.126, 0.9), "0.13");
});

test("a frame in words", () => {
  const said =
    "Step 1,000 of 1,200 · loss 0.0123 · 88% of unseen samples right · best head: layer 0, head 1, truth score 0.95";
  assert.equal(describeFrame(FRAME, SCENE), said);
  const before = { ...FRAME, loss: Number.NaN, scores: Float32Array.of(Number.NaN, Number.NaN) };
  assert.equal(describeFrame(before, SCENE), "Step 1,000 of 1,200 · 88% of unseen samples right");
});

test("a cell in words, and whether it is right", () => {
  const cell = { layer: 0, head: 1, query: 1, key: 2 };
  assert.equal(indexOf(SHAPE, cell), 11);
  assert.equal(
    describeCell(cell, FRAME, SCENE),
    "Layer 0, head 1: “b” (1) attends to “b” (2) with weight 0.55, a right place",
  );
  assert.equal(
    describeCell({ ...cell, query: 0, key: 1 }, FRAME, SCENE),
    "Layer 0, head 1: S attends to “a” (1) with weight 0.35",
  );
});

test("what maps mean, with a truth and without", () => {
  assert.match(describeMaps(SCENE), /the tick chance \(0\.25\)\.$/);
  assert.equal(describeMaps({ ...SCENE, chance: null }), "Darkest: weight 1.");
  assert.equal(describeMaps({ ...SCENE, chance: null, darkest: 0.5 }), "Darkest: weight 0.5 and above.");
});

test("the table has every head's score, or its strongest patch", () => {
  const { title, head, rows } = tableOf(FRAME, SCENE);
  assert.equal(title, "Truth score of every head at step 1,000");
  assert.deepEqual(
    [head, ...rows],
    [
      ["layer", "head 0", "head 1"],
      ["layer 0", "0.50", "0.95 solves"],
    ],
  );
  const patches = tableOf(
    { ...FRAME, scores: Float32Array.of(Number.NaN, Number.NaN), maps: Uint8Array.of(9, 20, 30, 9, 50, 40) },
    { ...SCENE, shape: [1, 2, 1, 3] },
  );
  assert.equal(patches.title, "Strongest patch of every head at step 1,000");
  assert.deepEqual(patches.rows, [["layer 0", "b: 0.30", "a: 0.50"]]);
});

test("the loss scale goes from below the smallest to above the largest loss, with ticks inside", () => {
  for (const losses of [[3.2, 1, 0.02], [2, 1.9], [1e-5, 4], [0.5], [], [0, Number.NaN, 1]]) {
    const { ticks, height } = lossScale(losses);
    for (const loss of losses.filter((each) => each > 0)) assert.ok(height(loss) > 0 && height(loss) < 1, String(loss));
    assert.ok(ticks.length >= 1, String(losses));
    for (const [value] of ticks) assert.ok(height(value) >= 0 && height(value) <= 1);
  }
  assert.deepEqual(
    lossScale([3.2, 0.02]).ticks.map(([, text]) => text),
    ["0.1", "1"],
  );
  assert.deepEqual(
    lossScale([2, 1.9]).ticks.map(([, text]) => text),
    ["0.5", "1", "2"],
  );
});
