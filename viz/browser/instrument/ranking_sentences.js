// @ts-check
// The heads for the pairs that a visitor has locked in several texts, by the mean over the texts.

import { unpack } from "../core/unpack.js";
import { LEAST_WEIGHT, rankHeads } from "./ranking_numbers.js";
import { formatWeight } from "./ranking_words.js";

/** @import { Instrument } from "./index.js" */
/** @import { RankedHeads } from "./ranking.js" */
/** @import { HeadPlace } from "./ranking_numbers.js" */
/** @import { Trace } from "./trace.js" */

/** @typedef {Record<"weight_mean" | "weight_minimum" | "ratio_mean" | "ratio_minimum", Float32Array>} Means */

/**
 * Return the texts in which a pair is locked, as a request names them: `NAME:8:2`.
 * @param {Pick<Instrument, "pairs">} instrument
 * @param {Pick<Trace, "header">} trace
 */
export function lockedPairs({ pairs }, { header }) {
  return header.sentences.flatMap(({ trace }) => {
    const locked = pairs.get(trace);
    const isPair = trace && locked && locked.query !== null && locked.key !== null;
    return isPair ? [`${trace}:${locked.query}:${locked.key}`] : [];
  });
}

/**
 * Return the means over texts, null until the server has answered.
 * @param {Pick<Instrument, "requests">} instrument
 * @param {string[]} pairs as `lockedPairs` names them
 * @returns {Means | null}
 */
export function findMeans({ requests }, pairs) {
  return requests?.answer(`rank/${pairs.join(",")}`, (bytes) => unpack(bytes).arrays) ?? null;
}

/**
 * Return the ranking over the texts in which a pair is locked.
 * @param {Trace} trace
 * @param {number} nPairs
 * @param {Means | null} means
 * @param {"weight" | "ratio"} order
 * @returns {RankedHeads}
 */
export function rankOverTexts(trace, nPairs, means, order) {
  const numberOf = (/** @type {HeadPlace} */ [layer, head]) => layer * trace.nHeads + head;
  return {
    title: `Heads over ${nPairs} of ${trace.header.sentences.length} texts`,
    sentence: (place) => (means ? `${trace.header.style.here}: ${describeMeans(means, numberOf(place))}.` : ""),
    heads: means ? rankHeads(trace, valuesOf(means, order), -1) : [],
    figures: (place) => (means ? describeMeans(means, numberOf(place)) : ""),
    note: means ? noteOf(order) : "The server is asked for the weights.",
    isPair: true,
  };
}

/**
 * @param {Means} means
 * @param {"weight" | "ratio"} order
 */
function valuesOf(means, order) {
  if (order === "weight") return means.weight_mean;
  return means.ratio_mean.map((ratio, number) => (means.weight_mean[number] >= LEAST_WEIGHT ? ratio : Number.NaN));
}

/** @param {"weight" | "ratio"} order */
function noteOf(order) {
  const mean = "Mean over the texts in which a pair is locked, and the smallest of them.";
  return order === "weight" ? mean : `${mean} Heads whose mean weight is below ${LEAST_WEIGHT} are left out.`;
}

/**
 * @param {Means} means
 * @param {number} number layer * nHeads + head
 */
function describeMeans(means, number) {
  const ratio = (/** @type {number} */ value) => (Number.isFinite(value) ? value.toFixed(value < 10 ? 1 : 0) : "–");
  const [mean, least] = [means.weight_mean[number], means.weight_minimum[number]].map(formatWeight);
  const ratios = `${ratio(means.ratio_mean[number])} times the others, at least ${ratio(means.ratio_minimum[number])}`;
  return `${mean}, at least ${least}; ${ratios}`;
}
