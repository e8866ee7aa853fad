// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { canNameHeads, describeHeadSet, expandHeads, writeHeads } from "../../viz/browser/instrument/head_set.js";
import { Trace } from "../../viz/browser/instrument/trace.js";
import { convertUnit, deriveView, viewQuery, wordAt } from "../../viz/browser/instrument/view.js";
import { message, SELECTION } from "./message.js";

/** @import { State } from "../../viz/browser/instrument/store.js" */

/** @type {State} */
const STATE = { ...SELECTION, side: "query", hover: { query: null, key: null, head: null } };
// Three words of 1, 3 and 2 pieces that attend to two of 2 and 1.
/** @type {[{ starts: number[], count: number }, { starts: number[], count: number }]} */
const GROUPS = [
  { starts: [0, 1, 4], count: 6 },
  { starts: [0, 2], count: 3 },
];

test("a request names what a view changes, and nothing else", () => {
  assert.equal(viewQuery(STATE), "");
  assert.equal(viewQuery({ ...STATE, special: "dim", renormalise: true }), "");
  assert.equal(
    viewQuery({ ...STATE, unit: "words", sink: "hide", renormalise: true }),
    "unit=words&sink=hide&renormalise=True",
  );
  assert.equal(viewQuery({ ...STATE, special: "hide", heads: "2", combine: "mean" }), "special=hide");
});

test("every piece has its word", () => {
  const words = [0, 1, 2, 3, 4, 5].map((piece) => wordAt(GROUPS[0], piece));
  assert.deepEqual(words, [0, 1, 1, 1, 2, 2]);
});

test("locked tokens and the region stay on the same text when the unit changes", () => {
  const pieces = { ...STATE, query: 3, key: 2, region: /** @type {[number, number, number, number]} */ ([2, 4, 1, 2]) };
  const words = convertUnit(pieces, "words", GROUPS);
  assert.deepEqual(words, { unit: "words", query: 1, key: 1, region: [1, 2, 0, 1] });
  const back = convertUnit({ ...pieces, ...words }, "pieces", GROUPS);
  assert.deepEqual(back, { unit: "pieces", query: 1, key: 2, region: [1, 5, 0, 2] });
  assert.deepEqual(convertUnit(pieces, "pieces", GROUPS), {});
});

test("heads are written as short as possible and read back", () => {
  const heads = [3, 1, 2];
  for (const text of ["", "0.1", "0.0,2.1", "0", "0,2.0", "all"]) {
    assert.equal(writeHeads(expandHeads(text, heads), heads), text);
  }
  assert.equal(writeHeads(expandHeads("0,1,2", heads), heads), "all");
  // A layer with one head is chosen with it.
  assert.equal(writeHeads([[1, 0]], heads), "1");
  assert.deepEqual(expandHeads("9,0.7,2.1,x", heads), [[2, 1]]);
});

test("only text of the right form can name heads", () => {
  const good = ["2", "2.0,3.5", "all", "all,2"];
  const bad = ["", "2.", ".2", "2.0,", "a", "2 ", "-1", "12345", "2.12345"];
  assert.deepEqual(
    good.map(canNameHeads),
    good.map(() => true),
  );
  assert.deepEqual(
    bad.map(canNameHeads),
    bad.map(() => false),
  );
});

test("heads in words", () => {
  const heads = [3, 3, 3];
  const said = ["1", "all", "0.1", "0.1,2.2", "0.0,0.1,1.0", "1,2.0,2.1"].map((text) => describeHeadSet(text, heads));
  assert.deepEqual(said, [
    "layer 1",
    "all heads",
    "head 0.1",
    "heads 0.1 and 2.2",
    "heads 0.0, 0.1 and 1.0",
    "5 heads",
  ]);
});

/**
 * Return the view of a trace of one head with 4 queries and 5 keys, pieces of 2 and 3 words.
 * @param {Partial<State>} changes
 */
function viewed(changes) {
  const cells = [0.5, 0.25, 0.125, 0.125, 0, 0, 0.5, -1, 0.5, -1, 0.25, 0.25, 0.25, 0.25, 0, -1, -1, -1, 0.5, 0.5];
  const label = (/** @type {string} */ text, special = false) => [text, special];
  const header = {
    heads: [1],
    queries: [label("a"), label("b"), label("c"), label("d")],
    keys: [label("v", true), label("w"), label("x"), label("y"), label("z")],
    words: {
      queries: { labels: [label("a"), label("bcd")], starts: [0, 1] },
      keys: { labels: [label("v", true), label("wx"), label("yz")], starts: [0, 1, 3] },
    },
    cuts: [[1], [3, 4]],
    spans: null,
  };
  const trace = new Trace(message(header, { weights: Float32Array.from(cells) }));
  return deriveView(trace, { ...STATE, ...changes });
}

test("a word's columns are added and its rows averaged", () => {
  const view = viewed({ unit: "words" });
  assert.deepEqual(
    view.queries.map(([text]) => text),
    ["a", "bcd"],
  );
  const third = (/** @type {number} */ sum) => Math.fround(sum / 3);
  const wanted = [0.5, 0.375, 0.125, third(0.25), third(0.5 + 0.5), third(0.5 + 0.25 + 1)];
  assert.deepEqual(Array.from(view.tile([0, 0], null)?.cells ?? []), wanted);
  assert.deepEqual(view.header.cuts, [[1], [2]]);
});

test("hidden tokens are masked, and rows are divided by what is left only if asked", () => {
  const hidden = viewed({ special: "hide" });
  assert.deepEqual(Array.from(hidden.tile([0, 0], null)?.cells.slice(0, 5) ?? []), [-1, 0.25, 0.125, 0.125, 0]);
  const whole = viewed({ special: "hide", renormalise: true });
  assert.deepEqual(Array.from(whole.tile([0, 0], null)?.cells.slice(0, 5) ?? []), [-1, 0.5, 0.25, 0.25, 0]);
  // In cross attention the first query is another token than the first key.
  assert.deepEqual(Array.from(viewed({ sink: "hide" }).tile([0, 0], null)?.cells.slice(0, 2) ?? []), [-1, 0.25]);
});
