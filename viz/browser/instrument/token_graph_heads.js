// @ts-check
// The lines of several heads on a canvas, one colour and dash per head.

import { headLook } from "./head_look.js";
import { lineLook } from "./token_graph_drawing.js";
import { bundle } from "./token_graph_layout.js";

/** @import { Overlay } from "./graph_overlay.js" */
/** @import { Place } from "./token_graph_drawing.js" */

// Opacity of the lines of other heads while one head stands out.
const OTHER_HEADS = 0.12;
// Lines of one pair lie this many pixels apart, and together within this share of a row.
const APART = 2;
const SHARE_OF_ROW = 0.65;

/**
 * Return how far down the lines of a head are drawn: those of one pair would hide each other.
 * @param {number} number of the head
 * @param {number} count of heads
 * @param {number} rowHeight
 */
export function shiftOfHead(number, count, rowHeight) {
  if (count < 2) return 0;
  const spread = Math.min((count - 1) * APART, rowHeight * SHARE_OF_ROW);
  return (number / (count - 1) - 0.5) * spread;
}

/**
 * Draw the lines of several heads, in bundles of equal strength.
 * @param {Place} place
 * @param {Overlay} overlay
 * @param {{ chosen: number[] | null, emphasised: number, fade: number, dark: boolean }} look `chosen` are the lines to
 *   draw, null for all; `emphasised` is the number of the head that stands out, -1 for none
 */
export function drawHeadLines(place, overlay, { chosen, emphasised, fade, dark }) {
  const { context, height, rowHeight } = place;
  const { header, lines } = overlay.graph;
  const { strengths, top } = header.style;
  const count = overlay.places.length;
  const numbers = overlay.places.map((_, number) => number);
  // The head that stands out is drawn last, above the others.
  if (emphasised >= 0) numbers.push(...numbers.splice(emphasised, 1));
  const own = chosen ? linesByHead(overlay, chosen) : overlay.ofHead;
  for (const number of numbers) {
    const shift = shiftOfHead(number, count, rowHeight);
    const { colour, dash } = headLook(number, header.style, dark);
    const behind = emphasised >= 0 && emphasised !== number ? OTHER_HEADS : fade;
    context.setLineDash(dash);
    bundle(lines, own[number], strengths, (row) => place.y(row) + shift, height, top).forEach((ends, level) => {
      if (!ends.length) return;
      const look = lineLook(level, header.style, header.scale);
      context.globalAlpha = look.opacity * behind;
      context.strokeStyle = level === strengths ? header.bad : colour;
      context.lineWidth = look.width;
      strokeLines(place, ends);
    });
  }
  context.setLineDash([]);
}

/**
 * @param {Place} place
 * @param {number[]} ends y of a query, y of a key, and so on
 */
function strokeLines({ context, left, right }, ends) {
  const middle = (left + right) / 2;
  context.beginPath();
  for (let end = 0; end < ends.length; end += 2) {
    context.moveTo(left, ends[end]);
    context.bezierCurveTo(middle, ends[end], middle, ends[end + 1], right, ends[end + 1]);
  }
  context.stroke();
}

/**
 * @param {Overlay} overlay
 * @param {number[]} chosen lines
 */
function linesByHead({ graph: { lines }, places }, chosen) {
  const own = places.map(() => /** @type {number[]} */ ([]));
  for (const line of chosen) if (lines.head) own[lines.head[line]].push(line);
  return own;
}

/**
 * Draw the lines of the chosen pair above the others: those of each head at or above the threshold, else one dashed line.
 * @param {Place} place
 * @param {Overlay} overlay
 * @param {{ rows: [query: number, key: number], emphasised: number, dark: boolean }} pair
 */
export function drawHeadPair(place, overlay, { rows: [query, key], emphasised, dark }) {
  const { lines, byToken } = overlay.graph;
  const own = byToken[0][query].filter((line) => lines.key[line] === key).reverse();
  if (own.length) {
    drawHeadLines(place, overlay, { chosen: own, emphasised, fade: 1, dark });
    return;
  }
  const { context, theme, y } = place;
  context.globalAlpha = 1;
  context.strokeStyle = theme.accent;
  context.lineWidth = 2;
  context.setLineDash([5, 4]);
  strokeLines(place, [y(query), y(key)]);
  context.setLineDash([]);
}
