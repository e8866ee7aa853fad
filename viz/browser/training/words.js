// @ts-check
// What the picture of a training says: about a frame, about a cell, and in its table.

import { fill, percent } from "../core/text.js";
import { indexOf } from "./frames.js";

/** @import { Frame, Shape } from "./frames.js" */

/** @typedef {[text: string, special: boolean]} Name special names are those that the model's reader added */

/**
 * @typedef {object} Scene what stays the same from frame to frame (viz/wire/training.py)
 * @property {string} key name of the training
 * @property {string} title
 * @property {number} steps
 * @property {"maps" | "signal" | "picture"} form
 * @property {Name[]} queries
 * @property {Name[]} keys
 * @property {[query: number, key: number][]} truth the right cells
 * @property {number} solves a head with this truth score solves the task
 * @property {number | null} chance truth score of a head that looks anywhere
 * @property {number} darkest weight of the darkest colour
 * @property {number} levels a map's number for a weight of 1
 * @property {string} outline colour
 * @property {{ head: string, verb: string }} style described in viz/style.py
 * @property {Uint8Array} light colours of a light page
 * @property {Uint8Array} dark colours of a dark page
 * @property {(number | null)[]} [signal]
 * @property {(number | null)[]} [clean]
 * @property {number[]} [picture]
 * @property {number} [side] pixels of the picture's side
 * @property {Shape} shape of a frame's maps
 * @property {boolean} live whether the training runs
 */

/** @typedef {{ layer: number, head: number, query: number, key: number }} Cell */

/**
 * Return a truth score with two digits, cut off where rounding would lift it over the mark that it misses.
 * @param {number} value
 * @param {number} mark
 */
export function describeScore(value, mark) {
  const rounded = value.toFixed(2);
  return value < mark && Number(rounded) >= mark ? (Math.floor(value * 100) / 100).toFixed(2) : rounded;
}

/** @param {number} number */
export function withCommas(number) {
  return number.toLocaleString("en");
}

/**
 * Return step, loss, accuracy and best head of a frame.
 * @param {Frame} frame
 * @param {Scene} scene
 */
export function describeFrame(frame, { shape: [, heads], steps, solves, style }) {
  const parts = [`Step ${withCommas(frame.step)} of ${withCommas(steps)}`];
  if (Number.isFinite(frame.loss)) parts.push(`loss ${Number(frame.loss.toPrecision(3))}`);
  parts.push(`${percent(frame.accuracy)} of unseen samples right`);
  const best = frame.scores.indexOf(Math.max(...frame.scores));
  if (best >= 0) {
    const name = fill(style.head, { layer: Math.floor(best / heads), head: best % heads });
    const score = describeScore(frame.scores[best], solves);
    parts.push(`best head: ${name[0].toLowerCase()}${name.slice(1)}, truth score ${score}`);
  }
  return parts.join(" · ");
}

/**
 * Return what a row or a column is called.
 * @param {Name[]} names
 * @param {number} place
 * @param {Scene} scene
 */
function called(names, place, { form }) {
  const [text, special] = names[place];
  return special || form === "picture" ? text : `“${text}” (${place})`;
}

/**
 * Return the weight of a cell, and whether it is a right one.
 * @param {Cell} cell
 * @param {Frame} frame
 * @param {Scene} scene
 */
export function describeCell(cell, frame, scene) {
  const { layer, head, query, key } = cell;
  const weight = frame.maps[indexOf(scene.shape, cell)] / scene.levels;
  const right = scene.truth.some(([row, column]) => row === query && column === key);
  const ends = `${called(scene.queries, query, scene)} ${scene.style.verb} ${called(scene.keys, key, scene)}`;
  return `${fill(scene.style.head, { layer, head })}: ${ends} with weight ${weight.toFixed(2)}${right ? ", a right place" : ""}`;
}

/**
 * Return what rows, columns and colours mean.
 * @param {Scene | undefined} scene
 */
export function describeMaps(scene) {
  if (scene && scene.chance !== null) {
    return `Rows look at columns; the bar is the head’s truth score, the tick chance (${scene.chance.toFixed(2)}).`;
  }
  return scene ? `Darkest: weight ${scene.darkest}${scene.darkest < 1 ? " and above" : ""}.` : "";
}

/**
 * Return the table of all heads: its title, its first row, and one row for each layer.
 * @param {Frame} frame
 * @param {Scene} scene
 */
export function tableOf(frame, scene) {
  const [layers, heads] = scene.shape;
  const scored = !Number.isNaN(frame.scores[0]);
  const rows = Array.from({ length: layers }, (_, layer) => [
    `layer ${layer}`,
    ...Array.from({ length: heads }, (_, head) => {
      const number = layer * heads + head;
      return scored ? scoreCell(frame.scores[number], scene.solves) : strongestPatch(frame, scene, number);
    }),
  ]);
  const name = scored ? "Truth score" : "Strongest patch";
  const title = `${name} of every head at step ${withCommas(frame.step)}`;
  return { title, head: ["layer", ...Array.from({ length: heads }, (_, head) => `head ${head}`)], rows };
}

/**
 * @param {number} score
 * @param {number} solves
 */
function scoreCell(score, solves) {
  return describeScore(score, solves) + (score >= solves ? " solves" : "");
}

/**
 * @param {Frame} frame
 * @param {Scene} scene
 * @param {number} number of the head, counted through all layers
 */
function strongestPatch(frame, { shape, keys, levels }, number) {
  const columns = shape[3];
  const weights = frame.maps.subarray(number * columns + 1, (number + 1) * columns);
  const strongest = weights.indexOf(Math.max(...weights));
  return `${keys[strongest + 1][0]}: ${(weights[strongest] / levels).toFixed(2)}`;
}
