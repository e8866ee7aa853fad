// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { chartHeading, chartSize } from "../../viz/browser/core/chart.js";
import { sendable, wantedQuery } from "../../viz/browser/page/address.js";

test("the address ends in the page's query and keeps Streamlit's own parameters", () => {
  assert.equal(wantedQuery("model=a&layer=1", "?model=b&embed=true&other=1"), "model=a&layer=1&embed=true");
  assert.equal(wantedQuery("", "?embed_options=dark_theme&embedded=1"), "embed_options=dark_theme");
  assert.equal(wantedQuery("", "?model=b"), "");
});

test("half a character and more than a message may hold are not sent", () => {
  assert.equal(sendable("cat 🐈"), "cat 🐈");
  assert.equal(sendable("x".repeat(5_000_000)).length, 4_000_002);
  assert.equal(sendable("cat \ud83d"), "cat \ufffd");
});

test("the first line of a title is its heading", () => {
  assert.equal(chartHeading("Layer 0<br>a note<br>another"), "<b>Layer 0</b><br>a note<br>another");
});

const STYLE = { under_labels: 40, slanted_height: 0.5 };
const AROUND = { width: 1000, height: 900, whole: false, alone: false, screen: 800 };
const AXIS = { ticktext: Array(20).fill("word"), tickfont: { size: 10 }, tickangle: -45 };
const LAYOUT = { height: 500, margin: { l: 80, r: 8, t: 40, b: 100 }, xaxis: AXIS };

test("a chart with room keeps its height", () => {
  assert.deepEqual(chartSize(LAYOUT, STYLE, AROUND), { width: 1000, height: 500 });
  assert.deepEqual(chartSize({ height: 300, margin: {}, xaxis: {} }, STYLE, AROUND), { width: 1000, height: 300 });
});

test("labels without room to be slanted stand upright, and take more height", () => {
  const size = chartSize(LAYOUT, STYLE, { ...AROUND, width: 400 });
  assert.equal(size.width, 400);
  assert.equal(size.height, 560);
  assert.equal(size.margin.b, 160);
  assert.equal(size.xaxis.tickangle, -90);
});

test("a chart whose labels would meet even upright is wider than its element, which scrolls", () => {
  const least = 20 * 10 * 1.15 + 80 + 8 + 66;
  assert.equal(chartSize(LAYOUT, STYLE, { ...AROUND, width: 300 }).width, least);
});

test("a chart fills the whole screen, and a file's height as far as it is wide", () => {
  assert.equal(chartSize(LAYOUT, STYLE, { ...AROUND, whole: true }).height, 900);
  assert.equal(chartSize(LAYOUT, STYLE, { ...AROUND, alone: true }).height, 776);
  assert.equal(chartSize(LAYOUT, STYLE, { ...AROUND, alone: true, screen: 300 }).height, 500);
});
