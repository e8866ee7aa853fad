// @ts-check
// The lines of a token graph: the pairs of an exact tile at or above the threshold. No drawing.

import { linesByToken } from "./token_graph_layout.js";

/** @import { Lines } from "./token_graph_layout.js" */
/** @import { Graph } from "./token_graph_words.js" */
/** @import { Region } from "./store.js" */
/** @import { Tile, Trace } from "./trace.js" */

// The smallest float32 that numpy calls normal: a weight below it is no attention.
const TINY = 2 ** -126;

/**
 * Return the pairs of a tile at or above a threshold, weakest first; equal weights in the order of query, then key. A
 * weight that is not a number is never hidden, and last. A masked pair has no line.
 * @param {Tile} tile
 * @param {number} threshold
 * @returns {Lines}
 */
export function linesOf({ shape: [rows, columns], cells, given }, threshold) {
  const least = Math.fround(Math.max(threshold, TINY));
  /** @type {number[]} */
  const found = [];
  const received = new Float64Array(columns);
  for (let cell = 0; cell < rows * columns; cell++) {
    const weight = cells[cell];
    if (weight === -1) continue;
    received[cell % columns] += weight;
    if (!(weight < least)) found.push(cell);
  }
  const rank = (/** @type {number} */ cell) => (Number.isNaN(cells[cell]) ? 2 : cells[cell]);
  found.sort((one, other) => rank(one) - rank(other) || one - other);
  return {
    query: Uint16Array.from(found, (cell) => Math.floor(cell / columns)),
    key: Uint16Array.from(found, (cell) => cell % columns),
    weight: Float32Array.from(found, (cell) => cells[cell]),
    given,
    received: Float32Array.from(received),
  };
}

/**
 * Return the tokens of a part of the text with its lines, without any where the weights are not known yet.
 * @param {Trace} trace
 * @param {Region} part
 * @param {Tile | null} tile
 * @param {number} threshold
 * @returns {Graph}
 */
export function graphOf(trace, [firstQuery, lastQuery, firstKey, lastKey], tile, threshold) {
  const queries = trace.queries.slice(firstQuery, lastQuery + 1);
  const keys = trace.keys.slice(firstKey, lastKey + 1);
  const { cuts, defaults, style } = trace.header;
  const rows = (/** @type {number[]} */ positions, /** @type {number} */ first, /** @type {number} */ count) =>
    positions.map((position) => position - first).filter((row) => row > 0 && row < count);
  /** @type {Lines} */
  const lines = tile ? linesOf(tile, threshold) : NO_LINES;
  return {
    header: {
      title: "",
      summary: "",
      locked: null,
      first: [firstQuery, firstKey],
      queries,
      keys,
      cuts: [rows(cuts[0], firstQuery, queries.length), rows(cuts[1], firstKey, keys.length)],
      line: "",
      bad: defaults.bad,
      gamma: 1,
      style,
    },
    lines,
    sides: [queries, keys],
    byToken: linesByToken(lines, [queries.length, keys.length]),
  };
}

/** @type {Lines} */
const NO_LINES = {
  query: new Uint16Array(),
  key: new Uint16Array(),
  weight: new Float32Array(),
  given: new Float32Array(),
  received: new Float32Array(),
};
