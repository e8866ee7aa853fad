// @ts-check
// The lines of several heads in one token graph: one list of lines, each of which knows its head. No drawing.

import { graphOf, linesOf } from "./graph_lines.js";
import { chosenName } from "./head_set.js";
import { linesByToken } from "./token_graph_layout.js";

/** @import { HeadPlace } from "./head_set.js" */
/** @import { Region } from "./store.js" */
/** @import { Lines } from "./token_graph_layout.js" */
/** @import { Graph } from "./token_graph_words.js" */
/** @import { Tile, Trace } from "./trace.js" */

/**
 * @typedef {object} Overlay the lines of several heads
 * @property {Graph} graph the lines of all heads together
 * @property {HeadPlace[]} places of the heads, in the order of their numbers
 * @property {(Tile | null)[]} tiles null for a head whose weights have not come
 * @property {Lines[]} own lines of each head
 * @property {number[][]} ofHead the numbers of each head's lines in the graph, weakest first
 */

/** The lines of a tile, which others of the same heads share. @type {WeakMap<Tile, { threshold: number, lines: Lines }>} */
const linesOfTiles = new WeakMap();

/**
 * Return the lines of a tile, computed once for a threshold.
 * @param {Tile} tile
 * @param {number} threshold
 */
function knownLines(tile, threshold) {
  const known = linesOfTiles.get(tile);
  if (known?.threshold === threshold) return known.lines;
  const lines = linesOf(tile, threshold);
  linesOfTiles.set(tile, { threshold, lines });
  return lines;
}

/**
 * Return the lines of several heads as one list, weakest first; of equal weights, those of the first head are first. A
 * weight that is not a number is last. What queries give and keys receive is summed over the heads.
 * @param {Lines[]} all of each head
 * @param {[queries: number, keys: number]} counts
 * @returns {Lines & { head: Uint8Array }}
 */
export function mergeLines(all, counts) {
  const count = all.reduce((sum, { weight }) => sum + weight.length, 0);
  const query = new Uint16Array(count);
  const key = new Uint16Array(count);
  const weight = new Float32Array(count);
  const head = new Uint8Array(count);
  let start = 0;
  all.forEach((lines, number) => {
    query.set(lines.query, start);
    key.set(lines.key, start);
    weight.set(lines.weight, start);
    head.fill(number, start, start + lines.weight.length);
    start += lines.weight.length;
  });
  // As in `linesOf`: as bits, a larger weight is a larger number.
  const bits = new Uint32Array(weight.buffer);
  const order = Float64Array.from(bits, (each, line) => each * count + line).sort();
  const from = Uint32Array.from(order, (rank) => rank % count);
  const sums = (/** @type {"given" | "received"} */ name, /** @type {number} */ rows) => {
    const sum = new Float32Array(rows);
    for (const lines of all) for (let row = 0; row < lines[name].length; row++) sum[row] += lines[name][row];
    return sum;
  };
  return {
    query: Uint16Array.from(from, (line) => query[line]),
    key: Uint16Array.from(from, (line) => key[line]),
    weight: Float32Array.from(from, (line) => weight[line]),
    head: Uint8Array.from(from, (line) => head[line]),
    given: sums("given", counts[0]),
    received: sums("received", counts[1]),
  };
}

/**
 * Return the lines of several heads in a part of the text.
 * @param {Trace} trace
 * @param {Region} part
 * @param {HeadPlace[]} places
 * @param {(Tile | null)[]} tiles of this part, null where one has not come
 * @param {number} threshold
 * @returns {Overlay}
 */
export function overlayOf(trace, part, places, tiles, threshold) {
  const graph = graphOf(trace, part, null, threshold);
  /** @type {[number, number]} */
  const counts = [graph.sides[0].length, graph.sides[1].length];
  const own = tiles.map((tile) => (tile ? knownLines(tile, threshold) : graph.lines));
  const lines = mergeLines(own, counts);
  const ofHead = places.map(() => /** @type {number[]} */ ([]));
  for (const [line, number] of lines.head.entries()) ofHead[number].push(line);
  const heads = places.map(chosenName);
  return { graph: { ...graph, lines, heads, byToken: linesByToken(lines, counts) }, places, tiles, own, ofHead };
}

/**
 * Return the weight of a pair in each head, the strongest first; without the heads whose weights have not come.
 * @param {Overlay} overlay
 * @param {number} query row
 * @param {number} key row
 * @returns {{ number: number, weight: number }[]}
 */
export function weightsOfPair({ tiles }, query, key) {
  const found = tiles.flatMap((tile, number) =>
    tile ? [{ number, weight: tile.cells[query * tile.shape[1] + key] }] : [],
  );
  const rank = (/** @type {number} */ weight) => (Number.isNaN(weight) ? Number.POSITIVE_INFINITY : weight);
  return found.sort((one, other) => rank(other.weight) - rank(one.weight) || one.number - other.number);
}
