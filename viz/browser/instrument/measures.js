// @ts-check
// Measures of a map whose weights are all here, as analysis/measures computes them. No drawing.

import { HIDDEN } from "./shown.js";

/** @import { Tile, Trace } from "./trace.js" */

const NOT_DEFINED = "–";
const NOT_KNOWN = "…";
/** Digits after the point, by unit. @type {Record<string, number>} */
const UNIT_DIGITS = { bits: 2, tokens: 1 };
// A row of more is no distribution, as in Python.
const LARGEST_SUM = 1.01;
const FULL_SUM = 0.99;

/** Measures of a tile, by name. @type {WeakMap<Tile, Record<string, number>>} */
const known = new WeakMap();

/**
 * Return a measure with its unit: bits, tokens, or per cent if it has none.
 * @param {string} unit
 * @param {number | null | undefined} value undefined if it has not come yet
 */
export function measureWords(unit, value) {
  if (value === undefined) return NOT_KNOWN;
  if (value === null || Number.isNaN(value)) return NOT_DEFINED;
  return unit ? `${value.toFixed(UNIT_DIGITS[unit])} ${unit}` : `${(100 * value).toFixed(1)}%`;
}

/**
 * Return the measures of a whole map in the order in which the trace names them: means over the queries that are not
 * hidden and attend to something; NaN where one is not defined.
 * @param {Trace} trace
 * @param {Tile} tile of the whole map, pair by pair
 * @param {Uint8Array} shade of the queries
 * @returns {number[]}
 */
export function measuresOfTile(trace, tile, shade) {
  let found = known.get(tile);
  if (!found) {
    found = measureTile(trace, tile, shade);
    known.set(tile, found);
  }
  const values = found;
  return trace.header.measures.map(([name]) => values[name] ?? Number.NaN);
}

/**
 * @param {Trace} trace
 * @param {Tile} tile
 * @param {Uint8Array} shade
 */
function measureTile({ header, keys }, { cells, shape: [high, wide] }, shade) {
  // A key that no query may attend to is hidden.
  const isShown = keys.map((_, key) => cells.some((weight, at) => at % wide === key && weight !== -1));
  const hides = isShown.includes(false);
  const separators = keys.map(([, special], position) => special && position > 0 && isShown[position]);
  const sums = { entropy: 0, distance: 0, first: 0, separators: 0, previous: 0, next: 0, self: 0 };
  let [count, before, after, broken] = [0, 0, 0, false];
  for (let query = 0; query < high; query++) {
    const row = cells.subarray(query * wide, (query + 1) * wide);
    const total = row.reduce((sum, weight) => (weight === -1 ? sum : sum + weight), 0);
    if (shade[query] === HIDDEN || total === 0) continue;
    broken ||= total > LARGEST_SUM || row.some((weight) => weight < 0 && weight !== -1);
    count++;
    if (query > 0 && query - 1 < wide && isShown[query - 1]) before++;
    if (query + 1 < wide && isShown[query + 1]) after++;
    // Hidden tokens or a sink have the rest of the row.
    const whole = hides || total < FULL_SUM ? total : 1;
    for (let key = 0; key < wide; key++) {
      const weight = row[key];
      if (weight === -1 || weight === 0) continue;
      sums.entropy -= (weight / whole) * Math.log2(weight / whole);
      sums.distance += (weight / whole) * Math.abs(query - key);
      if (key === 0) sums.first += weight;
      if (separators[key]) sums.separators += weight;
      if (key === query) sums.self += weight;
      if (key === query - 1) sums.previous += weight;
      if (key === query + 1) sums.next += weight;
    }
  }
  const known = (/** @type {boolean} */ isKnown, /** @type {number} */ value) =>
    isKnown && !broken ? value : Number.NaN;
  const isSelf = header.kind !== "cross";
  return {
    entropy_bits: known(true, sums.entropy / count),
    mean_distance: known(isSelf, sums.distance / count),
    first: known(isShown[0], sums.first / count),
    separator: known(separators.includes(true), sums.separators / count),
    previous: known(isSelf, sums.previous / before),
    next: known(isSelf, sums.next / after),
    self: known(isSelf, sums.self / count),
  };
}
