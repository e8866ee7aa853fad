// @ts-check
// How a selection is written in links and in messages to the server, and read from them (ui/state/inspect.py).

import { canNameHeads } from "./head_set.js";

/** @import { Combine, Region, Selection, Side, Treatment } from "./store.js" */

/** @type {readonly Selection["unit"][]} */
export const UNITS = ["pieces", "words"];
/** @type {readonly Combine[]} */
export const COMBINES = ["overlay", "mean", "maximum"];
/** @type {readonly Treatment[]} */
export const TREATMENTS = ["show", "dim", "hide"];

/**
 * @typedef {object} Defaults what a link leaves out
 * @property {number} threshold
 * @property {string} scale
 * @property {string} palette
 */

/**
 * Return the selection as the parameters of a link. Layer and head are always written.
 * @param {Selection} selection
 * @param {Defaults} defaults
 */
export function formatSelection(selection, defaults) {
  const { layer, head, first, region, threshold, palette, scale, truth, heads } = selection;
  const other = first === "query" ? "key" : "query";
  /** @type {[string, unknown, unknown][]} name, value, default */
  const written = [
    ["layer", layer, undefined],
    ["head", head, undefined],
    ["threshold", threshold, defaults.threshold],
    ["palette", palette, defaults.palette],
    ["scale", scale, defaults.scale],
    ["token", selection[first] === null ? "" : `${first}:${selection[first]}`, ""],
    ["partner", selection[first] === null || selection[other] === null ? "" : `${other}:${selection[other]}`, ""],
    ["region", region ? writeRegion(region) : "", ""],
    ["truth", truth ? "True" : "False", "True"],
    ["unit", selection.unit, "pieces"],
    ["heads", heads, ""],
    ["combine", heads ? selection.combine : "overlay", "overlay"],
    ["special", selection.special, "show"],
    ["sink", selection.sink, "show"],
    ["renormalise", selection.renormalise ? "True" : "False", "False"],
  ];
  const different = written.filter(([, value, usual]) => value !== usual);
  return new URLSearchParams(different.map(([name, value]) => [name, String(value)])).toString();
}

/**
 * Return the selection that the parameters of a link describe. Values that cannot be read are left out: the server has
 * checked them.
 * @param {string} text
 * @param {Defaults} defaults
 * @returns {Selection}
 */
export function parseSelection(text, defaults) {
  const read = Object.fromEntries(new URLSearchParams(text));
  const locked = [read.token, read.partner].map((each) => /^(query|key):(\d{1,7})$/.exec(each ?? ""));
  /** @type {{ query: number | null, key: number | null }} */
  const positions = { query: null, key: null };
  for (const found of locked) if (found) positions[/** @type {Side} */ (found[1])] = Number(found[2]);
  return {
    layer: Number(read.layer) || 0,
    head: Number(read.head) || 0,
    ...positions,
    first: /** @type {Side} */ (locked[0]?.[1] ?? "query"),
    region: readRegion(read.region ?? ""),
    threshold: Number(read.threshold ?? defaults.threshold),
    palette: read.palette ?? defaults.palette,
    scale: read.scale ?? defaults.scale,
    truth: read.truth !== "False",
    unit: oneOf(UNITS, read.unit),
    heads: canNameHeads(read.heads ?? "") ? read.heads : "",
    combine: oneOf(COMBINES, read.combine),
    special: oneOf(TREATMENTS, read.special),
    sink: oneOf(TREATMENTS, read.sink),
    renormalise: read.renormalise === "True",
  };
}

/**
 * Return a value if it is one of those that there are, else the first of them.
 * @template {string} Value
 * @param {readonly Value[]} values
 * @param {string | undefined} value
 */
function oneOf(values, value) {
  return values.find((each) => each === value) ?? values[0];
}

/** @param {Region} region */
export function writeRegion([firstQuery, lastQuery, firstKey, lastKey]) {
  return `${firstQuery}-${lastQuery}:${firstKey}-${lastKey}`;
}

/**
 * @param {string} text
 * @returns {Region | null}
 */
export function readRegion(text) {
  const found = /^(\d{1,7})-(\d{1,7}):(\d{1,7})-(\d{1,7})$/.exec(text);
  return found ? /** @type {Region} */ (found.slice(1).map(Number)) : null;
}
