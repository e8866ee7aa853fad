// @ts-check
// How a selection is written in links and in messages to the server, and read from them (ui/state/inspect.py).

/** @import { Region, Selection, Side } from "./store.js" */

/**
 * @typedef {object} Defaults what a link leaves out
 * @property {number} threshold
 * @property {string} contrast
 * @property {string} palette
 */

/**
 * Return the selection as the parameters of a link. Layer and head are always written.
 * @param {Selection} selection
 * @param {Defaults} defaults
 */
export function formatSelection(selection, defaults) {
  const { layer, head, first, region, threshold, palette, contrast, truth } = selection;
  const other = first === "query" ? "key" : "query";
  /** @type {[string, unknown, unknown][]} name, value, default */
  const written = [
    ["layer", layer, undefined],
    ["head", head, undefined],
    ["threshold", threshold, defaults.threshold],
    ["palette", palette, defaults.palette],
    ["contrast", contrast, defaults.contrast],
    ["token", selection[first] === null ? "" : `${first}:${selection[first]}`, ""],
    ["partner", selection[first] === null || selection[other] === null ? "" : `${other}:${selection[other]}`, ""],
    ["region", region ? writeRegion(region) : "", ""],
    ["truth", truth ? "True" : "False", "True"],
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
    contrast: read.contrast ?? defaults.contrast,
    truth: read.truth !== "False",
  };
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
