// @ts-check
// What the heatmap says: its title, its notes, and the pair or the token that the pointer is on.

import { isolate } from "../core/text.js";
import { pairsOfCell, strongestOf, weightAt, weightOfCell } from "./heatmap_cells.js";
import { isWhole } from "./heatmap_choice.js";
import { HIDDEN, nameShown } from "./shown.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */
/** @import { Region } from "./store.js" */
/** @import { Label, Trace } from "./trace.js" */

const HEATMAP_DIGITS = 4;
export const POOLED_HINT = "Draw a box over the cells, or click one, to open a part pair by pair.";
export const TOUCH_HINT = "Tap a cell to open a part pair by pair.";

/**
 * Return a region in words.
 * @param {Region} region
 */
export function regionWords(region) {
  const [firstQuery, lastQuery, firstKey, lastKey] = region.map((position) => position.toLocaleString("en"));
  return `queries ${firstQuery} to ${lastQuery}, keys ${firstKey} to ${lastKey}`;
}

/**
 * Return what is written below the title: the region, and what a cell is if it is not a pair.
 * @param {Trace} trace
 * @param {HeatmapPlace} place
 */
export function notesOf(trace, { region, block: [high, wide] }) {
  const notes = isWhole(region, trace.whole) ? [] : [regionWords(region)];
  if (high > 1 || wide > 1) notes.push(`each cell is the largest weight of ${high} x ${wide} pairs`);
  const text = notes.join("; ");
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/**
 * Return a token with its position.
 * @param {Label[]} labels
 * @param {number} position
 */
export function tokenName(labels, position) {
  return `${isolate(labels[position][0])} (${position})`;
}

/**
 * Return the sentence about what all parts emphasise, or about the cell under the pointer where it is a block.
 * @param {Scene} scene
 * @param {HeatmapPlace} place
 * @param {[query: number, key: number] | null} cell
 */
export function describeFocus(scene, place, cell) {
  const { trace, focus, tile } = scene;
  const pooled = Math.max(...place.block) > 1;
  if (pooled && cell) {
    const pairs = pairsOfCell(place, ...cell);
    return `${regionWords(pairs)}: at most ${weightWords(scene, weightOfCell(tile, pairs))}`.replace(
      "queries",
      "Queries",
    );
  }
  const { query, key } = focus;
  if (query !== null && key !== null) {
    const pair = `${tokenName(trace.queries, query)} ${trace.header.style.verb} ${tokenName(trace.keys, key)}`;
    return isOutside(scene, place)
      ? `${pair}: outside the region`
      : `${pair}: ${isHidden(scene) ? "hidden" : weightWords(scene, weightAt(tile, query, key))}`;
  }
  if (query === null && key === null) return "";
  const side = query !== null ? "query" : "key";
  const position = /** @type {number} */ (query ?? key);
  const own = tokenName(side === "query" ? trace.queries : trace.keys, position);
  const most = pooled || isOutside(scene, place) ? null : strongestOf(tile, side, position);
  if (isHidden(scene)) return `${own}: hidden`;
  if (!most) return own;
  const other = tokenName(side === "query" ? trace.keys : trace.queries, most.position);
  return `${own} ${trace.header.style.most[side]} ${other}: ${weightWords(scene, most.weight)}`;
}

/**
 * @param {Scene} scene
 * @param {HeatmapPlace} place
 */
function isOutside({ focus }, { region }) {
  const isOut = (/** @type {number | null} */ at, /** @type {number} */ side) =>
    at !== null && (at < region[2 * side] || at > region[2 * side + 1]);
  return isOut(focus.query, 0) || isOut(focus.key, 1);
}

/**
 * Return whether a token of the focus is hidden.
 * @param {Scene} scene
 */
function isHidden({ focus, shade }) {
  return shade.query[focus.query ?? -1] === HIDDEN || shade.key[focus.key ?? -1] === HIDDEN;
}

/**
 * @param {Scene} scene
 * @param {number | null} weight null if it has not come yet
 */
function weightWords({ trace }, weight) {
  if (weight === null) return "…";
  if (Number.isNaN(weight)) return trace.header.style.words.bad;
  return weight < 0 ? "masked" : weight.toFixed(HEATMAP_DIGITS);
}

/**
 * Return the name of the picture for those who cannot see it.
 * @param {Scene} scene
 */
export function nameHeatmap({ trace, state }) {
  const head = nameShown(trace, state);
  return (
    `Heatmap of ${head.toLowerCase()}: queries down, keys across. Arrow keys move over the cells, Enter locks. ` +
    "The table of strongest pairs has the numbers."
  );
}
