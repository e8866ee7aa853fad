// @ts-check
// Where the box of a region is on a small map of the whole head, and the regions that it can be moved to. No drawing.

import { clamp } from "../core/text.js";

/** @import { Region } from "./store.js" */
/** @typedef {{ width: number, height: number }} MapSize in pixels */

// The longer side of the map, and the least length of the shorter one: a side of few tokens stays visible.
const MAP_LONG = 96;
const MAP_SHORT = 24;
// A step of the arrow keys is this share of the box; each step of its size multiplies it.
const STEP_SHARE = 1 / 8;
const RESIZE = 1.25;

/**
 * Return the size of the map of a head.
 * @param {Region} whole
 * @returns {MapSize}
 */
export function mapSize([, lastQuery, , lastKey]) {
  const most = Math.max(lastQuery, lastKey) + 1;
  const length = (/** @type {number} */ count) => Math.max(MAP_SHORT, Math.round((MAP_LONG * count) / most));
  return { width: length(lastKey + 1), height: length(lastQuery + 1) };
}

/**
 * Return the box of a region on the map.
 * @param {Region} region
 * @param {Region} whole
 * @param {MapSize} size
 * @returns {{ x: number, y: number, width: number, height: number }}
 */
export function boxOnMap([firstQuery, lastQuery, firstKey, lastKey], whole, { width, height }) {
  const [queries, keys] = [whole[1] + 1, whole[3] + 1];
  return {
    x: (firstKey / keys) * width,
    y: (firstQuery / queries) * height,
    width: ((lastKey - firstKey + 1) / keys) * width,
    height: ((lastQuery - firstQuery + 1) / queries) * height,
  };
}

/**
 * Return the pair of positions at a point of the map, not rounded.
 * @param {number} x
 * @param {number} y
 * @param {Region} whole
 * @param {MapSize} size
 * @returns {[query: number, key: number]}
 */
export function pairOnMap(x, y, whole, { width, height }) {
  return [(y / height) * (whole[1] + 1), (x / width) * (whole[3] + 1)];
}

/**
 * Return the region of the same size that begins at a pair, or as near to it as the text allows.
 * @param {Region} region
 * @param {Region} whole
 * @param {number} query
 * @param {number} key
 * @returns {Region}
 */
export function regionFrom([firstQuery, lastQuery, firstKey, lastKey], whole, query, key) {
  const side = (/** @type {number} */ wanted, /** @type {number} */ length, /** @type {number} */ last) => {
    const start = clamp(Math.round(wanted), 0, last - length);
    return [start, start + length];
  };
  const queries = side(query, lastQuery - firstQuery, whole[1]);
  return /** @type {Region} */ ([...queries, ...side(key, lastKey - firstKey, whole[3])]);
}

/**
 * Return the region of the same size around a pair.
 * @param {Region} region
 * @param {Region} whole
 * @param {number} query
 * @param {number} key
 * @returns {Region}
 */
export function regionAround(region, whole, query, key) {
  const [high, wide] = [region[1] - region[0] + 1, region[3] - region[2] + 1];
  return regionFrom(region, whole, query - high / 2, key - wide / 2);
}

/**
 * Return the region some steps down and across.
 * @param {Region} region
 * @param {Region} whole
 * @param {number} down steps
 * @param {number} across
 * @returns {Region}
 */
export function moveRegion(region, whole, down, across) {
  const step = (/** @type {number} */ first, /** @type {number} */ last) =>
    Math.max(1, Math.round((last - first + 1) * STEP_SHARE));
  const [high, wide] = [step(region[0], region[1]), step(region[2], region[3])];
  return regionFrom(region, whole, region[0] + down * high, region[2] + across * wide);
}

/**
 * Return a larger or smaller region with the same middle, as far as the text allows.
 * @param {Region} region
 * @param {Region} whole
 * @param {1 | -1} direction 1 for a larger one
 * @returns {Region}
 */
export function resizeRegion(region, whole, direction) {
  const side = (/** @type {number} */ first, /** @type {number} */ last, /** @type {number} */ end) => {
    const count = last - first + 1;
    const wanted = direction > 0 ? Math.max(count + 1, Math.round(count * RESIZE)) : Math.round(count / RESIZE);
    const size = clamp(direction < 0 ? Math.min(wanted, count - 1) : wanted, 1, end + 1);
    // Growing and shrinking round towards each other, so that one takes the other back.
    const middle = (first + last + 1 - size) / 2;
    const start = clamp(direction > 0 ? Math.ceil(middle) : Math.floor(middle), 0, end + 1 - size);
    return [start, start + size - 1];
  };
  return /** @type {Region} */ ([...side(region[0], region[1], whole[1]), ...side(region[2], region[3], whole[3])]);
}
