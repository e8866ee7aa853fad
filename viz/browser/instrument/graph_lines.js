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
  // Numbers that sort as the weights do, and equal weights as their cells: numbers sort ten times faster than cells by
  // a function. As bits, a larger weight is a larger number, and what is not a number the largest.
  const bits = new Uint32Array(cells.buffer, cells.byteOffset, cells.length);
  const ranks = new Float64Array(cells.length);
  let count = 0;
  const received = new Float64Array(columns);
  for (let cell = 0; cell < rows * columns; cell++) {
    const weight = cells[cell];
    if (weight === -1) continue;
    received[cell % columns] += weight;
    if (!(weight < least)) ranks[count++] = bits[cell] * cells.length + cell;
  }
  const lines = { query: new Uint16Array(count), key: new Uint16Array(count), weight: new Float32Array(count) };
  ranks
    .subarray(0, count)
    .sort()
    .forEach((rank, line) => {
      const cell = rank % cells.length;
      lines.query[line] = Math.floor(cell / columns);
      lines.key[line] = cell % columns;
      lines.weight[line] = cells[cell];
    });
  return { ...lines, given, received: Float32Array.from(received) };
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
      first: [firstQuery, firstKey],
      queries,
      keys,
      cuts: [rows(cuts[0], firstQuery, queries.length), rows(cuts[1], firstKey, keys.length)],
      line: "",
      bad: defaults.bad,
      scale: "linear",
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
