// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { asSentence, clamp, fill, percent } from "../../viz/browser/core/text.js";
import { isDarkColour } from "../../viz/browser/core/theme.js";

test("a sentence is filled once: values are not read as places", () => {
  assert.equal(fill("{a} and {b} and {a}", { a: "{b}", b: 2 }), "{b} and 2 and {b}");
  assert.equal(fill("{a}", { a: "$& $1" }), "$& $1");
});

test("numbers and sentences", () => {
  assert.equal(percent(0.146), "15%");
  assert.equal(asSentence("lines from 0.05 up"), "Lines from 0.05 up.");
  assert.deepEqual([clamp(-1, 0, 3), clamp(2, 0, 3), clamp(9, 0, 3)], [0, 2, 3]);
});

test("Streamlit's backgrounds are dark or light", () => {
  for (const dark of ["#000000", "#0e1117", "#7f7f7f"]) assert.ok(isDarkColour(dark), dark);
  for (const light of ["#ffffff", "#f0f2f6", "#808080", "#ffff00"]) assert.ok(!isDarkColour(light), light);
});
