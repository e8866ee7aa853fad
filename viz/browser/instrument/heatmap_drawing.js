// @ts-check
// The marks over the heatmap's cells: borders, cuts between texts, right answers, and what all parts emphasise.

import { drawLabel, HOVERED_GROUND, QUIET_TEXT } from "./heatmap_labels.js";
import { isInRegion, middleOf } from "./heatmap_layout.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */

/**
 * @typedef {object} Marks what stands over the cells
 * @property {Scene} scene
 * @property {HeatmapPlace} place
 * @property {[query: number, key: number] | null} cell the block that the pointer or the arrow keys are on
 * @property {[x: number, y: number][] | null} box two corners of the box that is being drawn
 */

// Opacity of cell borders, and the pitch from which on cells have them.
const CELL_BORDER = 0.1;
const CELL_BORDER_FROM = 9;
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
    drawLabel(context, scene, place, side, position, isLocked ? "locked" : "hovered");
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
