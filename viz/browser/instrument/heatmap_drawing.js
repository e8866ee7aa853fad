// @ts-check
// The heatmap on two canvases: the labels, which change with the text, and the marks over the cells.

import { isInRegion, LABEL_GAP, middleOf, SIDE_TITLE } from "./heatmap_layout.js";
import { KEY_TITLE, QUERY_TITLE } from "./heatmap_words.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */
/** @import { Label, Trace } from "./trace.js" */

/**
 * @typedef {object} Marks what stands over the cells
 * @property {Scene} scene
 * @property {HeatmapPlace} place
 * @property {[query: number, key: number] | null} cell the block that the pointer or the arrow keys are on
 * @property {[x: number, y: number][] | null} box two corners of the box that is being drawn
 */

// Opacities: text that is not the main thing, cell borders, and the ground of a hovered and of a locked token.
const QUIET_TEXT = 0.68;
const CELL_BORDER = 0.1;
const HOVERED_GROUND = 0.16;
const LOCKED_GROUND = 0.32;
const CELL_BORDER_FROM = 9;
// Characters that are read upright in a column of turned words.
const WIDE_CHARACTER =
  /^\p{Script=Han}$|^\p{Script=Hiragana}$|^\p{Script=Katakana}$|^\p{Script=Hangul}$|^\p{Extended_Pictographic}\p{M}*$/u;

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
 * Draw the labels and the titles of both sides.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {Trace} trace
 * @param {HeatmapPlace} place
 */
export function drawLabels(context, theme, trace, place) {
  context.clearRect(0, 0, place.wide, place.high);
  context.fillStyle = theme.text;
  for (const side of [0, 1]) {
    for (let number = 0; number < place.counts[side]; number += place.every[side]) {
      drawLabel(context, theme, trace, place, side, place.region[2 * side] + number, "");
    }
  }
  context.globalAlpha = QUIET_TEXT;
  context.font = `12px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const low = place.high - SIDE_TITLE / 2;
  const half = context.measureText(KEY_TITLE).width / 2;
  context.fillText(KEY_TITLE, Math.min(place.left + place.width / 2, place.wide - half), low);
  context.translate(
    SIDE_TITLE / 2 - 1,
    Math.max(place.top + place.height / 2, context.measureText(QUERY_TITLE).width / 2),
  );
  context.rotate(-Math.PI / 2);
  context.fillText(QUERY_TITLE, 0, 0);
  context.globalAlpha = 1;
}

/**
 * Draw one label. With a ground it stands over its neighbours.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {Trace} trace
 * @param {HeatmapPlace} place
 * @param {number} side
 * @param {number} position
 * @param {"" | "hovered" | "locked"} ground
 */
function drawLabel(context, theme, trace, place, side, position, ground) {
  const label = labelsOf(trace, side)[position];
  const { font, left, top, height, under, upright } = place;
  const middle = middleOf(place, side, position);
  context.save();
  context.font = `${ground ? "600 " : ""}${font}px ${theme.font}`;
  context.textBaseline = "middle";
  const room = side ? under - LABEL_GAP : left - SIDE_TITLE - LABEL_GAP;
  const wanted = labelText(label, position, place.block[side]);
  const turned = side === 1 && !(upright || (WIDE_CHARACTER.test(wanted) && place.pitch[1] > font));
  const text = side && !turned ? wanted : cutToWidth(context, wanted, room);
  const width = context.measureText(text).width;
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
  context.globalAlpha = label[1] && !ground ? QUIET_TEXT : 1;
  context.fillStyle = theme.text;
  context.fillText(text, 0, 0);
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

/**
 * Draw what stands over the cells: borders, cuts between texts, right answers, and what all parts emphasise.
 * @param {CanvasRenderingContext2D} context
 * @param {Marks} marks
 */
export function drawMarks(context, marks) {
  const { scene, place, box } = marks;
  const { theme, focus, trace } = scene;
  context.clearRect(0, 0, place.wide, place.high);
  context.setLineDash([]);
  drawBorders(context, theme, place);
  drawCuts(context, theme, trace.header.cuts, place);
  drawTruth(context, scene, place);
  [focus.query, focus.key].forEach((position, side) => {
    if (!isInRegion(place, side, position)) return;
    const isLocked = (side ? scene.state.key : scene.state.query) === position;
    drawBand(context, theme, place, side, position);
    drawLabel(context, theme, trace, place, side, position, isLocked ? "locked" : "hovered");
  });
  drawCell(context, marks);
  if (!box) return;
  const [[x0, y0], [x1, y1]] = box;
  context.globalAlpha = HOVERED_GROUND;
  context.fillStyle = theme.accent;
  context.fillRect(x0, y0, x1 - x0, y1 - y0);
  context.globalAlpha = 1;
  outlineCells(context, theme, [x0, y0, x1 - x0, y1 - y0], 1.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {HeatmapPlace} place
 */
function drawBorders(context, theme, { left, top, width, height, counts, pitch }) {
  context.beginPath();
  if (Math.min(...pitch) >= CELL_BORDER_FROM) {
    for (let row = 1; row < counts[0]; row++) {
      context.moveTo(left, top + row * pitch[0]);
      context.lineTo(left + width, top + row * pitch[0]);
    }
    for (let column = 1; column < counts[1]; column++) {
      context.moveTo(left + column * pitch[1], top);
      context.lineTo(left + column * pitch[1], top + height);
    }
  }
  context.lineWidth = 1;
  context.strokeStyle = theme.text;
  context.globalAlpha = CELL_BORDER;
  context.stroke();
  context.globalAlpha = 2.5 * CELL_BORDER;
  context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
  context.globalAlpha = 1;
}

/**
 * Draw the lines between two texts, and before generated text.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {[number[], number[]]} cuts
 * @param {HeatmapPlace} place
 */
function drawCuts(context, theme, cuts, place) {
  const { left, top, width, height, region, pitch } = place;
  context.beginPath();
  cuts.forEach((positions, side) => {
    for (const position of positions) {
      if (position <= region[2 * side] || position > region[2 * side + 1]) continue;
      const at = (side ? left : top) + (position - region[2 * side]) * pitch[side];
      context.moveTo(side ? at : left - 4, side ? top : at);
      context.lineTo(side ? at : left + width, side ? top + height + 4 : at);
    }
  });
  context.strokeStyle = theme.text;
  context.globalAlpha = QUIET_TEXT;
  context.setLineDash([2, 2]);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/**
 * Outline the right answers.
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {HeatmapPlace} place
 */
function drawTruth(context, { trace, state }, place) {
  const { truth, defaults } = trace.header;
  if (!truth || !state.truth || Math.max(...place.block) > 1) return;
  context.beginPath();
  for (const [query, key] of truth) {
    if (!isInRegion(place, 0, query) || !isInRegion(place, 1, key)) continue;
    const [high, wide] = place.pitch;
    const inset = Math.min(1, wide / 6);
    const x = middleOf(place, 1, key) - wide / 2 + inset;
    const y = middleOf(place, 0, query) - high / 2 + inset;
    context.rect(x, y, wide - 2 * inset, high - 2 * inset);
  }
  context.strokeStyle = defaults.truth;
  context.lineWidth = Math.min(2, place.pitch[1] / 3);
  context.stroke();
}

/**
 * Outline the row or the column of a token.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {HeatmapPlace} place
 * @param {number} side
 * @param {number} position
 */
function drawBand(context, theme, place, side, position) {
  const { left, top, width, height, pitch } = place;
  const start = middleOf(place, side, position) - pitch[side] / 2;
  outlineCells(context, theme, side ? [start, top, pitch[1], height] : [left, start, width, pitch[0]], 1.25);
}

/**
 * Outline the focused pair, or the block under the pointer.
 * @param {CanvasRenderingContext2D} context
 * @param {Marks} marks
 */
function drawCell(context, { scene, place, cell }) {
  const { focus, theme } = scene;
  const { left, top, pitch, block, region } = place;
  const pooled = Math.max(...block) > 1;
  const [query, key] = pooled ? (cell ?? [null, null]) : [focus.query, focus.key];
  if (!isInRegion(place, 0, query) || !isInRegion(place, 1, key)) return;
  const [high, wide] = [pitch[0] * block[0], pitch[1] * block[1]];
  const row = Math.floor((query - region[0]) / block[0]);
  const column = Math.floor((key - region[2]) / block[1]);
  outlineCells(context, theme, [left + column * wide, top + row * high, wide, high], 2.5);
}

/**
 * Draw a rectangle's outline that is seen on light and on dark cells.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {[x: number, y: number, width: number, height: number]} box
 * @param {number} thickness
 */
function outlineCells(context, theme, box, thickness) {
  context.globalAlpha = 0.8;
  context.strokeStyle = theme.background;
  context.lineWidth = thickness + 2;
  context.strokeRect(...box);
  context.globalAlpha = 1;
  context.strokeStyle = theme.accent;
  context.lineWidth = thickness;
  context.strokeRect(...box);
}
