// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitSelection } from "../../viz/browser/instrument/fit.js";
import { formatSelection, parseSelection, readRegion } from "../../viz/browser/instrument/link.js";
import { focusOf, NO_HOVER, Store, sideInStrip, togglePair, toggleToken } from "../../viz/browser/instrument/store.js";
import { Trace } from "../../viz/browser/instrument/trace.js";
import { message } from "./message.js";

/** @import { Region, State } from "../../viz/browser/instrument/store.js" */

const DEFAULTS = { threshold: 0.05, scale: "linear", palette: "automatic" };

/**
 * @param {Partial<State>} [changes]
 * @returns {State}
 */
function state(changes = {}) {
  return { ...parseSelection("layer=1&head=2", DEFAULTS), side: "query", hover: NO_HOVER, ...changes };
}

test("a change informs each listener once, and only if anything differs", () => {
  const store = new Store(state());
  let calls = 0;
  store.listeners.add(() => calls++);
  store.set({ layer: 1, region: null });
  assert.deepEqual([calls, store.number], [0, 0]);
  store.set({ layer: 0, head: 5 });
  assert.deepEqual([calls, store.number], [1, 1]);
  store.hover({ query: 3 });
  store.hover({ query: 3 });
  assert.deepEqual([calls, store.number], [2, 1], "a hover is no change of the selection");
  store.set({ region: [0, 1, 2, 3] });
  store.set({ region: [0, 1, 2, 3] });
  assert.deepEqual([calls, store.number], [3, 2]);
});

test("what another trace has of a selection is counted, and is no choice of the visitor", () => {
  const store = new Store(state());
  store.set({ query: 4 });
  store.fit({ query: null });
  assert.deepEqual([store.state.query, store.number, store.chosen], [null, 2, 1]);
  store.fit({ hover: { query: 3, key: null, head: null } });
  assert.deepEqual([store.number, store.chosen], [2, 1]);
  store.set({ head: 0 });
  assert.deepEqual([store.number, store.chosen], [3, 3]);
});

test("the focus is the hovered token of a side, else the locked one", () => {
  assert.deepEqual(focusOf(state({ query: 4 })), { query: 4, key: null });
  assert.deepEqual(focusOf(state({ query: 4, hover: { query: null, key: 2, head: null } })), { query: 4, key: 2 });
  assert.deepEqual(focusOf(state({ query: 4, key: 1, hover: { query: 0, key: 0, head: null } })), { query: 0, key: 0 });
});

test("a token is locked by a click and released by a second one; two locked tokens are a pair", () => {
  const one = { ...state(), ...toggleToken(state(), "key", 0) };
  assert.deepEqual([one.query, one.key, one.first], [null, 0, "key"]);
  const both = { ...one, ...toggleToken(one, "query", 3) };
  assert.deepEqual([both.query, both.key, both.first], [3, 0, "key"]);
  const released = { ...both, ...toggleToken(both, "key", 0) };
  assert.deepEqual([released.query, released.key, released.first], [3, null, "query"]);
  const moved = { ...released, ...toggleToken(released, "query", 1) };
  assert.deepEqual([moved.query, moved.first], [1, "query"]);
  const pair = { ...state(), ...togglePair(state(), 2, 1) };
  assert.deepEqual([pair.query, pair.key, pair.first], [2, 1, "query"]);
  assert.deepEqual(togglePair(pair, 2, 1), { query: null, key: null });
});

test("a token of the strip is the chosen side's, and the other side's beside a locked one", () => {
  assert.equal(sideInStrip(state(), 5), "query");
  assert.equal(sideInStrip(state({ query: 4 }), 5), "key");
  assert.equal(sideInStrip(state({ query: 4 }), 4), "query");
  assert.equal(sideInStrip(state({ key: 4 }), 4), "key", "a click releases it");
  assert.equal(sideInStrip(state({ key: 4 }), 5), "query");
  assert.equal(sideInStrip(state({ side: "key", key: 4 }), 5), "query");
});

test("what a link says is read, and written as it was", () => {
  const texts = [
    "layer=3&head=1",
    "layer=0&head=0&token=query%3A8&partner=key%3A2",
    "layer=5&head=11&threshold=0.2&palette=night&scale=root&token=key%3A0&region=0-3%3A4-9&truth=False",
  ];
  for (const text of texts) assert.equal(formatSelection(parseSelection(text, DEFAULTS), DEFAULTS), text);
  assert.deepEqual(readRegion("0-3:4-9"), [0, 3, 4, 9]);
  for (const odd of ["", "0-3", "a-b:c-d", "0-3:4-9;", "-1-3:4-9", "12345678-3:4-9"])
    assert.equal(readRegion(odd), null);
});

test("a selection that a trace does not have becomes the nearest one", () => {
  const trace = new Trace(message());
  const far = state({ layer: 9, head: 9, query: 7, key: 1, region: [0, 99, 1, 99] });
  const fitted = fitSelection(far, trace);
  assert.deepEqual([fitted.layer, fitted.head, fitted.query, fitted.key, fitted.first], [1, 0, null, 1, "key"]);
  assert.deepEqual(fitted.region, [0, 2, 1, 1]);
  assert.equal(fitSelection(state({ region: [0, 2, 0, 1] }), trace).region, null, "the whole head is no region");
  assert.equal(fitSelection(state({ region: [5, 9, 0, 1] }), trace).region, null);
});

test("another text keeps what is at the same position, and nothing else", () => {
  const label = (/** @type {string} */ text) => [text, false];
  const before = new Trace(message());
  const after = new Trace(message({ queries: ["a", "other", "c"].map(label) }));
  /** @type {Region} */
  const kept = [0, 2, 0, 1];
  assert.deepEqual(fitSelection(state({ query: 2, key: 1, region: kept }), after, before).region, kept);
  assert.equal(fitSelection(state({ query: 2 }), after, before).query, 2);
  assert.equal(fitSelection(state({ query: 1 }), after, before).query, null);
  assert.equal(fitSelection(state({ region: [1, 2, 0, 1] }), after, before).region, null);
});
