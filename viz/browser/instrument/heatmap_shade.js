// @ts-check
// How dimmed and hidden tokens look in the heatmap: their rows and columns, and which cells are masked beside them.

import { DIMMED, HIDDEN } from "./shown.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Shade } from "./shown.js" */

/** @typedef {Pick<HeatmapPlace, "region" | "block" | "pitch" | "counts" | "width" | "height">} ShadedPlace */
/** @typedef {{ first: [query: number, key: number], block: [high: number, wide: number], rows: number, columns: number }} Cells */

// Opacity of the ground over dimmed cells, whose colours can still be told apart.
const DIMMED_GROUND = 0.66;
// The hatch of hidden cells: pixels between two lines, and their opacity.
const HATCH_STEP = 6;
const HATCH_LINE = 0.3;

/**
 * Return which blocks of a side have no token that is shown better: 1 for each such block.
 * @param {Uint8Array} shade of the tokens of the side
 * @param {number} first token
 * @param {number} block tokens of a block
 * @param {number} count of blocks
 * @param {number} level `DIMMED` or `HIDDEN`
 */
export function shadedBlocks(shade, first, block, count, level) {
  return Uint8Array.from({ length: count }, (_, number) => {
    const start = first + number * block;
    const tokens = shade.subarray(start, Math.min(start + block, shade.length));
    return Number(tokens.length > 0 && tokens.every((each) => each >= level));
  });
}

/**
 * Return whether a masked cell belongs to tokens that are not hidden.
 * @template {ArrayLike<number>} Values
 * @param {Values} values of the cells
 * @param {number} masked the value of masked cells
 * @param {Cells} cells
 * @param {Shade} shade
 */
export function hasMasked(values, masked, { first, block, rows, columns }, shade) {
  const hiddenRows = shadedBlocks(shade.query, first[0], block[0], rows, HIDDEN);
  const hiddenColumns = shadedBlocks(shade.key, first[1], block[1], columns, HIDDEN);
  for (let row = 0; row < rows; row++) {
    if (hiddenRows[row]) continue;
    for (let column = 0; column < columns; column++) {
      if (values[row * columns + column] === masked && !hiddenColumns[column]) return true;
    }
  }
  return false;
}

/**
 * Cover the rows and columns of dimmed and hidden tokens: dimmed ones become faint, hidden ones the ground of the page
 * with a hatch, which no weight and no masked cell looks like.
 * @param {CanvasRenderingContext2D} context whose origin is the first cell
 * @param {Theme} theme
 * @param {ShadedPlace} place
 * @param {Shade} shade
 * @returns {{ dimmed: boolean, hidden: boolean }} which of the two looks occur
 */
export function drawShade(context, theme, place, shade) {
  const dimmed = traceShaded(context, place, shade, DIMMED);
  if (dimmed) {
    context.globalAlpha = DIMMED_GROUND;
    context.fillStyle = theme.background;
    context.fill();
    context.globalAlpha = 1;
  }
  const hidden = traceShaded(context, place, shade, HIDDEN);
  if (hidden) {
    context.save();
    context.fillStyle = theme.background;
    context.fill();
    context.clip();
    hatch(context, theme.text, place.width, place.height);
    context.restore();
  }
  return { dimmed, hidden };
}

/**
 * Make the rows and columns of shaded tokens the path of a context. Returns whether there are any.
 * @param {CanvasRenderingContext2D} context
 * @param {ShadedPlace} place
 * @param {Shade} shade
 * @param {number} level exactly this one
 */
function traceShaded(context, { region, block, pitch, counts, width, height }, shade, level) {
  let any = false;
  context.beginPath();
  [shade.query, shade.key].forEach((levels, side) => {
    const first = region[2 * side];
    const size = pitch[side] * block[side];
    const blocks = Math.ceil(counts[side] / block[side]);
    const shaded = shadedBlocks(levels.subarray(0, region[2 * side + 1] + 1), first, block[side], blocks, level);
    const more = shadedBlocks(levels, first, block[side], blocks, level + 1);
    for (let number = 0; number < blocks; number++) {
      if (!shaded[number] || more[number]) continue;
      any = true;
      if (side) context.rect(number * size, 0, Math.min(size, width - number * size), height);
      else context.rect(0, number * size, width, Math.min(size, height - number * size));
    }
  });
  return any;
}

/**
 * Draw fine diagonal lines.
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @param {number} width
 * @param {number} height
 */
export function hatch(context, colour, width, height) {
  context.beginPath();
  for (let start = -height; start < width; start += HATCH_STEP) {
    context.moveTo(start, height);
    context.lineTo(start + height, 0);
  }
  context.globalAlpha = HATCH_LINE;
  context.lineWidth = 1;
  context.strokeStyle = colour;
  context.stroke();
  context.globalAlpha = 1;
}
