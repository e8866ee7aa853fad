// @ts-check
// What a row of the strip shows and says: the weights of the chosen token's row or column. No drawing.

import { fill } from "../core/text.js";
import { colourNumber } from "./scales.js";

/** @import { Scene } from "./index.js" */
/** @import { Focus, Side } from "./store.js" */
/** @import { Tile } from "./trace.js" */

/**
 * @typedef {object} Shown what a row of the strip shows
 * @property {Side | null} from the side of the chosen token whose weights are shown; null if the row shows none
 * @property {(position: number) => number | undefined} weight of a token; undefined if it is not known
 */

const NOTHING_CHOSEN = "No word is chosen.";
const READER = "The decoder reads:";
// What a dimmed token keeps of the colour of its weight.
const DIMMED_SHARE = 0.34;
const DECODER = "The row of a token is what the model reads there to predict the next token.";

/**
 * Return what a row shows: the tokens that the chosen query attends to, or those that the chosen key is attended to by.
 * @param {Side} side of the row's tokens; with one row for both sides, it shows what the chosen query attends to first
 * @param {boolean} alone whether the row has both sides
 * @param {Focus} focus
 * @param {Tile | null} tile
 * @returns {Shown}
 */
export function weightsOf(side, alone, focus, tile) {
  const other = side === "query" ? "key" : "query";
  const from = alone ? (focus.query !== null ? "query" : focus.key !== null ? "key" : null) : other;
  const chosen = from && focus[from];
  if (!from || chosen === null) return { from: null, weight: () => undefined };
  if (!tile) return { from, weight: () => undefined };
  const [firstQuery, , firstKey] = tile.region;
  const [rows, columns] = tile.shape;
  /** @param {number} query @param {number} key */
  const at = (query, key) =>
    query < 0 || key < 0 || query >= rows || key >= columns ? undefined : tile.cells[query * columns + key];
  const weight = (/** @type {number} */ position) =>
    from === "query" ? at(chosen - firstQuery, position - firstKey) : at(position - firstQuery, chosen - firstKey);
  return { from, weight };
}

/**
 * Return what stands before a row, and what is said of it when the pointer rests there.
 * @param {Side} side
 * @param {Shown} shown
 * @param {Scene} scene
 * @returns {{ label: string, title: string }}
 */
export function labelOfRow(side, { from }, { trace, focus }) {
  const title = trace.header.kind === "decoder" ? DECODER : "";
  const { verbs } = trace.header.style.words;
  if (!from && !trace.header.keys) return { label: NOTHING_CHOSEN, title };
  if (!from) return { label: side === "query" ? READER : fill("It {verb}:", { verb: verbs.query }), title };
  const position = /** @type {number} */ (focus[from]);
  const [text] = (from === "query" ? trace.queries : trace.keys)[position];
  return { label: fill("'{text}' {verb}:", { text, verb: verbs[from] }), title };
}

/**
 * Return a weight in words, "" if it is not known.
 * @param {number | undefined} weight -1 where masked
 * @param {{ digits: number, words: { bad: string } }} style
 */
export function describeWeight(weight, { digits, words }) {
  if (weight === undefined) return "";
  if (Number.isNaN(weight)) return words.bad;
  return weight === -1 ? "masked" : weight.toFixed(digits);
}

/**
 * Return the colours of a token's ground and of its text, black or white, whichever is easier to read there.
 * @param {number} weight
 * @param {import("./scales.js").ScaleStyle & { masked: number }} style
 * @param {Uint8Array} colours
 * @param {string} bad the colour of what is not a number
 * @param {string | null} [page] the ground of the page, into which the weight of a dimmed token fades
 * @returns {[ground: string, text: string]}
 */
export function coloursOfWeight(weight, style, colours, bad, page = null) {
  const number = weight === -1 ? style.masked : colourNumber(weight, style);
  const parts = (/** @type {string} */ colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  const own = Number.isNaN(weight) ? parts(bad) : [...colours.subarray(3 * number, 3 * number + 3)];
  const faded = page && parts(page);
  const rgb = faded ? own.map((part, at) => Math.round(faded[at] + DIMMED_SHARE * (part - faded[at]))) : own;
  return [`rgb(${rgb.join(", ")})`, luminance(rgb) > 0.179 ? "#000000" : "#ffffff"];
}

/**
 * Return the relative luminance of a colour, 0 to 1 (WCAG 2). Black and white are equally readable at 0.179.
 * @param {number[]} rgb 0 to 255
 */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
