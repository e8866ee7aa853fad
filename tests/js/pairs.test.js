// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextOnly } from "../../viz/browser/instrument/pairs.js";
import { strongestPairs } from "../../viz/browser/instrument/pairs_ranked.js";

/** @import { Side, State } from "../../viz/browser/instrument/store.js" */
/** @import { Tile } from "../../viz/browser/instrument/trace.js" */

/** @type {Tile} */
const TILE = {
  region: [10, 11, 20, 22],
  block: [1, 1],
  shape: [2, 3],
  cells: Float32Array.of(0.5, 0.25, Number.NaN, 0.5, -1, 0),
  given: Float32Array.of(1, 1),
};

test("pairs come strongest first, equal ones in order, those that are no number last, and masked ones not at all", () => {
  const all = [
    [10, 20, 0.5],
    [11, 20, 0.5],
    [10, 21, 0.25],
    [11, 22, 0],
    [10, 22, Number.NaN],
  ];
  assert.deepEqual(strongestPairs(TILE, 9), all);
  for (const most of [1, 2, 3, 4]) assert.deepEqual(strongestPairs(TILE, most), all.slice(0, most));
});

test("pairs of one token", () => {
  assert.deepEqual(strongestPairs(TILE, 9, { side: "query", position: 11 }), [
    [11, 20, 0.5],
    [11, 22, 0],
  ]);
  assert.deepEqual(strongestPairs(TILE, 1, { side: "key", position: 20 }), [[10, 20, 0.5]]);
  assert.deepEqual(strongestPairs(TILE, 9, { side: "key", position: 99 }), []);
});

test("a locked token chooses the rows, and a locked pair leaves them where they are", () => {
  const locked = (/** @type {number | null} */ query, /** @type {number | null} */ key, /** @type {Side} */ first) =>
    /** @type {State} */ ({ query, key, first });
  const eight = nextOnly(null, locked(8, null, "query"));
  assert.deepEqual(eight, { side: "query", position: 8 });
  assert.equal(nextOnly(eight, locked(8, 2, "query")), eight);
  assert.equal(nextOnly(null, locked(8, 2, "query")), null);
  assert.deepEqual(nextOnly(eight, locked(9, 2, "key")), { side: "key", position: 2 });
  assert.deepEqual(nextOnly(eight, locked(null, 2, "key")), { side: "key", position: 2 });
  assert.equal(nextOnly(eight, locked(null, null, "query")), null);
});
