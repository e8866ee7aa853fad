// @ts-check
// What the token graph of several heads says.

import { asSentence, fill } from "../core/text.js";
import { weightsOfPair } from "./graph_overlay.js";
import { headTitle } from "./head_set.js";
import { LEFT } from "./token_graph_layout.js";
import { describeLines, describePair, labelOf } from "./token_graph_words.js";

/** @import { Overlay } from "./graph_overlay.js" */
/** @import { Region } from "./store.js" */
/** @import { Trace } from "./trace.js" */

/**
 * Return what is said of a pair: its weights in the heads, the strongest first.
 * @param {Overlay} overlay
 * @param {[query: number, key: number]} rows
 * @param {boolean} locked
 */
export function describePairInHeads(overlay, rows, locked) {
  const { graph } = overlay;
  const { ends, words, digits } = graph.header.style;
  const all = weightsOfPair(overlay, ...rows);
  const found = all.filter(({ weight }) => weight !== -1);
  const name = describePair(graph, rows, -1, locked);
  if (!found.length) return name;
  const named = found.slice(0, ends).map(({ number, weight }) => {
    const token = Number.isNaN(weight) ? words.bad : weight.toFixed(digits);
    return fill(words.of_head, { weight: token, head: graph.heads?.[number] ?? "" });
  });
  const more = found.length > ends ? fill(words.more, { count: found.length - ends }) : "";
  return `${name.slice(0, name.lastIndexOf(": "))}: ${named.join(", ")}${more}`;
}

/**
 * Return what is said of all lines, or of those of the head that stands out.
 * @param {Trace} trace
 * @param {Overlay} overlay
 * @param {{ emphasised: number, threshold: number, part: Region | null, heads: string }} shown `part` is null for the
 *   whole text, `heads` says which heads are drawn
 */
export function describeOverlay(trace, overlay, { emphasised, threshold, part, heads }) {
  const { graph, own, places, tiles } = overlay;
  if (tiles.every((tile) => !tile)) return "";
  if (emphasised < 0) return asSentence(`${heads}, ${describeLines(graph, threshold, part)}`);
  const said = tiles[emphasised]
    ? describeLines({ ...graph, lines: own[emphasised] }, threshold, part)
    : "its weights have not come yet";
  return asSentence(`${headTitle(trace, places[emphasised])}: ${said}`);
}

/**
 * Return what the overlay lacks: heads beyond the last colour, and those whose weights are not here.
 * @param {Overlay} overlay
 * @param {number} count of chosen heads
 * @param {boolean} waits whether a server is asked for the others
 */
export function describeLacking({ places, tiles }, count, waits) {
  const said = [];
  if (count > places.length) {
    said.push(`Only the first ${places.length} of ${count} heads are drawn: show the mean or maximum to see all.`);
  }
  const come = tiles.filter(Boolean).length;
  if (come < tiles.length) {
    said.push(
      waits ? `${come} of ${tiles.length} heads have come.` : `This file has ${come} of these ${tiles.length} heads.`,
    );
  }
  return said.join(" ");
}

/**
 * Return the lines that are drawn as rows of a table, the strongest first.
 * @param {Overlay} overlay
 * @param {number[] | null} chosen lines, weakest first; null for all
 * @param {number} most rows
 * @returns {[head: string, query: string, key: string, weight: string][]}
 */
export function overlayRows({ graph }, chosen, most) {
  const { lines, heads = [], header } = graph;
  const { words, digits } = header.style;
  const all = chosen ?? Array.from(lines.weight.keys());
  return all
    .slice(-most)
    .reverse()
    .map((line) => [
      heads[lines.head?.[line] ?? 0],
      labelOf(graph, { side: LEFT, row: lines.query[line] }),
      labelOf(graph, { side: 1 - LEFT, row: lines.key[line] }),
      Number.isNaN(lines.weight[line]) ? words.bad : lines.weight[line].toFixed(digits),
    ]);
}
