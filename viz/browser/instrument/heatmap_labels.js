// @ts-check
// The labels of the heatmap: tokens beside their rows and below their columns, and the titles of both sides.

import { isStruck } from "./changes.js";
import { LABEL_GAP, middleOf, SIDE_TITLE } from "./heatmap_layout.js";
import { roleColour, roleRuns } from "./roles.js";
import { DIMMED, HIDDEN } from "./shown.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */
/** @import { Label, Trace } from "./trace.js" */

// Opacities: text that is not the main thing, that of hidden tokens, and the ground of a hovered and of a locked token.
export const QUIET_TEXT = 0.68;
const HIDDEN_TEXT = 0.6;
export const HOVERED_GROUND = 0.16;
const LOCKED_GROUND = 0.32;
// A line below the text, which is what the model itself wrote.
const GENERATED_LINE = 1.5;
// The width of the band of roles, in the gap between labels and cells.
const ROLE_BAND = 3;
// A single character stands upright below its column: a bracket or a digit that is turned looks like another one.
const ONE_CHARACTER = /^\P{M}\p{M}*$/u;

/**
 * @param {Trace} trace
 * @param {number} side 0 for queries, 1 for keys
 * @returns {Label[]}
 */
export function labelsOf(trace, side) {
  return side ? trace.keys : trace.queries;
}

/**
 * Return a label as it is written; where a cell is a block of tokens, with its position.
 * @param {Label} label
 * @param {number} position
 * @param {number} block
 */
export function labelText([text], position, block) {
  return block > 1 ? `${text} (${position})` : text;
}

/**
 * Return whether the label of a key is turned, so that it is read from below.
 * @param {Pick<HeatmapPlace, "upright" | "pitch" | "font">} place
 * @param {string} text
 */
export function isTurned({ upright, pitch, font }, text) {
  return !upright && !(ONE_CHARACTER.test(text) && pitch[1] > font);
}

/**
 * Draw the labels and the titles of both sides.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {HeatmapPlace} place
 */
export function drawLabels(context, scene, place) {
  const { theme } = scene;
  context.clearRect(0, 0, place.wide, place.high);
  context.fillStyle = theme.text;
  for (const side of [0, 1]) {
    for (let number = 0; number < place.counts[side]; number += place.every[side]) {
      drawLabel(context, scene, place, side, place.region[2 * side] + number, "");
    }
  }
  drawRoles(context, scene, place);
  context.globalAlpha = QUIET_TEXT;
  context.font = `12px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const low = place.high - SIDE_TITLE / 2;
  const { axes } = scene.trace.header.style;
  const half = context.measureText(axes.key).width / 2;
  context.fillText(axes.key, Math.min(place.left + place.width / 2, place.wide - half), low);
  context.translate(
    SIDE_TITLE / 2 - 1,
    Math.max(place.top + place.height / 2, context.measureText(axes.query).width / 2),
  );
  context.rotate(-Math.PI / 2);
  context.fillText(axes.query, 0, 0);
  context.globalAlpha = 1;
}

/**
 * Draw a band between the labels and the cells, in the colour of each token's role.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {HeatmapPlace} place
 */
function drawRoles(context, { dark, theme, trace }, { region, pitch, left, top, width, height }) {
  for (const side of [0, 1]) {
    const [low, high] = [region[2 * side], region[2 * side + 1] + 1];
    for (const [first, end, role] of roleRuns(labelsOf(trace, side))) {
      const from = (Math.max(first, low) - low) * pitch[side];
      const long = (Math.min(end, high) - low) * pitch[side] - from;
      if (long <= 0) continue;
      context.fillStyle = roleColour(role, trace.header.style, dark);
      if (side) context.fillRect(left + from, top + height + 1, Math.min(long, width - from), ROLE_BAND);
      else context.fillRect(left - 1 - ROLE_BAND, top + from, ROLE_BAND, Math.min(long, height - from));
    }
  }
  context.fillStyle = theme.text;
}

/**
 * Draw one label. With a ground it stands over its neighbours.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {HeatmapPlace} place
 * @param {number} side
 * @param {number} position
 * @param {"" | "hovered" | "locked"} ground
 */
export function drawLabel(context, { theme, trace, shade }, place, side, position, ground) {
  const level = (side ? shade.key : shade.query)[position];
  const label = labelsOf(trace, side)[position];
  const { font, left, top, height, under } = place;
  const middle = middleOf(place, side, position);
  context.save();
  const slant = label[2] ? "italic " : "";
  context.font = `${slant}${font}px ${theme.font}`;
  context.textBaseline = "middle";
  const room = side ? under - LABEL_GAP : left - SIDE_TITLE - LABEL_GAP;
  const wanted = labelText(label, position, place.block[side]);
  const turned = side === 1 && isTurned(place, wanted);
  const text = side && !turned ? wanted : cutToWidth(context, wanted, room);
  const plain = context.measureText(text).width;
  context.font = `${slant}${ground ? "600 " : ""}${font}px ${theme.font}`;
  // The bold text takes at most the room, and covers all of the plain one.
  const bold = Math.max(context.measureText(text).width, plain);
  const width = side && !turned ? bold : Math.min(bold, Math.max(room, plain));
  if (side) {
    context.translate(middle, top + height + LABEL_GAP / 2);
    if (turned) context.rotate(-Math.PI / 2);
    else context.translate(0, font / 2);
  } else context.translate(left - LABEL_GAP, middle);
  context.textAlign = side && !turned ? "center" : "right";
  if (ground) {
    const from = side && !turned ? -width / 2 : -width;
    const box = /** @type {const} */ ([from - 3, -font / 2 - 2, width + 6, font + 4]);
    context.fillStyle = theme.background;
    context.fillRect(...box);
    context.globalAlpha = ground === "locked" ? LOCKED_GROUND : HOVERED_GROUND;
    context.fillStyle = theme.accent;
    context.fillRect(...box);
  }
  const quiet = (label[1] || level === DIMMED) && !ground;
  context.globalAlpha = level === HIDDEN ? HIDDEN_TEXT : quiet ? QUIET_TEXT : 1;
  context.fillStyle = theme.text;
  context.fillText(text, 0, 0, width);
  const start = side && !turned ? -width / 2 : -width;
  if (level === HIDDEN || isStruck(trace, side, position)) context.fillRect(start, -0.5, width, 1);
  context.fillStyle = theme.accent;
  if (label[2]) context.fillRect(start, font / 2, width, GENERATED_LINE);
  context.restore();
}

/**
 * Return a text, or its beginning and "…" where it is wider than the room.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room
 */
function cutToWidth(context, text, room) {
  if (context.measureText(text).width <= room + 1) return text;
  const characters = [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
  while (characters.length > 1 && context.measureText(`${characters.join("")}…`).width > room) characters.pop();
  return `${characters.join("")}…`;
}
