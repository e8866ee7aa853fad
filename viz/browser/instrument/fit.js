// @ts-check
// What is left of a selection in another trace.

import { clamp } from "../core/text.js";

/** @import { Region, Selection, Side } from "./store.js" */
/** @import { Trace } from "./trace.js" */

/**
 * Return the nearest selection that a trace has. With the trace before, a locked token stays only if the same token is at
 * its position, and a region only if its corners are the same tokens.
 * @param {Selection} selection
 * @param {Trace} trace
 * @param {Trace} [before]
 * @returns {Selection}
 */
export function fitSelection(selection, trace, before) {
  const layer = clamp(selection.layer, 0, trace.nLayers - 1);
  const head = clamp(selection.head, 0, trace.heads[layer] - 1);
  const keep = (/** @type {Side} */ side, /** @type {number | null} */ position) =>
    position !== null && hasToken(trace, before, side, position) ? position : null;
  const query = keep("query", selection.query);
  const key = keep("key", selection.key);
  const first = query === null && key !== null ? "key" : key === null ? "query" : selection.first;
  return { ...selection, layer, head, query, key, first, region: fitRegion(selection.region, trace, before) };
}

/**
 * @param {Trace} trace
 * @param {Trace | undefined} before
 * @param {Side} side
 * @param {number} position
 */
function hasToken(trace, before, side, position) {
  const [now, then] = [trace, before].map((each) => (side === "query" ? each?.queries : each?.keys));
  return position < (now?.length ?? 0) && (!then || then[position]?.[0] === now?.[position][0]);
}

/**
 * @param {Region | null} region
 * @param {Trace} trace
 * @param {Trace | undefined} before
 * @returns {Region | null}
 */
function fitRegion(region, trace, before) {
  if (!region) return null;
  const [, lastQuery, , lastKey] = trace.whole;
  if (before) {
    const sides = /** @type {Side[]} */ (["query", "query", "key", "key"]);
    return region.every((position, end) => hasToken(trace, before, sides[end], position)) ? region : null;
  }
  if (region[0] > lastQuery || region[2] > lastKey) return null;
  /** @type {Region} */
  const kept = [region[0], Math.min(region[1], lastQuery), region[2], Math.min(region[3], lastKey)];
  return kept.every((end, at) => end === trace.whole[at]) ? null : kept;
}

/**
 * Keep the head of an attention while a map with one head for each layer is shown, and return to it afterwards. Returns
 * the selection, and the head that the trace has no place for.
 * @template {Selection} Kept
 * @param {Kept} state
 * @param {Pick<Trace, "heads">} trace
 * @param {Pick<Trace, "heads"> | undefined} before
 * @param {number | null} left the head that the trace before had no place for
 * @returns {{ state: Kept, left: number | null }}
 */
export function keepHead(state, trace, before, left) {
  const hadOne = before !== undefined && Math.max(...before.heads) === 1;
  const head = hadOne && left !== null ? left : state.head;
  if (Math.max(...trace.heads) === 1) return { state, left: head };
  return { state: { ...state, head }, left: null };
}
