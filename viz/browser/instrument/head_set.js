// @ts-check
// Several heads, written `2` (a layer), `2.0,3.5` (layer.head), `all`, or a mixture; as analysis/head_set.py reads them.

import { placeName } from "./head_name.js";

/** @import { Trace } from "./trace.js" */
/** @typedef {[layer: number, head: number]} HeadPlace */

const LARGEST_LAYER = 9999;

/**
 * Return the heads that a text names, in the order of layer, then head. What cannot be read, and heads that there are
 * not, are left out: the server has checked links.
 * @param {string} text
 * @param {number[]} heads heads of each layer
 * @returns {HeadPlace[]}
 */
export function expandHeads(text, heads) {
  const parts = new Set(text.split(","));
  /** @type {HeadPlace[]} */
  const found = [];
  heads.forEach((count, layer) => {
    const isWhole = parts.has("all") || parts.has(String(layer));
    for (let head = 0; head < count; head++) if (isWhole || parts.has(`${layer}.${head}`)) found.push([layer, head]);
  });
  return found;
}

/**
 * Return the shortest text that names some heads; "" for none.
 * @param {HeadPlace[]} chosen
 * @param {number[]} heads heads of each layer
 */
export function writeHeads(chosen, heads) {
  const own = new Set(chosen.map(([layer, head]) => `${layer}.${head}`));
  const layers = heads.map((count, layer) =>
    Array.from({ length: count }, (_, head) => `${layer}.${head}`).filter((each) => own.has(each)),
  );
  if (heads.length && layers.every((each, layer) => each.length === heads[layer])) return "all";
  return layers
    .flatMap((each, layer) => (each.length && each.length === heads[layer] ? [String(layer)] : each))
    .join(",");
}

/**
 * Return the short name of a head, as it is written in links: "2.5".
 * @param {HeadPlace} place
 */
export function chosenName([layer, head]) {
  return `${layer}.${head}`;
}

/**
 * Return the name of a head in sentences: "layer 2, head 5".
 * @param {Pick<Trace, "header">} trace
 * @param {HeadPlace} place
 */
export function headTitle(trace, [layer, head]) {
  return placeName(trace, layer, head).toLowerCase();
}

/**
 * Return whether a text can name heads.
 * @param {string} text
 */
export function canNameHeads(text) {
  return text
    .split(",")
    .every(
      (part) => part === "all" || (/^\d{1,4}(\.\d{1,4})?$/.test(part) && Number.parseInt(part, 10) <= LARGEST_LAYER),
    );
}

/**
 * Return some heads in words, as `HeadSet.describe` of analysis/head_set.py.
 * @param {string} text
 * @param {number[]} heads heads of each layer
 */
export function describeHeadSet(text, heads) {
  if (text === "all") return "all heads";
  if (/^\d+$/.test(text)) return `layer ${text}`;
  const chosen = expandHeads(text, heads);
  if (chosen.length > 4) return `${chosen.length} heads`;
  const names = chosen.map(([layer, head]) => `${layer}.${head}`);
  if (names.length < 2) return `head ${names.join("")}`;
  return `heads ${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}
