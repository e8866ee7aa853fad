// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeLines, overlayOf, weightsOfPair } from "../../viz/browser/instrument/graph_overlay.js";
import { overlayRows } from "../../viz/browser/instrument/graph_overlay_words.js";
import {
  choiceOfKey,
  clickHead,
  overlaidHeads,
  toggleAllHeads,
  toggleHead,
  toggleLayer,
} from "../../viz/browser/instrument/head_choice.js";
import { headLook, mostHeads } from "../../viz/browser/instrument/head_look.js";
import { describeHeadSet, expandHeads, writeHeads } from "../../viz/browser/instrument/head_set.js";
import { describeGroup, runsOf } from "../../viz/browser/instrument/heads_chosen.js";
import { boxOfHead, headAt, layoutHeads, targetAt } from "../../viz/browser/instrument/heads_layout.js";
import { shiftOfHead } from "../../viz/browser/instrument/token_graph_heads.js";
import { Trace } from "../../viz/browser/instrument/trace.js";
import { message } from "./message.js";

/** @import { HeadPlace } from "../../viz/browser/instrument/head_set.js" */

const HEADS = [3, 2, 5];
const NONE = { ctrlKey: false, metaKey: false, shiftKey: false };
const STYLE = {
  digits: 3,
  words: { bad: "not a number", repeated: "{token} ({position})" },
  strongest: 254,
  masked: 255,
  floor: 1e-4,
};

/** A trace of 2 layers with 3 heads, 5 queries and 7 keys; some pairs are masked, one is not a number. */
function primes() {
  const [queries, keys] = [5, 7];
  const weights = new Float32Array(2 * 3 * queries * keys);
  for (let at = 0; at < weights.length; at++) weights[at] = ((at * 7919) % 1009) / 1009;
  weights[3] = -1; // masked in one head
  for (let head = 0; head < 6; head++) weights[head * 35 + 11] = -1; // masked in all
  weights[2 * 35 + 20] = Number.NaN;
  const labels = (/** @type {number} */ count) => Array.from({ length: count }, (_, at) => [`t${at}`, false]);
  return new Trace(message({ heads: [3, 3], queries: labels(queries), keys: labels(keys), style: STYLE }, { weights }));
}

test("a text that names heads survives writing and reading", () => {
  const all = expandHeads("all", HEADS);
  assert.equal(all.length, 10);
  for (let bits = 0; bits < 2 ** all.length; bits += 7) {
    const some = all.filter((_, at) => bits & (1 << at));
    assert.deepEqual(expandHeads(writeHeads(some, HEADS), HEADS), some);
  }
  assert.equal(writeHeads(all, HEADS), "all");
  assert.equal(writeHeads(expandHeads("1,0.2", HEADS), HEADS), "0.2,1");
  assert.equal(describeHeadSet("1", HEADS), "layer 1");
  assert.equal(describeHeadSet("0.2,2.4", HEADS), "heads 0.2 and 2.4");
  assert.equal(describeHeadSet("0,1", HEADS), "5 heads");
});

test("Ctrl adds a head to the current one, and removes it again", () => {
  const start = { layer: 0, head: 1, heads: "" };
  const two = toggleHead(start, [2, 3], HEADS);
  assert.deepEqual(two, { layer: 2, head: 3, heads: "0.1,2.3" });
  assert.deepEqual(toggleHead(two, [2, 3], HEADS), { layer: 0, head: 1, heads: "0.1" });
  assert.deepEqual(toggleHead(two, [0, 1], HEADS), { layer: 2, head: 3, heads: "2.3" });
  // The first key press on the one head begins a set, which another head can be added to.
  assert.deepEqual(toggleHead(start, [0, 1], HEADS), { layer: 0, head: 1, heads: "0.1" });
  assert.equal(toggleHead({ ...start, heads: "0.1" }, [0, 1], HEADS).heads, "");
});

test("Shift chooses a range in reading order, a plain click one head", () => {
  const state = /** @type {any} */ ({ layer: 1, head: 1, heads: "2.4", combine: "overlay" });
  assert.equal(clickHead(state, [0, 2], { ...NONE, shiftKey: true }, HEADS).heads, "0.2,1");
  assert.equal(clickHead(state, [2, 1], { ...NONE, shiftKey: true }, HEADS).heads, "1.1,2.0,2.1");
  assert.equal(clickHead(state, [2, 1], { ...NONE, metaKey: true }, HEADS).heads, "2.1,2.4");
  assert.deepEqual(clickHead(state, [2, 1], NONE, HEADS), { layer: 2, head: 1, heads: "" });
});

test("a layer and all heads are chosen, and released by a second click", () => {
  const start = { layer: 2, head: 4, heads: "" };
  const layer = toggleLayer(start, 1, HEADS);
  assert.deepEqual(layer, { layer: 1, head: 1, heads: "1" });
  assert.equal(toggleLayer(layer, 1, HEADS).heads, "");
  assert.equal(toggleLayer(layer, 0, HEADS, true).heads, "0,1");
  assert.equal(toggleLayer({ ...start, heads: "0,1" }, 0, HEADS, true).heads, "1");
  assert.equal(toggleLayer(start, 1, HEADS, true).heads, "1,2.4");
  assert.equal(toggleAllHeads(start, HEADS).heads, "all");
  assert.equal(toggleAllHeads({ ...start, heads: "all" }, HEADS).heads, "");
});

test("keys move the current head and keep the chosen ones, or change them", () => {
  const state = { layer: 0, head: 1, heads: "2" };
  const press = (/** @type {string} */ key, ctrlKey = false) =>
    choiceOfKey({ key, ctrlKey, metaKey: false }, state, HEADS);
  assert.deepEqual(press("ArrowRight"), { layer: 0, head: 2 });
  assert.equal(press(" ")?.heads, "0.1,2");
  assert.equal(press("Enter", true)?.heads, "0.1,2");
  assert.equal(press("Enter")?.heads, "");
  assert.equal(press("x"), null);
});

test("an overlay is what is chosen, unless that is the one head or a map of several", () => {
  const state = /** @type {any} */ ({ layer: 0, head: 1, heads: "0.1", combine: "overlay" });
  assert.deepEqual(overlaidHeads(state, HEADS), []);
  assert.deepEqual(overlaidHeads({ ...state, heads: "0.2" }, HEADS), [[0, 2]]);
  assert.deepEqual(overlaidHeads({ ...state, heads: "1" }, HEADS), [
    [1, 0],
    [1, 1],
  ]);
  assert.deepEqual(overlaidHeads({ ...state, heads: "1", combine: "mean" }, HEADS), []);
});

test("mean and maximum are those of the heads", () => {
  const trace = primes();
  for (const heads of ["0", "0.0,1.2", "all", "1.1"]) {
    const chosen = expandHeads(heads, trace.heads).map((place) => trace.headWeights(...place));
    const mean = trace.combine(["mean", heads]);
    const most = trace.combine(["maximum", heads]);
    for (let pair = 0; pair < 35; pair++) {
      const all = chosen.map((weights) => weights[pair]);
      const known = all.filter((weight) => weight !== -1);
      const sum = known.reduce((total, weight) => total + weight, 0);
      assert.deepEqual(mean[pair], known.length ? Math.fround(sum / all.length) : -1);
      assert.deepEqual(most[pair], known.length ? Math.max(...known) : -1);
    }
  }
  assert.ok(Number.isNaN(trace.combine(["mean", "0"])[20]) && Number.isNaN(trace.combine(["maximum", "0"])[20]));
});

test("an overlay has the lines of each head, weakest first, and knows their heads", () => {
  const trace = primes();
  const places = /** @type {HeadPlace[]} */ ([
    [0, 0],
    [1, 2],
    [0, 2],
  ]);
  const tiles = places.map((place) => trace.tile(place, null));
  const { graph, ofHead, own } = overlayOf(trace, trace.whole, places, tiles, 0.3);
  const { lines } = graph;
  const expected = places.flatMap((place, number) =>
    Array.from(trace.headWeights(...place), (weight, pair) => ({ number, weight, pair })).filter(
      ({ weight }) => weight !== -1 && !(weight < Math.fround(0.3)),
    ),
  );
  const drawn = Array.from(
    lines.weight,
    (weight, line) => `${lines.head?.[line]} ${lines.query[line] * 7 + lines.key[line]} ${weight}`,
  );
  assert.deepEqual([...drawn].sort(), expected.map(({ number, pair, weight }) => `${number} ${pair} ${weight}`).sort());
  for (let line = 1; line < drawn.length - 1; line++) assert.ok(lines.weight[line] >= lines.weight[line - 1]);
  assert.ok(Number.isNaN(lines.weight[drawn.length - 1]));
  assert.deepEqual(
    ofHead.map((each) => each.length),
    own.map((each) => each.weight.length),
  );
  assert.equal(lines.given[0], Math.fround(tiles.reduce((sum, tile) => Math.fround(sum + (tile?.given[0] ?? 0)), 0)));
  const last = overlayRows({ graph, places, tiles, own, ofHead }, null, 2);
  assert.deepEqual(last[0], ["0.2", "t2", "t6", "not a number"]);
  assert.equal(last.length, 2);
});

test("an overlay draws the heads that have come", () => {
  const trace = primes();
  const tile = trace.tile([0, 1], null);
  const overlay = overlayOf(
    trace,
    trace.whole,
    [
      [0, 0],
      [0, 1],
    ],
    [null, tile],
    0,
  );
  assert.ok(overlay.graph.lines.head?.every((number) => number === 1));
  assert.deepEqual(weightsOfPair(overlay, 0, 1), [{ number: 1, weight: tile?.cells[1] }]);
});

test("merged lines of no head are none", () => {
  assert.equal(mergeLines([], [2, 3]).weight.length, 0);
});

test("24 heads differ by colour and dash", () => {
  const style = /** @type {any} */ ({
    head_colours: { light: ["a", "b"], dark: ["c", "d"] },
    head_dashes: [[], [8, 4], [2, 3]],
  });
  assert.equal(mostHeads(style), 6);
  assert.deepEqual(headLook(3, style, true), { colour: "d", dash: [8, 4] });
  assert.equal(
    new Set(Array.from({ length: 6 }, (_, number) => JSON.stringify(headLook(number, style, false)))).size,
    6,
  );
});

test("lines of one pair lie side by side within their row", () => {
  const shifts = Array.from({ length: 12 }, (_, number) => shiftOfHead(number, 12, 20));
  assert.equal(shifts[0], -shifts[11]);
  assert.ok(shifts[11] <= 10 && shifts[1] > shifts[0]);
  assert.equal(shiftOfHead(0, 1, 20), 0);
});

test("heads that share keys stand together, and the pointer still finds each", () => {
  const groups = [0, 0, 0, 1, 1, 1, 2, 2, 2];
  const size = { layers: 4, heads: 9, aspect: 1, scored: false };
  const layout = layoutHeads(size, 400, groups);
  const plain = layoutHeads(size, 400);
  assert.equal(plain.offsets, undefined);
  const left = (/** @type {number} */ head) => boxOfHead(layout, [1, head])[0];
  assert.ok(left(3) - left(2) > left(2) - left(1));
  assert.ok(left(8) + layout.pitch <= 401);
  for (let head = 0; head < 9; head++) {
    const [x, y, width, height] = boxOfHead(layout, [2, head]);
    assert.deepEqual(headAt(layout, [9, 9, 9, 9], x + width / 2, y + height / 2), [2, head]);
  }
  assert.deepEqual(runsOf(groups), [
    [0, 2],
    [3, 5],
    [6, 8],
  ]);
  const trace = /** @type {any} */ ({ header: { groups: [groups, []] } });
  assert.equal(describeGroup(trace, [0, 4]), "shares its keys with heads 3 and 5");
  assert.equal(describeGroup(trace, [1, 4]), "");
  const four = /** @type {any} */ ({ header: { groups: [[0, 0, 0, 0]] } });
  assert.equal(describeGroup(four, [0, 3]), "shares its keys with heads 0 to 2");
});

test("a layer number and the corner are targets", () => {
  const layout = { pitch: 20, pitchY: 10 };
  assert.deepEqual(targetAt(layout, HEADS, 5, 5), { kind: "all" });
  assert.deepEqual(targetAt(layout, HEADS, 5, 18 + 15), { kind: "layer", layer: 1 });
  assert.deepEqual(targetAt(layout, HEADS, 45, 18 + 15), { kind: "head", place: [1, 0] });
  assert.equal(targetAt(layout, HEADS, 5, 18 + 35), null);
  assert.equal(targetAt(layout, HEADS, 145, 5), null);
});
