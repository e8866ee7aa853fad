// @ts-check
// What was changed of the model is marked in every picture.

import assert from "node:assert/strict";
import { test } from "node:test";
import { changeOfHead, changesOfWords, isStruck } from "../../viz/browser/instrument/changes.js";
import { headName } from "../../viz/browser/instrument/head_name.js";

/** @type {import("../../viz/browser/instrument/changes.js").Changed} */
const changed = { heads: [[2, 5, "switched off"]], struck: [[], [0, 2, 3]] };
const trace = /** @type {any} */ ({ header: { changed, style: { head: "Layer {layer}, head {head}" } } });

test("a changed head says so in its name", () => {
  assert.equal(headName(trace, 2, 5), "Layer 2, head 5 (switched off)");
  assert.equal(headName(trace, 2, 4), "Layer 2, head 4");
  assert.equal(changeOfHead(/** @type {any} */ ({ header: {} }), 2, 5), "");
});

test("a token is struck on its side, and a word if all its pieces are", () => {
  assert.deepEqual([isStruck(trace, 0, 0), isStruck(trace, 1, 0), isStruck(trace, 1, 1)], [false, true, false]);
  const sides = [
    { starts: [0], count: 1 },
    { starts: [0, 2], count: 4 },
  ];
  assert.deepEqual(changesOfWords(changed, sides)?.struck, [[], [1]]);
  assert.equal(changesOfWords(undefined, sides), undefined);
});
