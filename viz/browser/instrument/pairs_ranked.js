// @ts-check
// The strongest pairs of an exact tile. No drawing.

/** @import { Side } from "./store.js" */
/** @import { Tile } from "./trace.js" */
/** @typedef {[query: number, key: number, weight: number]} Pair positions in the whole text */

/**
 * Return the pairs with the largest weights, strongest first; equal weights in the order of query, then key. Weights
 * that are not a number come last, as in analysis/pairs.py. Masked pairs are left out.
 * @param {Tile} tile
 * @param {number} most
 * @param {{ side: Side, position: number } | null} [only] the token whose pairs are wanted, null for all
 * @returns {Pair[]}
 */
export function strongestPairs({ region, shape: [rows, columns], cells }, most, only = null) {
  const [firstQuery, , firstKey] = region;
  const row = only?.side === "query" ? only.position - firstQuery : null;
  const column = only?.side === "key" ? only.position - firstKey : null;
  const rank = (/** @type {number} */ weight) => (Number.isNaN(weight) ? -1 : weight);
  /** @type {number[]} */
  const found = [];
  for (let cell = 0; cell < rows * columns; cell++) {
    if (row !== null && Math.floor(cell / columns) !== row) continue;
    if (column !== null && cell % columns !== column) continue;
    const weight = cells[cell];
    if (weight === -1) continue;
    const own = rank(weight);
    if (found.length === most && own <= rank(cells[found[most - 1]])) continue;
    let place = found.length;
    while (place > 0 && rank(cells[found[place - 1]]) < own) place--;
    found.splice(place, 0, cell);
    if (found.length > most) found.pop();
  }
  return found.map((cell) => [Math.floor(cell / columns) + firstQuery, (cell % columns) + firstKey, cells[cell]]);
}
