// @ts-check
// Which head is shown, or which map of several heads, and which tokens are dimmed or hidden.

import { fill } from "../core/text.js";
import { headName } from "./head_name.js";
import { describeHeadSet } from "./head_set.js";

/** @import { Selection, State } from "./store.js" */
/** @import { Label, Trace } from "./trace.js" */

/** @typedef {[layer: number, head: number] | [how: "mean" | "maximum", heads: string]} Shown as tiles are named */
/** @typedef {{ query: Uint8Array, key: Uint8Array }} Shade of each token: 0, `DIMMED` or `HIDDEN` */

export const DIMMED = 1;
export const HIDDEN = 2;
const STRENGTH = { show: 0, dim: DIMMED, hide: HIDDEN };

/**
 * Return whether heatmap, token graph, strip and table show one map of several heads.
 * @param {Selection} state
 */
export function isCombined({ heads, combine }) {
  return heads !== "" && combine !== "overlay";
}

/**
 * Return what heatmap, token graph, strip and table show: a head, or one map of several heads.
 * @param {Selection} state
 * @returns {Shown}
 */
export function shownHead(state) {
  return state.heads !== "" && state.combine !== "overlay" ? [state.combine, state.heads] : [state.layer, state.head];
}

/**
 * Return what a title calls it: "Layer 2, head 5" or "Mean of layer 2".
 * @param {Trace} trace
 * @param {Selection} state
 */
export function nameShown(trace, state) {
  const { style } = trace.header;
  if (state.heads !== "" && state.combine !== "overlay") {
    return fill(style.combined[state.combine], { heads: describeHeadSet(state.heads, trace.heads) });
  }
  return headName(trace, state.layer, state.head);
}

/**
 * Return how the tokens of both sides are shown. The first token is the sink: as a key, and in self-attention also as a
 * query, because it is the same token.
 * @param {Trace} trace
 * @param {State} state
 * @returns {Shade}
 */
export function shadeOf(trace, { special, sink }) {
  const of = (/** @type {Label[]} */ labels, /** @type {boolean} */ hasSink) =>
    Uint8Array.from(labels, ([, isSpecial], position) =>
      Math.max(isSpecial ? STRENGTH[special] : 0, hasSink && position === 0 ? STRENGTH[sink] : 0),
    );
  return { query: of(trace.queries, trace.header.kind !== "cross"), key: of(trace.keys, true) };
}
