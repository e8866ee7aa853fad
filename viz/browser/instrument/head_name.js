// @ts-check
// What a title calls a head: a file may hold some of the model's heads, which keep the model's numbers.

import { fill } from "../core/text.js";
import { changeOfHead } from "./changes.js";

/** @import { Trace } from "./trace.js" */

/**
 * Return the name of a head: "Layer 2, head 5" or "Rollout down from layer 2", with the numbers of its model.
 * @param {Pick<Trace, "header">} trace
 * @param {number} layer
 * @param {number} head
 */
export function headName({ header }, layer, head) {
  return withChange(fill(header.style.head, numbersOf(header, layer, head)), header, layer, head);
}

/**
 * Return what a list calls a head, without the method by which its map was made.
 * @param {Pick<Trace, "header">} trace
 * @param {number} layer
 * @param {number} head
 */
export function placeName({ header }, layer, head) {
  return withChange(fill(header.style.place, numbersOf(header, layer, head)), header, layer, head);
}

/**
 * @param {string} name
 * @param {Trace["header"]} header
 * @param {number} layer
 * @param {number} head
 */
function withChange(name, header, layer, head) {
  const change = changeOfHead({ header }, layer, head);
  return change ? `${name} (${change})` : name;
}

/**
 * Return what a map of a trace is called, and several of them: a head, or a layer where each has one map.
 * @param {Pick<Trace, "header">} trace
 * @returns {[one: string, several: string]}
 */
export function placeNoun({ header }) {
  return header.style.places === "Layers" ? ["layer", "layers"] : ["head", "heads"];
}

/**
 * @param {Trace["header"]} header
 * @param {number} layer
 * @param {number} head
 */
function numbersOf(header, layer, head) {
  const [ofModel, inLayer] = header.numbers?.[layer]?.[head] ?? [layer, head];
  return { layer: ofModel, head: inLayer };
}
