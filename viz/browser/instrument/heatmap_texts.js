// @ts-check
// The two texts of a pair as regions: the queries of one text, and the keys of one.

import { isWhole } from "./heatmap_choice.js";

/** @import { Region } from "./store.js" */
/** @typedef {[first: number, last: number][][]} Spans positions of the two texts, on each side */

export const TEXT_CHOICES = ["All", "A to A", "A to B", "B to A", "B to B"];
/** What is chosen while the region is none of these. */
export const OTHER_PART = "Other part";

/**
 * Return the region of a choice, null for the whole head and for what is no choice.
 * @param {string} choice
 * @param {Spans} spans
 * @returns {Region | null}
 */
export function regionOfTexts(choice, spans) {
  const found = /^([AB]) to ([AB])$/.exec(choice);
  if (!found) return null;
  const [from, to] = [found[1], found[2]].map((letter) => Number(letter === "B"));
  return /** @type {Region} */ ([...spans[0][from], ...spans[1][to]]);
}

/**
 * Return the choice whose region is shown.
 * @param {Region | null} region
 * @param {Spans} spans
 * @param {Region} whole
 */
export function textsOfRegion(region, spans, whole) {
  if (!region || isWhole(region, whole)) return TEXT_CHOICES[0];
  return TEXT_CHOICES.find((choice) => regionOfTexts(choice, spans)?.join() === region.join()) ?? OTHER_PART;
}
