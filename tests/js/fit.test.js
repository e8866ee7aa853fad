// @ts-check
// What stays of the selection when another map is shown.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fitSelection, keepHead } from "../../viz/browser/instrument/fit.js";

const heads = (/** @type {number} */ count) =>
  /** @type {any} */ ({ heads: Array(6).fill(count), nLayers: 6, queries: [], keys: [], whole: [0, 0, 0, 0] });
const at = (/** @type {number} */ layer, /** @type {number} */ head) =>
  /** @type {any} */ ({ layer, head, query: null, key: null, region: null, first: "query" });

/**
 * Show the maps one after the other, as the instrument does; the visitor chooses a layer and a head of some.
 * @param {any} selection
 * @param {[trace: any, chosen?: any][]} maps
 */
function showAll(selection, maps) {
  let [state, left, before] = [selection, /** @type {number | null} */ (null), undefined];
  for (const [trace, chosen] of maps) {
    ({ state, left } = keepHead(state, trace, before, left));
    state = { ...fitSelection(state, trace), ...chosen };
    before = trace;
  }
  return [state.layer, state.head];
}

test("the head comes back after a map with one head for each layer", () => {
  const [attention, rollout] = [heads(12), heads(1)];
  assert.deepEqual(showAll(at(5, 11), [[attention], [rollout]]), [5, 0]);
  assert.deepEqual(showAll(at(5, 11), [[attention], [rollout], [attention]]), [5, 11]);
  assert.deepEqual(showAll(at(5, 11), [[attention], [rollout], [heads(1)], [attention]]), [5, 11]);
  // The layer is the one that the visitor has chosen meanwhile.
  assert.deepEqual(showAll(at(5, 11), [[attention], [rollout, { layer: 2 }], [attention]]), [2, 11]);
});

test("a head that was chosen meanwhile stays", () => {
  const [attention, rollout] = [heads(12), heads(1)];
  assert.deepEqual(
    showAll(at(5, 11), [[attention], [rollout], [attention, { head: 3 }], [heads(12)], [rollout], [attention]]),
    [5, 3],
  );
  assert.deepEqual(showAll(at(5, 0), [[rollout], [attention]]), [5, 0]);
});
