// @ts-check
// What the instrument says of a pair or a token in a head.

import { fill, isolate } from "../core/text.js";

/** @import { PairInHeads, TokenInHeads } from "./ranking_numbers.js" */
/** @import { Side } from "./store.js" */
/** @import { Label, Trace } from "./trace.js" */

/**
 * Return a token in quotes, with its position if its text occurs twice.
 * @param {Trace} trace
 * @param {Side} side
 * @param {number} position
 */
export function quoteToken(trace, side, position) {
  /** @type {Label[]} */
  const labels = side === "query" ? trace.queries : trace.keys;
  const text = labels[position]?.[0] ?? "";
  const isRepeated = labels.some(([other], place) => place !== position && other === text);
  const quoted = isolate(`'${text}'`);
  return isRepeated ? fill(trace.header.style.words.repeated, { token: quoted, position }) : quoted;
}

/**
 * Return a pair as "'it' → 'cat'".
 * @param {Trace} trace
 * @param {number} query
 * @param {number} key
 */
export function namePair(trace, query, key) {
  return `${quoteToken(trace, "query", query)} → ${quoteToken(trace, "key", key)}`;
}

/**
 * Return a weight with two digits; a little is not nothing.
 * @param {number} weight
 */
export function formatWeight(weight) {
  if (Number.isNaN(weight)) return "NaN";
  return weight > 0 && weight < 0.005 ? "less than 0.01" : weight.toFixed(2);
}

/**
 * Return how a weight compares with what the other queries give to the same key.
 * @param {number} weight
 * @param {number} others
 */
export function formatRatio(weight, others) {
  if (Number.isNaN(others)) return "no others to compare with";
  if (others === 0) return weight > 0 ? "the others give 0" : "as the others";
  const ratio = weight / others;
  if (ratio >= 1000) return "over 1,000 times the others";
  return `${ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1)} times the others`;
}

/**
 * Return the sentence about a pair in the selected head.
 * @param {Trace} trace
 * @param {number} query
 * @param {number} key
 * @param {number} weight -1 where masked
 * @param {number} others
 */
export function describeRankedPair(trace, query, key, weight, others) {
  const { pair } = trace.header.style;
  const named = { query: quoteToken(trace, "query", query), key: quoteToken(trace, "key", key) };
  if (weight === -1) return fill(pair.masked, named);
  if (Number.isNaN(weight)) return fill(pair.bad, named);
  const rest = Number.isNaN(others) ? pair.alone : fill(pair.others, { weight: formatWeight(others) });
  return fill(pair.sentence, { ...named, weight: formatWeight(weight), rest });
}

/**
 * Return a head's row of the ranking for a pair.
 * @param {PairInHeads} pair
 * @param {number} number layer * nHeads + head
 */
export function describePairFigures({ weight, others }, number) {
  return `${formatWeight(weight[number])}, ${formatRatio(weight[number], others[number])}`;
}

/**
 * Return a head's row of the ranking for a token.
 * @param {Trace} trace
 * @param {Side} side
 * @param {TokenInHeads} token
 * @param {number} number layer * nHeads + head
 */
export function describeTokenFigures(trace, side, { entropy, weight, strongest }, number) {
  const partner = quoteToken(trace, side === "query" ? "key" : "query", strongest[number]);
  const { pair } = trace.header.style;
  const most = `${side === "query" ? pair.to : pair.from} ${partner} ${formatWeight(weight[number])}`;
  return `${Math.abs(entropy[number]).toFixed(2)} bits, ${most}`;
}
