// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { fill } from "../../viz/browser/core/text.js";
import {
  computePair,
  computeToken,
  findPair,
  rankForPair,
  rankHeads,
  ratiosOf,
} from "../../viz/browser/instrument/ranking_numbers.js";
import {
  describeRankedPair,
  describeTokenFigures,
  formatRatio,
  formatWeight,
  namePair,
  quoteToken,
} from "../../viz/browser/instrument/ranking_words.js";

const WORDS = { repeated: "{token} ({position})", bad: "not a number" };
const PAIR = {
  sentence: "In this head, {query} gives {key} {weight}; {rest}.",
  others: "the other tokens give it {weight} on average",
  to: "most to",
  from: "most from",
  alone: "no other token may attend to it",
  masked: "In this head, {query} may not attend to {key}.",
  bad: "In this head, what {query} gives {key} is not a number.",
};

/**
 * Return a small trace with these heads, each `[query][key]`.
 * @param {number[][][][]} layers
 * @param {string[]} queries
 * @param {string[]} [keys]
 * @returns {any}
 */
function traceOf(layers, queries, keys = queries) {
  const nHeads = Math.max(...layers.map((heads) => heads.length));
  const size = queries.length * keys.length;
  const weights = new Float32Array(layers.length * nHeads * size).fill(-1);
  layers.forEach((heads, layer) => {
    heads.forEach((head, number) => {
      weights.set(head.flat(), (layer * nHeads + number) * size);
    });
  });
  return {
    weights,
    nHeads,
    nLayers: layers.length,
    heads: layers.map((heads) => heads.length),
    queries: queries.map((text) => [text, false]),
    keys: keys.map((text) => [text, false]),
    headWeights: (/** @type {number} */ layer, /** @type {number} */ head) =>
      weights.subarray((layer * nHeads + head) * size, (layer * nHeads + head + 1) * size),
    header: { style: { words: WORDS, pair: PAIR } },
  };
}

// Causal heads of three tokens; the second layer has one head.
const FIRST = [
  [1, -1, -1],
  [0.25, 0.75, -1],
  [0.5, 0.25, 0.25],
];
const SECOND = [
  [1, -1, -1],
  [1, 0, -1],
  [0.0625, 0.5, 0.4375],
];
const TRACE = traceOf([[FIRST, SECOND], [FIRST]], ["the", "cat", "the"]);

test("the others are the mean of the other queries that may attend to the key", () => {
  const { weight, others } = computePair(TRACE, 2, 1);
  assert.deepEqual([...weight], [0.25, 0.5, 0.25, NaN]);
  assert.deepEqual([...others], [0.75, 0, 0.75, NaN]);
  const first = computePair(TRACE, 2, 0);
  assert.deepEqual([...first.others].slice(0, 2), [0.625, 1]);
});

test("a masked pair is no weight, and a key that one query sees has no others", () => {
  const masked = computePair(TRACE, 0, 1);
  assert.equal(masked.weight[0], -1);
  assert.deepEqual(rankForPair(TRACE, masked, "weight"), []);
  const last = computePair(TRACE, 2, 2);
  assert.ok(Number.isNaN(last.others[0]));
  assert.equal(rankForPair(TRACE, last, "weight").length, 3);
  assert.deepEqual(rankForPair(TRACE, last, "ratio"), []);
});

test("heads are ranked by weight or by ratio, equal ones layer by layer", () => {
  const pair = computePair(TRACE, 2, 0);
  assert.deepEqual(rankForPair(TRACE, pair, "weight"), [
    [0, 0],
    [1, 0],
    [0, 1],
  ]);
  const infinite = computePair(TRACE, 2, 1);
  assert.equal(ratiosOf(infinite)[1], Infinity);
  assert.deepEqual(rankForPair(TRACE, infinite, "ratio")[0], [0, 1]);
});

test("a head that gives less than 0.05 has no place in the order of ratios", () => {
  const weight = Float32Array.of(0.049, 0.05, 0.5, NaN);
  const others = Float32Array.of(0.001, 0.01, 0.5, NaN);
  assert.deepEqual(rankForPair(TRACE, { weight, others }, "ratio"), [
    [0, 1],
    [1, 0],
  ]);
});

test("a token's entropy is that of its row, or of its column as shares of the queries", () => {
  const row = computeToken(TRACE, "query", 2);
  assert.ok(Math.abs(row.entropy[0] - 1.5) < 1e-6);
  assert.equal(row.weight[0], 0.5);
  assert.equal(row.strongest[0], 0);
  const column = computeToken(TRACE, "key", 1);
  const [p, q] = [0.75, 0.25];
  assert.ok(Math.abs(column.entropy[0] + p * Math.log2(p) + q * Math.log2(q)) < 1e-6);
  assert.equal(column.strongest[0], 1);
  // All that this head gives to the key comes from one query.
  assert.equal(column.entropy[1], 0);
  assert.deepEqual(rankHeads(TRACE, column.entropy, 1)[0], [0, 1]);
});

test("a weight that is not a number spoils its head alone", () => {
  const broken = SECOND.map((row) => row.slice());
  broken[1][1] = NaN;
  const trace = traceOf([[FIRST, broken]], ["a", "b", "c"]);
  const pair = computePair(trace, 2, 1);
  assert.ok(Number.isNaN(pair.others[1]));
  assert.equal(pair.others[0], 0.75);
  assert.ok(Number.isNaN(computeToken(trace, "key", 1).entropy[1]));
  assert.equal(rankHeads(trace, computeToken(trace, "key", 1).entropy, 1).length, 1);
});

test("a pair is computed once for a small trace, and asked for once of a large one", () => {
  assert.equal(findPair(TRACE, undefined, 2, 1), findPair(TRACE, undefined, 2, 1));
  const asked = /** @type {string[]} */ ([]);
  const requests = /** @type {any} */ ({ answer: (/** @type {string} */ path) => asked.push(path) && null });
  assert.equal(findPair(/** @type {any} */ ({ weights: null }), requests, 8, 2), null);
  assert.deepEqual(asked, ["pair/8/2"]);
});

test("the sentence about a pair is true of the head", () => {
  assert.equal(
    describeRankedPair(TRACE, 2, 1, 0.494, 0.128),
    "In this head, 'the' (2) gives 'cat' 0.49; the other tokens give it 0.13 on average.",
  );
  assert.equal(
    describeRankedPair(TRACE, 1, 1, 0.5, NaN),
    "In this head, 'cat' gives 'cat' 0.50; no other token may attend to it.",
  );
  assert.equal(describeRankedPair(TRACE, 1, 2, -1, NaN), "In this head, 'cat' may not attend to 'the' (2).");
  assert.equal(describeRankedPair(TRACE, 1, 1, NaN, 1), "In this head, what 'cat' gives 'cat' is not a number.");
});

test("numbers say what they are, also at their ends", () => {
  assert.equal(formatWeight(0), "0.00");
  assert.equal(formatWeight(0.004), "less than 0.01");
  assert.equal(formatRatio(0.49, 0.13), "3.8 times the others");
  assert.equal(formatRatio(0.5, 0.01), "50 times the others");
  assert.equal(formatRatio(0.5, 1e-7), "over 1,000 times the others");
  assert.equal(formatRatio(0.5, 0), "the others give 0");
  assert.equal(formatRatio(0.5, NaN), "no others to compare with");
});

test("the arrow between two tokens that run from right to left keeps its direction", () => {
  const arabic = traceOf([[[[1]]]], ["خط"]);
  assert.equal(namePair(arabic, 0, 0), "\u2068'خط'\u2069 → \u2068'خط'\u2069");
  assert.equal(fill("{token} gets {weight}", { token: "خط", weight: 0.5 }), "\u2068خط\u2069 gets 0.5");
});

test("a token that occurs twice is named with its position", () => {
  assert.equal(quoteToken(TRACE, "query", 1), "'cat'");
  assert.equal(quoteToken(TRACE, "key", 0), "'the' (0)");
  const hostile = traceOf([[[[1]]]], ["{token} $&"]);
  assert.equal(quoteToken(hostile, "query", 0), "'{token} $&'");
  const token = computeToken(TRACE, "key", 1);
  assert.equal(describeTokenFigures(TRACE, "key", token, 1), "0.00 bits, most from 'the' (2) 0.50");
});
