// @ts-check
// What the picture of all heads says.

import { percent } from "../core/text.js";
import { chosenHeads } from "./head_choice.js";
import { headName } from "./head_name.js";
import { describeHeadSet } from "./head_set.js";
import { describeGroup } from "./heads_chosen.js";
import { hasMasked } from "./heatmap_shade.js";
import { listHeads } from "./ranking_numbers.js";
import { describePairFigures, namePair } from "./ranking_words.js";
import { DIMMED, HIDDEN } from "./shown.js";

/** @import { HeadPlace, Target } from "./heads_layout.js" */
/** @import { State } from "./store.js" */
/** @import { PairInHeads } from "./ranking_numbers.js" */
/** @import { Scene } from "./index.js" */
/** @import { Shade } from "./shown.js" */
/** @import { Trace } from "./trace.js" */

/** @typedef {PairInHeads & { query: number, key: number }} FocusedPair */
/**
 * @typedef {object} HeadFacts
 * @property {Set<string>} broken heads with a weight that is not a number: "3,1"
 * @property {boolean} isMasked whether a pair of tokens that are not hidden is masked
 * @property {boolean} isHidden whether there are hidden tokens
 * @property {boolean} isDimmed
 */

/**
 * Return what the colours of the thumbnails have to be explained for.
 * @param {Trace} trace
 * @param {Shade} shade
 * @returns {HeadFacts}
 */
export function examineHeads(trace, shade) {
  const known = listHeads(trace).filter(([layer]) => layer < trace.done);
  const number = trace.header.style.masked;
  const broken = known.filter((place) => trace.isBroken(...place)).map(String);
  const block = /** @type {[number, number]} */ (trace.block);
  const isMasked = known.some((place) => {
    const thumbnail = trace.thumbnail(...place);
    return thumbnail && hasMasked(thumbnail.cells, number, { first: [0, 0], block, ...thumbnail }, shade);
  });
  const has = (/** @type {number} */ level) => shade.query.includes(level) || shade.key.includes(level);
  return { broken: new Set(broken), isMasked, isHidden: has(HIDDEN), isDimmed: has(DIMMED) };
}

/**
 * Return the legend: what a cell stands for where it is not one pair, and the colours of what is no weight. Empty if
 * all is plain. viz/figures/grid.py says the same of a file.
 * @param {Pick<Trace, "block" | "done" | "nLayers" | "header">} trace
 * @param {HeadFacts} facts
 * @param {string} masked the name of the palette's colour of masked pairs
 * @param {boolean} scored
 */
export function describeLegend(trace, facts, masked, scored) {
  const [high, wide] = trace.block;
  const notes = [];
  if (trace.done < trace.nLayers) notes.push(`${trace.done} of ${trace.nLayers} layers so far`);
  if (high > 1 || wide > 1) notes.push(`a cell is the largest weight of ${high} x ${wide} pairs`);
  if (facts.isMasked) notes.push(`${masked}: masked`);
  if (facts.isDimmed) notes.push("faded: dimmed");
  if (facts.isHidden) notes.push("hatched: hidden");
  if (facts.broken.size) notes.push(`pink: ${trace.header.style.words.bad}`);
  const { changed } = trace.header;
  if (changed) notes.push(changed.heads.length ? "crossed: changed heads" : "of a changed model");
  if (scored) notes.push("per cent: how often a head's strongest key is the true one");
  return notes.join(", ");
}

/**
 * Return the name of a head, with its truth score.
 * @param {Trace} trace
 * @param {HeadPlace} place
 * @param {(number | null)[] | null} scores
 */
export function describeHead(trace, [layer, head], scores) {
  const { header, nHeads } = trace;
  const score = scores?.[layer * nHeads + head] ?? null;
  const scored = score === null ? "" : `, ${header.style.verb} the true key ${percent(score)} of the time`;
  return `${headName(trace, layer, head)}${scored}`;
}

/**
 * Return what is said of a head: what it gives to the focused pair, if there is one.
 * @param {Trace} trace
 * @param {HeadPlace} place
 * @param {FocusedPair | null} pair
 * @param {(number | null)[] | null} scores
 */
export function describeHeadInFocus(trace, place, pair, scores) {
  const name = describeHead(trace, place, scores);
  const shared = describeGroup(trace, place);
  if (!pair) return shared ? `${name}, ${shared}` : name;
  const number = place[0] * trace.nHeads + place[1];
  if (pair.weight[number] === -1) return `${name}: masked`;
  return `${name}: ${describePairFigures(pair, number)}`;
}

/**
 * Return which heads are chosen, "" for the one head.
 * @param {Trace} trace
 * @param {State} state
 */
export function describeChosen(trace, state) {
  return chosenHeads(state, trace.heads).length ? `chosen: ${describeHeadSet(state.heads, trace.heads)}` : "";
}

/**
 * Return what a click on a layer number or on the sign in the corner does.
 * @param {Trace} trace
 * @param {Target} target
 */
export function describeTarget({ heads }, target) {
  if (target.kind === "layer") return `Layer ${target.layer}: a click chooses all its ${heads[target.layer]} heads.`;
  return "All heads: a click chooses all of them.";
}

/**
 * Return the title: all heads, or the pair whose weight is shown.
 * @param {Scene} scene
 * @param {FocusedPair | null} pair
 */
export function describeHeads({ trace }, pair) {
  const everything = trace.header.style.everything || "All heads";
  return pair ? `${everything}: weight of ${namePair(trace, pair.query, pair.key)}` : everything;
}
