// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  colourNumber,
  placeOnScale,
  ticksOf,
  weightAtPlace,
  weightOfNumber,
} from "../../viz/browser/instrument/scales.js";

const STYLE = { strongest: 254, floor: 1e-4 };
const SCALES = ["linear", "root", "log"];

test("every scale begins at 0 and ends at 1", () => {
  for (const scale of SCALES) {
    assert.ok(Math.abs(placeOnScale(0, scale, STYLE)) < 1e-12, scale);
    assert.ok(Math.abs(placeOnScale(1, scale, STYLE) - 1) < 1e-12, scale);
  }
  assert.equal(placeOnScale(0.25, "linear", STYLE), 0.25);
  assert.equal(placeOnScale(0.25, "root", STYLE), 0.5);
  assert.ok(Math.abs(placeOnScale(0.01, "log", STYLE) - 0.5) < 1e-12);
  assert.equal(placeOnScale(1e-9, "log", STYLE), placeOnScale(0, "log", STYLE));
});

test("a place leads back to its weight", () => {
  for (const scale of SCALES) {
    for (const weight of [0.001, 0.03, 0.5, 1]) {
      const back = weightAtPlace(placeOnScale(weight, scale, STYLE), scale, STYLE);
      assert.ok(Math.abs(back - weight) < 1e-9, `${scale} ${weight} ${back}`);
    }
    assert.equal(weightAtPlace(0, scale, STYLE), 0);
  }
});

test("a colour number is exact to 1/254, and finer for small weights", () => {
  for (let weight = 0; weight <= 1; weight += 1 / 1009) {
    const back = weightOfNumber(colourNumber(weight, STYLE), STYLE);
    assert.ok(Math.abs(back - weight) <= 1 / 254, `${weight} ${back}`);
  }
  assert.ok(colourNumber(1e-4, STYLE) > 0);
  assert.deepEqual([colourNumber(-0.1, STYLE), colourNumber(1.1, STYLE)], [0, 254]);
});

test("a scale ends at the largest weight of a trace that has one above 1", () => {
  const style = { ...STYLE, top: 8 };
  assert.equal(colourNumber(8, style), 254);
  assert.equal(colourNumber(2, style), 127);
  assert.equal(weightOfNumber(127, style), 2);
  for (const scale of SCALES) {
    assert.ok(Math.abs(placeOnScale(8, scale, style) - 1) < 1e-12, scale);
    assert.ok(Math.abs(weightAtPlace(placeOnScale(3, scale, style), scale, style) - 3) < 1e-9, scale);
    assert.equal(ticksOf(scale, style).at(-1)?.text, "8");
  }
});
