// @ts-check
// A title says the numbers that a head has in its model.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headName } from "../../viz/browser/instrument/head_name.js";

const style = { head: "Layer {layer}, head {head}" };

test("a head of a whole trace has the name of its place", () => {
  const trace = /** @type {any} */ ({ header: { style } });
  assert.equal(headName(trace, 2, 5), "Layer 2, head 5");
});

test("a head of a file with some heads keeps the numbers of the model", () => {
  const numbers = [
    [[3, 1]],
    [
      [5, 0],
      [5, 11],
    ],
  ];
  const trace = /** @type {any} */ ({ header: { style, numbers } });
  assert.equal(headName(trace, 1, 1), "Layer 5, head 11");
});
