// @ts-check
// Measures of a map whose weights are all here, as analysis/attention_measures.py computes them. No drawing.

import { HIDDEN } from "./shown.js";

/** @import { Tile, Trace } from "./trace.js" */

/** Measures of a tile, by name. @type {WeakMap<Tile, Record<string, number>>} */
const known = new WeakMap();

/**
 * Return the measures of a whole map in the order in which the trace names them: means over the queries that are not
 * hidden; NaN where one is not defined.
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
  const separators = keys.map(([, special], position) => special && position > 0);
  const isSelf = header.kind !== "cross";
  const sums = { entropy: 0, distance: 0, first: 0, separators: 0, previous: 0, next: 0, self: 0 };
  let [count, before, after] = [0, 0, 0];
  for (let query = 0; query < high; query++) {
    if (shade[query] === HIDDEN) continue;
    count++;
    if (query > 0 && query - 1 < wide) before++;
    if (query + 1 < wide) after++;
    for (let key = 0; key < wide; key++) {
      const weight = cells[query * wide + key];
      if (weight === -1 || weight === 0) continue;
      sums.entropy -= weight * Math.log2(weight);
      sums.distance += weight * Math.abs(query - key);
      if (key === 0) sums.first += weight;
      if (separators[key]) sums.separators += weight;
      if (key === query) sums.self += weight;
      if (key === query - 1) sums.previous += weight;
      if (key === query + 1) sums.next += weight;
    }
  }
  const self = (/** @type {number} */ value) => (isSelf ? value : Number.NaN);
  return {
    entropy: sums.entropy / count,
    distance: self(sums.distance / count),
    first: sums.first / count,
    separators: separators.includes(true) ? sums.separators / count : Number.NaN,
    previous: self(sums.previous / before),
    next: self(sums.next / after),
    self: self(sums.self / count),
  };
}
