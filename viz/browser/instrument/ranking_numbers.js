// @ts-check
// A pair or a token in every head: its weights, and the heads in the order of them. analysis/heads.py defines the same
// figures in Python.

import { unpack } from "../core/unpack.js";

/** @import { Requests } from "./requests.js" */
/** @import { Side } from "./store.js" */
/** @import { Trace } from "./trace.js" */
/** @typedef {[layer: number, head: number]} HeadPlace */

/**
 * @typedef {object} PairInHeads figures of a pair, `[layer * nHeads + head]`
 * @property {Float32Array} weight -1 where masked, NaN where it is not a number
 * @property {Float32Array} others mean weight that the other queries give to the same key, of those that may attend to
 *   it; NaN without any
 */

/**
 * @typedef {object} TokenInHeads figures of a token, `[layer * nHeads + head]`; NaN where they are not defined
 * @property {Float32Array} entropy bits of the token's row, or of its column as shares of all queries
 * @property {Float32Array} weight the largest weight of the row or column
 * @property {Float32Array} strongest position of that weight
 */

// A row that sums to more is of a map that is not normalised (analysis/heads.py).
const LARGEST_ROW = 1.001;
// Heads that give less than this are not ranked by their ratio: it would be one of two small numbers.
export const LEAST_WEIGHT = 0.05;
// Pairs of a small trace whose figures are kept.
const MOST_KEPT = 64;

/** @type {WeakMap<Trace, Map<string, any>>} */
const keptFigures = new WeakMap();

/**
 * Return a result that depends on the trace, from the cache if it is there.
 * @template T
 * @param {Trace} trace
 * @param {string} name
 * @param {() => T} compute
 * @returns {T}
 */
function keepFigures(trace, name, compute) {
  let kept = keptFigures.get(trace);
  if (!kept || kept.size > MOST_KEPT) {
    kept = new Map();
    keptFigures.set(trace, kept);
  }
  if (!kept.has(name)) kept.set(name, compute());
  return kept.get(name);
}

/**
 * Return the figures of a pair in every head; null until the server has answered.
 * @param {Trace} trace
 * @param {Requests | undefined} requests
 * @param {number} query
 * @param {number} key
 * @returns {PairInHeads | null}
 */
export function findPair(trace, requests, query, key) {
  if (trace.weights) return keepFigures(trace, `${query} ${key}`, () => computePair(trace, query, key));
  return requests?.answer(`pair/${query}/${key}`, readFigures) ?? null;
}

/**
 * Return the figures of a token in every head; null until the server has answered.
 * @param {Trace} trace
 * @param {Requests | undefined} requests
 * @param {Side} side
 * @param {number} position
 * @returns {TokenInHeads | null}
 */
export function findToken(trace, requests, side, position) {
  if (trace.weights) return keepFigures(trace, `${side} ${position}`, () => computeToken(trace, side, position));
  return requests?.answer(`token/${side}/${position}`, readFigures) ?? null;
}

/** @param {Uint8Array} bytes */
function readFigures(bytes) {
  return unpack(bytes).arrays;
}

/**
 * Return the figures of a pair in every head of a small trace.
 * @param {Trace} trace
 * @param {number} query
 * @param {number} key
 * @returns {PairInHeads}
 */
export function computePair(trace, query, key) {
  const weight = new Float32Array(trace.nLayers * trace.nHeads).fill(Number.NaN);
  const others = weight.slice();
  for (const [layer, head] of listHeads(trace)) {
    const number = layer * trace.nHeads + head;
    const column = weightsOfToken(trace, layer, head, "key", key);
    weight[number] = column[query];
    const rest = column.filter((each, position) => position !== query && each !== -1);
    others[number] = rest.length ? rest.reduce((sum, each) => sum + each, 0) / rest.length : Number.NaN;
  }
  return { weight, others };
}

/**
 * Return the figures of a token in every head of a small trace.
 * @param {Trace} trace
 * @param {Side} side
 * @param {number} position
 * @returns {TokenInHeads}
 */
export function computeToken(trace, side, position) {
  const entropy = new Float32Array(trace.nLayers * trace.nHeads).fill(Number.NaN);
  const weight = entropy.slice();
  const strongest = entropy.slice();
  for (const [layer, head] of listHeads(trace)) {
    const number = layer * trace.nHeads + head;
    const row = weightsOfToken(trace, layer, head, side, position);
    const given = row.filter((each) => each !== -1);
    if (!given.length || given.some(Number.isNaN)) continue;
    // A row is a distribution over keys, unless a map is not normalised. A column is none over queries.
    const sum = given.reduce((sum, each) => sum + each, 0);
    entropy[number] = sum > 0 ? entropyOf(given, side === "query" && sum < LARGEST_ROW ? 1 : sum) : Number.NaN;
    strongest[number] = row.reduce((best, each, place) => (each > row[best] ? place : best), 0);
    weight[number] = row[strongest[number]];
  }
  return { entropy, weight, strongest };
}

/**
 * Return the entropy in bits of weights that are divided by a sum.
 * @param {number[]} weights
 * @param {number} sum
 */
function entropyOf(weights, sum) {
  return weights.reduce((bits, each) => (each > 0 ? bits - (each / sum) * Math.log2(each / sum) : bits), 0);
}

/**
 * Return a row or a column of a head.
 * @param {Trace} trace
 * @param {number} layer
 * @param {number} head
 * @param {Side} side
 * @param {number} position
 */
function weightsOfToken(trace, layer, head, side, position) {
  const all = trace.headWeights(layer, head);
  const nKeys = trace.keys.length;
  if (side === "query") return Array.from(all.subarray(position * nKeys, (position + 1) * nKeys));
  return Array.from(trace.queries, (_, query) => all[query * nKeys + position]);
}

/**
 * Return all heads, layer by layer.
 * @param {Pick<Trace, "heads">} trace
 * @returns {HeadPlace[]}
 */
export function listHeads({ heads }) {
  return heads.flatMap((count, layer) =>
    Array.from({ length: count }, (_, head) => /** @type {HeadPlace} */ ([layer, head])),
  );
}

/**
 * Return the weight of each head by what the other queries give; NaN where there is none.
 * @param {PairInHeads} pair
 */
export function ratiosOf({ weight, others }) {
  return weight.map((each, number) => (each === -1 ? Number.NaN : each / others[number]));
}

/**
 * Return the heads in the order of their values, without those whose value is not a number. Equal ones keep their order.
 * @param {Pick<Trace, "heads" | "nHeads">} trace
 * @param {ArrayLike<number>} values `[layer * nHeads + head]`
 * @param {1 | -1} direction 1 with the smallest first
 * @returns {HeadPlace[]}
 */
export function rankHeads(trace, values, direction) {
  const of = (/** @type {HeadPlace} */ [layer, head]) => values[layer * trace.nHeads + head];
  const ranked = listHeads(trace).filter((place) => !Number.isNaN(of(place)));
  // Not by subtraction: the difference of two infinities is not a number.
  const compare = (/** @type {number} */ one, /** @type {number} */ other) => (one < other ? -1 : one > other ? 1 : 0);
  return ranked.sort((one, other) => direction * compare(of(one), of(other)));
}

/**
 * Return the heads for a pair: by weight, or by ratio without those that give less than `LEAST_WEIGHT`.
 * @param {Pick<Trace, "heads" | "nHeads">} trace
 * @param {PairInHeads} pair
 * @param {"weight" | "ratio"} order
 */
export function rankForPair(trace, pair, order) {
  const weights = pair.weight.map((each) => (each === -1 ? Number.NaN : each));
  if (order === "weight") return rankHeads(trace, weights, -1);
  const ratios = ratiosOf(pair).map((ratio, number) => (weights[number] >= LEAST_WEIGHT ? ratio : Number.NaN));
  return rankHeads(trace, ratios, -1);
}
