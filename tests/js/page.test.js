// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { chartHeading, chartSize } from "../../viz/browser/core/chart.js";
import { AddressBar, joinQuery } from "../../viz/browser/page/address_bar.js";
import { sendable } from "../../viz/browser/page/typed_text.js";

test("the URL has the server's parameters, the selection, and Streamlit's own parameters", () => {
  assert.equal(joinQuery("model=a", "layer=1", "?model=b&embed=true&other=1"), "model=a&layer=1&embed=true");
  assert.equal(joinQuery("", "", "?embed_options=dark_theme&embedded=1"), "embed_options=dark_theme");
  assert.equal(joinQuery("", "layer=1", "?layer=2"), "layer=1");
  assert.equal(joinQuery("", "", "?model=b"), "");
});

/**
 * Return an address bar in a browser that was opened at a URL, and what it does to the history.
 * @param {string} pathname
 * @param {string} search
 */
function openBar(pathname, search) {
  const place = { pathname, search, hash: "" };
  /** @type {string[]} */
  const history = [];
  /** @type {unknown[]} */
  const sent = [];
  /** @param {string} verb */
  const change = (verb) => (/** @type {unknown} */ _, /** @type {string} */ __, /** @type {string} */ url) => {
    history.push(`${verb} ${url}`);
    place.search = url.includes("?") ? url.slice(url.indexOf("?")) : "";
  };
  Object.assign(globalThis, {
    location: place,
    history: { pushState: change("add"), replaceState: change("rename") },
    window: { addEventListener() {} },
  });
  const bar = new AddressBar();
  bar.send = (_, value) => sent.push(value);
  const go = (/** @type {string} */ query) => {
    place.search = query;
    bar.went(/** @type {Event} */ ({ stopImmediatePropagation() {} }));
  };
  return { bar, place, history, sent, go };
}

const INSPECT = { query: "text=a", step: "1", went: 0, selection: "layer=5" };

test("server and instrument each write their own parameters", () => {
  const { bar, history } = openBar("/", "?text=a&layer=5");
  bar.show(INSPECT);
  assert.deepEqual(history, []);
  bar.select("layer=6");
  bar.show({ ...INSPECT, query: "text=a&kind=cross" });
  bar.show({ ...INSPECT, query: "text=b", step: "2" });
  assert.deepEqual(history, ["rename /?text=a&layer=6", "rename /?text=a&kind=cross&layer=6", "add /?text=b&layer=6"]);
});

test("an instrument that comes before the server's first word waits for it", () => {
  const { bar, history } = openBar("/", "?text=a&layer=5");
  bar.select("layer=6");
  assert.deepEqual(history, []);
  bar.show(INSPECT);
  assert.deepEqual(history, ["rename /?text=a&layer=6"]);
});

test("a page without a selection has none in its URL", () => {
  const { bar, place, history } = openBar("/", "?text=a&layer=5");
  bar.show(INSPECT);
  bar.select("layer=6");
  Object.assign(place, { pathname: "/steps", search: "" });
  bar.select("layer=7"); // a late report of the page that was left
  bar.show({ query: "part=head", step: "3", went: 0, selection: null });
  bar.select("layer=8");
  assert.deepEqual(history.slice(1), ["rename /steps?part=head"]);
  Object.assign(place, { pathname: "/", search: "" });
  bar.show({ ...INSPECT, selection: "layer=6" });
  assert.equal(history.at(-1), "rename /?text=a&layer=6");
});

test("after Back, nothing is written over the entry until the server has answered the last one", () => {
  const { bar, history, sent, go } = openBar("/", "?text=a&layer=5");
  bar.show(INSPECT);
  bar.show({ ...INSPECT, query: "text=b", step: "2" });
  bar.show({ ...INSPECT, query: "text=c", step: "3" });
  history.length = 0;
  go("?text=b&layer=5");
  go("?text=a&layer=5");
  assert.deepEqual(sent, [
    [1, "text=b&layer=5", 0],
    [2, "text=a&layer=5", 0],
  ]);
  bar.show({ ...INSPECT, query: "text=b", step: "2", went: 1 });
  bar.select("layer=9");
  assert.deepEqual(history, []);
  bar.show({ ...INSPECT, went: 2 });
  assert.deepEqual(history, ["rename /?text=a&layer=9"]);
});

test("after a lost connection no answer to Back is awaited", () => {
  const { bar, history, go } = openBar("/", "?text=a&layer=5");
  bar.show(INSPECT);
  go("?text=z&layer=5");
  bar.forget();
  bar.show(INSPECT);
  assert.deepEqual(history, ["rename /?text=a&layer=5"]);
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

test("Back names the selection that it leaves behind", () => {
  const { bar, sent, go } = openBar("/", "?text=a&layer=5");
  bar.show(INSPECT);
  bar.select("layer=4", 7);
  go("?text=b");
  assert.deepEqual(sent, [[1, "?text=b".slice(1), 7]]);
});
