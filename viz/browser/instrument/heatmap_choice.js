// @ts-check
// What a visitor chooses in the heatmap: a region of it, and a cell with the arrow keys.

import { clamp } from "../core/text.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Region, Selection } from "./store.js" */

/**
 * Return whether a region is the whole head.
 * @param {Region} region
 * @param {Region} whole
 */
export function isWhole(region, whole) {
  return region.every((end, at) => end === whole[at]);
}

/**
 * Return the change that opens a region. A locked token outside of it is released, because no part would show it.
 * @param {Selection} selection
 * @param {Region | null} wanted null for the whole head
 * @param {Region} whole
 * @returns {Partial<Selection>}
 */
export function openRegion({ query, key, first }, wanted, whole) {
  if (!wanted || isWhole(wanted, whole)) return { region: null };
  const kept = (/** @type {number | null} */ at, /** @type {number} */ side) =>
    at !== null && at >= wanted[2 * side] && at <= wanted[2 * side + 1] ? at : null;
  const locked = { query: kept(query, 0), key: kept(key, 1) };
  const only = locked.query === null && locked.key !== null ? "key" : locked.key === null ? "query" : first;
  return { region: wanted, ...locked, first: only };
}

/**
 * Return the region of four numbers that a visitor has typed. The end that was changed moves the other end of its side.
 * @param {number[]} ends NaN for an empty field
 * @param {number} changed number of the end
 * @param {Region} whole
 * @returns {Region}
 */
export function regionOfNumbers(ends, changed, whole) {
  const found = ends.map((end, at) => {
    const [least, most] = at < 2 ? [whole[0], whole[1]] : [whole[2], whole[3]];
    return Number.isNaN(end) ? whole[at] : clamp(Math.round(end), least, most);
  });
  const start = changed < 2 ? 0 : 2;
  if (found[start] > found[start + 1]) found[start === changed ? start + 1 : start] = found[changed];
  return /** @type {Region} */ (found);
}

/**
 * Return the part around a pair that can be shown pair by pair.
 * @param {Region} region
 * @param {number} query
 * @param {number} key
 * @param {number} readable
 * @returns {Region}
 */
export function readableAround([firstQuery, lastQuery, firstKey, lastKey], query, key, readable) {
  const part = (/** @type {number} */ at, /** @type {number} */ first, /** @type {number} */ last) => {
    const start = Math.max(first, Math.min(at - Math.floor(readable / 2), last - readable + 1));
    return [start, Math.min(start + readable - 1, last)];
  };
  return /** @type {Region} */ ([...part(query, firstQuery, lastQuery), ...part(key, firstKey, lastKey)]);
}

const ARROW_STEPS = /** @type {Record<string, [down: number, across: number]>} */ ({
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  Home: [0, Number.NEGATIVE_INFINITY],
  End: [0, Number.POSITIVE_INFINITY],
});

/**
 * Return the pair that a key of the keyboard moves to, null if it does not move.
 * @param {string} key
 * @param {{ query: number | null, key: number | null }} from
 * @param {HeatmapPlace} place
 * @returns {[query: number, key: number] | null}
 */
export function pairAfter(key, from, { region, block }) {
  const step = ARROW_STEPS[key];
  if (!step) return null;
  const moves = from.query !== null && from.key !== null;
  const [query, column] = [from.query, from.key].map((at, side) => {
    const start = clamp(at ?? region[2 * side], region[2 * side], region[2 * side + 1]);
    const by = moves && step[side] ? step[side] * block[side] : 0;
    return clamp(start + by, region[2 * side], region[2 * side + 1]);
  });
  return [query, column];
}
