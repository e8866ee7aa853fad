// @ts-check
// Where the rows and lines of a token graph are, and which token a pointer or an arrow key reaches. No drawing.

import { clamp } from "../core/text.js";

/** @typedef {{ side: number, row: number }} Token a row of the left side (queries) or of the right side (keys) */

/**
 * @typedef {object} Lines one entry for each line, weakest first; `given` and `received` one for each row of a side
 * @property {Uint16Array} query row of the query
 * @property {Uint16Array} key row of the key
 * @property {Float32Array} weight
 * @property {Float32Array} given what a query gives to all keys
 * @property {Float32Array} received what a key gets from the queries of the picture
 * @property {Uint8Array} [head] number of the head of a line, where they are those of several heads
 */

export const LEFT = 0;
export const RIGHT = 1;
// Pixels above the first row, for the names of the sides.
export const TOP = 22;
// Share of the width between the columns in which a pointer still reaches a token.
const REACH = 0.12;
// Pixels from a line at which a pointer still reaches it.
const NEAR = 4;
// Pixels of a row, for at most so many rows.
const ROW_HEIGHTS = [
  [16, 22],
  [64, 20],
  [Number.POSITIVE_INFINITY, 16],
];

/** @param {number} rows */
export function rowHeightFor(rows) {
  return /** @type {number[]} */ (ROW_HEIGHTS.find(([most]) => rows <= most))[1];
}

/**
 * Return the lines of every row of both sides, strongest first.
 * @param {Lines} lines
 * @param {[number, number]} counts rows of each side
 * @returns {number[][][]}
 */
export function linesByToken(lines, counts) {
  const found = counts.map((count) => Array.from({ length: count }, () => /** @type {number[]} */ ([])));
  for (let line = lines.weight.length - 1; line >= 0; line--) {
    found[LEFT][lines.query[line]].push(line);
    found[RIGHT][lines.key[line]].push(line);
  }
  return found;
}

/**
 * Return the x of the left and the right ends of the lines: the tokens take their widest, but not all of the width.
 * @param {[number, number]} widest pixels of the widest token of each side
 * @param {number} width
 */
export function columnsOf(widest, width) {
  const [left, right] = widest.map((pixels) => Math.min(Math.max(30, pixels) + 18, width * 0.34));
  return { left, right: width - right };
}

/**
 * Return the token at a point of the picture, null between the columns and below the last row.
 * @param {number} x
 * @param {number} y
 * @param {{ left: number, right: number, rowHeight: number, counts: [number, number] }} layout
 * @returns {Token | null}
 */
export function tokenAt(x, y, { left, right, rowHeight, counts }) {
  const row = Math.floor((y - TOP) / rowHeight);
  const reach = (right - left) * REACH;
  if (x >= left + reach && x <= right - reach) return null;
  const side = x < left + reach ? LEFT : RIGHT;
  return row >= 0 && row < counts[side] ? { side, row } : null;
}

/**
 * Return the line nearest to a point, null if none is near. Of equally near ones, the strongest is above the others.
 * @param {number} x
 * @param {number} y
 * @param {{ left: number, right: number, y: (row: number) => number, shift?: (head: number) => number }} place
 *   `shift` is how far down the lines of a head are drawn
 * @param {Lines} lines
 * @param {number[] | null} chosen the lines that are drawn, null for all
 * @returns {number | null}
 */
export function lineAt(x, y, place, lines, chosen) {
  const width = place.right - place.left;
  const across = (x - place.left) / width;
  if (across <= 0 || across >= 1) return null;
  const { height, slope } = curveAt(across);
  let [found, nearest] = [/** @type {number | null} */ (null), NEAR];
  for (let number = (chosen ?? lines.weight).length - 1; number >= 0; number--) {
    const line = chosen ? chosen[number] : number;
    const shift = lines.head && place.shift ? place.shift(lines.head[line]) : 0;
    const from = place.y(lines.query[line]) + shift;
    const rise = place.y(lines.key[line]) + shift - from;
    const distance = Math.abs(y - from - rise * height) / Math.hypot(1, (rise * slope) / width);
    if (distance < nearest) [found, nearest] = [line, distance];
  }
  return found;
}

/**
 * Return how far a line has risen at a share of its way across, and its slope there, both as shares of the whole. It is
 * the Bezier curve that is flat at both ends and whose inner points are in the middle.
 * @param {number} across 0 to 1
 */
function curveAt(across) {
  let [low, high] = [0, 1];
  for (let halving = 0; halving < 20; halving++) {
    const t = (low + high) / 2;
    if (1.5 * t * (1 - t) + t ** 3 < across) low = t;
    else high = t;
  }
  return { height: low * low * (3 - 2 * low), slope: (2 * low * (1 - low)) / (0.5 - low + low * low) };
}

/**
 * Return the token that an arrow key moves to, null for other keys.
 * @param {string} key
 * @param {Token | null} from
 * @param {[number, number]} counts rows of each side
 * @returns {Token | null}
 */
export function tokenAfter(key, from, counts) {
  const now = from ?? { side: LEFT, row: -1 };
  const step = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
  if (step) return { side: now.side, row: clamp(now.row + step, 0, counts[now.side] - 1) };
  if (key !== "ArrowLeft" && key !== "ArrowRight") return null;
  const side = key === "ArrowLeft" ? LEFT : RIGHT;
  return { side, row: clamp(now.row, 0, counts[side] - 1) };
}

/**
 * Return how far a list is scrolled once a row is in view.
 * @param {number} row
 * @param {number} rowHeight
 * @param {{ scrollTop: number, clientHeight: number }} list
 */
export function scrollTo(row, rowHeight, { scrollTop, clientHeight }) {
  const top = TOP + row * rowHeight;
  return Math.max(Math.min(scrollTop, top), top + rowHeight - clientHeight);
}

/**
 * Return the ends of the visible lines in bundles of about equal weight: y of the query, y of the key, and so on. The
 * last bundle has the lines whose weight is not a number.
 * @param {Lines} lines
 * @param {number[] | null} chosen the lines to bundle, null for all
 * @param {number} strengths
 * @param {(row: number) => number} y
 * @param {number} height
 * @param {number} [top] weight of the strongest lines
 */
export function bundle(lines, chosen, strengths, y, height, top = 1) {
  const { query, key, weight } = lines;
  const bundles = Array.from({ length: strengths + 1 }, () => /** @type {number[]} */ ([]));
  const count = chosen ? chosen.length : weight.length;
  for (let number = 0; number < count; number++) {
    const line = chosen ? chosen[number] : number;
    const from = y(query[line]);
    const to = y(key[line]);
    if (Math.max(from, to) < 0 || Math.min(from, to) > height) continue;
    const level = Math.min(strengths - 1, Math.floor((weight[line] / top) * strengths));
    bundles[Number.isNaN(weight[line]) ? strengths : level].push(from, to);
  }
  return bundles;
}
