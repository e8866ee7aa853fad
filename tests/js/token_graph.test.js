// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "../../viz/browser/instrument/graph_lines.js";
import { contains, readablePart } from "../../viz/browser/instrument/part.js";
import { emphasis, lineLook, linesByShade } from "../../viz/browser/instrument/token_graph_drawing.js";
import {
  bundle,
  columnsOf,
  LEFT,
  lineAt,
  linesByToken,
  RIGHT,
  rowHeightFor,
  scrollTo,
  tokenAfter,
  tokenAt,
} from "../../viz/browser/instrument/token_graph_layout.js";
import {
  describeLines,
  describePair,
  describeShare,
  describeToken,
} from "../../viz/browser/instrument/token_graph_words.js";

/** @import { Graph, Header, Style } from "../../viz/browser/instrument/token_graph_words.js" */

// Other values than those of viz/style.py: what is drawn and said comes from the data.
/** @type {Style} */
const STYLE = {
  strengths: 5,
  strongest: 254,
  floor: 1e-4,
  opacity: [0.1, 0.7],
  width: [2, 3],
  isolated: 0.9,
  reached: [0.2, 0.3],
  faded: 0.7,
  dimmed: 0.2,
  ends: 2,
  digits: 1,
  bounds: [0.1, 0.9, 0.99],
  head_colours: { light: ["#000001", "#000002"], dark: ["#fffff1", "#fffff2"] },
  head_dashes: [[], [4, 1]],
  role_colours: { light: { "": "#000000" }, dark: { "": "#ffffff" } },
  words: {
    sentence: "{token}#{position}{locked} {verb} {ends}{more} [{lines}{share}]",
    verbs: { query: "reads", key: "is read by" },
    nothing: "no one",
    bad: "broken",
    locked: "!",
    end_of_head: "{token} {weight} in head {head}",
    of_head: "{weight} in head {head}",
    end: "{token}={weight}",
    repeated: "{token}@{position}",
    more: " +{count}",
    lines: "lines",
    unknown: " are some",
    shares: { query: " are {share} of it", key: " are {share} to it" },
    little: "a little",
    nearly: "nearly all",
    from: "from {threshold}",
    hold: "{lines}: {share} of {whose}",
    whose: ["all", "these"],
    hold_nothing: "{lines}: none",
    some_bad: "{lines}: broken",
    byScale: { linear: "", root: " (root)", log: " (log)" },
    part: "{first_query}-{last_query}:{first_key}-{last_key}",
  },
};

/** @type {Header} */
const HEADER = {
  first: [10, 20],
  queries: [
    ["the", false],
    ["cat", false],
  ],
  keys: [
    ["a", false],
    ["b", false],
    ["a", false],
  ],
  cuts: [[], []],
  line: "#000000",
  bad: "#ff0000",
  scale: "linear",
  style: STYLE,
};

const LINES = {
  query: Uint16Array.of(1, 0, 0, 0),
  key: Uint16Array.of(1, 2, 1, 0),
  weight: Float32Array.of(0.25, 0.25, 0.5, Number.NaN),
  given: Float32Array.of(1, 1),
  received: Float32Array.of(0, 0.75, 0.5),
};

/** @type {Graph} */
const GRAPH = {
  header: HEADER,
  lines: LINES,
  sides: [HEADER.queries, HEADER.keys],
  byToken: linesByToken(LINES, [2, 3]),
};

test("lines of a token are in order, strongest first", () => {
  assert.deepEqual(GRAPH.byToken, [
    [[3, 2, 1], [0]],
    [[3], [2, 0], [1]],
  ]);
});

test("a token says the strongest ends of its lines, its share, and whether it is locked", () => {
  // A sum with a weight that is not a number has no share; a text that occurs twice is named by its position.
  assert.equal(
    describeToken(GRAPH, { side: LEFT, row: 0 }, true),
    "the#10! reads a@20=broken, b=0.5 +1 [lines are some]",
  );
  assert.equal(describeToken(GRAPH, { side: LEFT, row: 1 }, false), "cat#11 reads b=0.3 [lines are 25% of it]");
  assert.equal(
    describeToken(GRAPH, { side: RIGHT, row: 1 }, false),
    "b#21 is read by the=0.5, cat=0.3 [lines are 100% to it]",
  );
  const none = { ...GRAPH, byToken: linesByToken({ ...LINES, weight: new Float32Array() }, [2, 3]) };
  assert.equal(describeToken(none, { side: RIGHT, row: 0 }, false), "a#20 is read by no one [lines are some]");
});

test("a little is not nothing, and nearly all is not all", () => {
  const said = [0, 0.05, 0.5, 0.95, 0.99, 1].map((share) => describeShare(share, STYLE));
  assert.deepEqual(said, ["0%", "a little", "50%", "nearly all", "99%", "100%"]);
});

test("rows become lower where they are many", () => {
  assert.deepEqual([1, 16, 17, 64, 65, 128].map(rowHeightFor), [22, 22, 20, 20, 16, 16]);
});

test("the tokens take their widest, at least some room, and not all of the width", () => {
  assert.deepEqual(columnsOf([100, 5], 1000), { left: 118, right: 952 });
  assert.deepEqual(columnsOf([900, 900], 1000), { left: 340, right: 660 });
});

test("a pointer reaches a token beside its column, and none between the columns or below the rows", () => {
  const layout = { left: 100, right: 300, rowHeight: 20, counts: /** @type {[number, number]} */ ([2, 3]) };
  assert.deepEqual(tokenAt(0, 22, layout), { side: LEFT, row: 0 });
  assert.deepEqual(tokenAt(123, 43, layout), { side: LEFT, row: 1 });
  assert.equal(tokenAt(124, 43, layout), null);
  assert.equal(tokenAt(276, 43, layout), null);
  assert.deepEqual(tokenAt(277, 63, layout), { side: RIGHT, row: 2 });
  assert.equal(tokenAt(0, 63, layout), null);
  assert.equal(tokenAt(0, 21, layout), null);
});

test("arrow keys begin at the first query and stay inside", () => {
  assert.deepEqual(tokenAfter("ArrowDown", null, [2, 3]), { side: LEFT, row: 0 });
  assert.deepEqual(tokenAfter("ArrowDown", { side: LEFT, row: 1 }, [2, 3]), { side: LEFT, row: 1 });
  assert.deepEqual(tokenAfter("ArrowUp", { side: RIGHT, row: 2 }, [2, 3]), { side: RIGHT, row: 1 });
  assert.deepEqual(tokenAfter("ArrowLeft", { side: RIGHT, row: 2 }, [2, 3]), { side: LEFT, row: 1 });
  assert.deepEqual(tokenAfter("ArrowRight", null, [2, 3]), { side: RIGHT, row: 0 });
  assert.equal(tokenAfter("Enter", null, [2, 3]), null);
});

test("a row is scrolled into view, and not further", () => {
  const list = { scrollTop: 100, clientHeight: 200 };
  assert.equal(scrollTo(5, 20, list), 100);
  assert.equal(scrollTo(1, 20, list), 42);
  assert.equal(scrollTo(20, 20, list), 22 + 20 * 20 + 20 - 200);
});

test("lines are bundled by strength, those that are no number last, and those out of view not at all", () => {
  const y = (/** @type {number} */ row) => 100 * row;
  const all = bundle(LINES, null, 5, y, 1000);
  assert.deepEqual(all, [[], [100, 100, 0, 200], [0, 100], [], [], [0, 0]]);
  assert.deepEqual(bundle(LINES, [2], 5, y, 1000)[2], [0, 100]);
  assert.deepEqual(bundle(LINES, [0], 5, (row) => y(row) - 300, 1000).flat(), []);
  const whole = { ...LINES, weight: Float32Array.of(1, 1, 1, 1) };
  assert.equal(bundle(whole, null, 5, y, 1000)[4].length, 8);
});

test("a line's look follows the style and the scale", () => {
  assert.deepEqual(lineLook(0, STYLE, "linear"), { opacity: 0.1 + 0.7 * 0.1, width: 2 + 3 * 0.1 });
  assert.deepEqual(lineLook(5, STYLE, "linear"), { opacity: 0.1 + 0.7, width: 5 });
  assert.ok(lineLook(0, STYLE, "root").opacity > lineLook(0, STYLE, "linear").opacity);
});

test("the isolated token and the ends of its lines stand out, the others fade", () => {
  assert.deepEqual(emphasis(true, undefined, true, STYLE), { opacity: 1, ground: 0.9 });
  assert.deepEqual(emphasis(false, 0.5, true, STYLE), { opacity: 1, ground: 0.2 + 0.3 * 0.5 });
  assert.deepEqual(emphasis(false, Number.NaN, true, STYLE), { opacity: 1, ground: 0.2 + 0.3 });
  assert.deepEqual(emphasis(false, undefined, true, STYLE), { opacity: 0.7, ground: 0 });
  assert.deepEqual(emphasis(false, undefined, false, STYLE), { opacity: 1, ground: 0 });
});

test("the lines of a tile begin with the weakest, and a masked pair has none", () => {
  const cells = Float32Array.of(0.5, -1, 0.05, 0.25, Number.NaN, 0.049, 0, 0.25, 1e-40);
  /** @type {import("../../viz/browser/instrument/trace.js").Tile} */
  const tile = { region: [0, 2, 0, 2], block: [1, 1], shape: [3, 3], cells, given: Float32Array.of(1, 2, 3) };
  const lines = linesOf(tile, 0.05);
  assert.deepEqual([...lines.query], [0, 1, 2, 0, 1]);
  assert.deepEqual([...lines.key], [2, 0, 1, 0, 1]);
  assert.ok(Number.isNaN(lines.weight[4]));
  assert.deepEqual([...lines.given], [1, 2, 3]);
  assert.equal(lines.received[0], 0.75);
  const row = { ...tile, shape: /** @type {[number, number]} */ ([1, 2]), cells: Float32Array.of(-1, 0.5) };
  assert.deepEqual([...linesOf(row, 0.05).received], [0, 0.5]);
  // Without a threshold, a weight of nothing has no line.
  assert.equal(linesOf(tile, 0).weight.length, 6);
});

test("all lines in words", () => {
  const plain = { ...GRAPH, lines: { ...LINES, weight: Float32Array.of(0.25, 0.25, 0.5, 0.5) } };
  assert.equal(describeLines(plain, 0.1 + 0.2, null), "from 0.30: 75% of all");
  assert.equal(describeLines(plain, 0.012, [10, 11, 2000, 2002]), "10-11:2,000-2,002, from 0.012: 75% of these");
  const root = { ...plain, header: { ...HEADER, scale: "root" } };
  assert.equal(describeLines(root, 0, null), "from 0.00: 75% of all (root)");
  const given = (/** @type {number} */ each) => ({ ...plain, lines: { ...LINES, given: Float32Array.of(0, each) } });
  assert.equal(describeLines(given(0), 1, null), "from 1.00: none");
  assert.equal(describeLines(given(Number.NaN), 1e-7, null), "from 0.0000001: broken");
});

test("a pair in words names both positions", () => {
  assert.equal(describePair(GRAPH, [1, 2], 0.26, false), "cat@11 reads a@22: 0.3");
  assert.equal(describePair(GRAPH, [1, 2], 0.26, true), "cat@11! reads a@22: 0.3");
  assert.equal(describePair(GRAPH, [0, 0], Number.NaN, false), "the@10 reads a@20: broken");
  assert.equal(describePair(GRAPH, [0, 0], -1, false), "the@10 reads a@20: masked");
});

test("a pointer reaches the nearest line, of equally near ones the strongest, and none that is far", () => {
  const place = { left: 0, right: 200, y: (/** @type {number} */ row) => 10 + 20 * row };
  // From query 0 to key 2, in the middle between both rows.
  assert.equal(lineAt(100, 30, place, LINES, [1]), 1);
  assert.equal(lineAt(100, 33, place, LINES, [1]), 1);
  assert.equal(lineAt(100, 37, place, LINES, [1]), null);
  // A steep line is as near as its shortest way says.
  assert.equal(lineAt(100, 34.2, place, LINES, [1]), 1);
  assert.equal(lineAt(100, 20, place, LINES, null), 2);
  assert.equal(lineAt(0, 10, place, LINES, null), null);
  const twice = { ...LINES, query: Uint16Array.of(0, 0, 0, 0), key: Uint16Array.of(1, 1, 1, 1) };
  assert.equal(lineAt(100, 20, place, twice, null), 3);
});

test("a locked pair has both of its tokens in the readable part", () => {
  const limits = { readable: 128, cross: false };
  const part = readablePart([0, 999, 0, 999], { query: 900, key: 100 }, limits);
  assert.deepEqual(part, [836, 963, 36, 163]);
  assert.ok(contains(part, { query: 900, key: 100 }));
  assert.ok(!contains(part, { query: 900, key: 164 }));
  assert.ok(contains(part, { query: null, key: 36 }));
});

test("a long text with a picture is shown from the text after the picture on", () => {
  const limits = { readable: 128, cross: false, begins: 331 };
  const none = { query: null, key: null };
  assert.deepEqual(readablePart([0, 354, 0, 354], none, limits), [331, 354, 331, 354]);
  assert.deepEqual(readablePart([0, 200, 0, 200], none, limits), [0, 127, 0, 127]);
  assert.deepEqual(readablePart([0, 354, 0, 354], { query: 20, key: null }, limits), [0, 127, 0, 127]);
  assert.deepEqual(readablePart([0, 354, 0, 354], { query: 340, key: null }, limits), [331, 354, 331, 354]);
  assert.deepEqual(readablePart([0, 354, 0, 354], { query: 340, key: 100 }, limits), [331, 354, 36, 163]);
  assert.deepEqual(readablePart([0, 99, 0, 99], none, { ...limits, begins: 80 }), [0, 99, 0, 99]);
});

test("lines with a dimmed token at an end are faint, and drawn first", () => {
  const lines = { query: [0, 0, 1, 1], key: [0, 1, 1, 2], weight: [0.1, 0.2, 0.3, 0.4] };
  const graph = /** @type {Graph} */ (/** @type {unknown} */ ({ header: HEADER, lines }));
  // The graph shows queries from 10 and keys from 20 on.
  const [query, key] = [new Uint8Array(13), new Uint8Array(24)];
  assert.deepEqual(linesByShade(graph, null, { query, key }), [[null, 1]]);
  key[0] = 1;
  query[10] = 1;
  key[22] = 1;
  assert.deepEqual(linesByShade(graph, null, { query, key }), [
    [[0, 1, 3], 0.2],
    [[2], 1],
  ]);
  assert.deepEqual(linesByShade(graph, [3, 2], { query, key }), [
    [[3], 0.2],
    [[2], 1],
  ]);
});
