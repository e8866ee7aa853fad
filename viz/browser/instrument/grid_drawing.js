// @ts-check
// The heads of the grid on a canvas: maps, frames, scores, numbers and the colour scale.

import { percent } from "../core/text.js";
import { boxOf, MARGIN_LEFT, MARGIN_TOP, sameHead, scoreOf } from "./grid_layout.js";

/** @import { Head } from "../core/globals.js" */
/** @import { Theme } from "../core/theme.js" */
/** @import { Arrays, Box, Header, Layout } from "./grid_layout.js" */

/**
 * @typedef {object} Scene
 * @property {CanvasRenderingContext2D} context
 * @property {Theme} theme
 * @property {Layout} layout
 * @property {Header} header
 * @property {Arrays} arrays
 * @property {HTMLCanvasElement} sheet all maps at their own resolution
 * @property {Head | null} selected
 * @property {Head | null} hovered
 */

export const SCALE_HEIGHT = 26;
// Pixels between two head numbers, and the width of a map beside whose score there is room for a number.
const NUMBER_WIDTH = 22;
const WIDE_MAP = 64;

/** @param {Scene} scene */
export function drawGrid(scene) {
  const { context, theme, layout, header, selected } = scene;
  const [layers, heads] = header.shape;
  context.font = `12px ${theme.font}`;
  context.textBaseline = "middle";
  context.imageSmoothingEnabled = false;
  for (let layer = 0; layer < layers; layer++) {
    const middle = MARGIN_TOP + (layer + 0.5) * layout.pitchY;
    write(scene, String(layer), MARGIN_LEFT - 8, middle, "right", selected?.[0] === layer);
    for (let head = 0; head < header.heads[layer]; head++) drawHead(scene, [layer, head]);
  }
  const every = Math.ceil(NUMBER_WIDTH / layout.pitch);
  for (let head = 0; head < heads; head += every) {
    const x = MARGIN_LEFT + (head + 0.5) * layout.pitch;
    write(scene, String(head), x, MARGIN_TOP / 2, "center", selected?.[1] === head);
  }
  drawAxes(scene);
  drawScale(scene);
}

/**
 * @param {Scene} scene
 * @param {Head} place
 */
function drawHead(scene, place) {
  const { context, theme, layout, header, arrays, sheet } = scene;
  const [, heads, rows, columns] = header.shape;
  const [layer, head] = place;
  const box = boxOf(layout, place);
  if (layer < header.done) {
    context.drawImage(sheet, head * columns, layer * rows, columns, rows, ...box);
  } else {
    // Not computed yet: unlike any weight.
    context.fillStyle = theme.panel;
    context.fillRect(...box);
  }
  const score = scoreOf(header, place);
  if (score !== null) drawScore(scene, box, score);
  const broken = arrays.broken[layer * heads + head];
  frame(context, box, broken ? header.bad : theme.faded, broken ? 2 : 0.5);
  if (sameHead(scene.selected, place)) frame(context, box, header.outline, 3);
  else if (sameHead(scene.hovered, place)) frame(context, box, theme.text, 2);
}

/**
 * Draw a head's truth score below its map: a bar, and the number where there is room.
 * @param {Scene} scene
 * @param {Box} box
 * @param {number} score
 */
function drawScore({ context, theme, layout, header }, [x, y, width, height], score) {
  const top = y + height + 3;
  const room = layout.pitch > WIDE_MAP ? 30 : 0;
  context.fillStyle = theme.panel;
  context.fillRect(x, top + 3, width - room, 5);
  context.fillStyle = header.truth;
  context.fillRect(x, top + 3, (width - room) * score, 5);
  if (!room) return;
  context.font = `10px ${theme.font}`;
  context.fillStyle = theme.text;
  context.textAlign = "right";
  context.fillText(percent(score), x + width, top + 6);
  context.font = `12px ${theme.font}`;
}

/**
 * Name what the numbers count: heads across, layers down.
 * @param {Scene} scene
 */
function drawAxes(scene) {
  const { context, layout } = scene;
  write(scene, "head", MARGIN_LEFT - 4, MARGIN_TOP / 2, "right");
  context.save();
  context.translate(10, (MARGIN_TOP + layout.bottom) / 2);
  context.rotate(-Math.PI / 2);
  write(scene, "layer", 0, 0, "center");
  context.restore();
}

/**
 * Draw what the colours mean: those of the weights 0 to 1 between these two numbers, and the name of the contrast.
 * @param {Scene} scene
 */
function drawScale(scene) {
  const { context, theme, layout, header, arrays } = scene;
  const left = MARGIN_LEFT + 12;
  const long = 90;
  const middle = layout.bottom + SCALE_HEIGHT / 2 + 2;
  for (let x = 0; x < long; x++) {
    const colour = 3 * Math.round((x / (long - 1)) * header.style.strongest);
    context.fillStyle = `rgb(${arrays.colours.slice(colour, colour + 3).join(", ")})`;
    context.fillRect(left + x, middle - 5, 1, 10);
  }
  frame(context, [left, middle - 5, long, 10], theme.faded, 0.5);
  context.font = `12px ${theme.font}`;
  write(scene, "0", left - 5, middle, "right");
  write(scene, `1  ${header.scale}`, left + long + 5, middle, "left");
}

/**
 * @param {Scene} scene
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {CanvasTextAlign} align
 * @param {boolean} [strong]
 */
function write({ context, theme, header }, text, x, y, align, strong) {
  context.fillStyle = strong ? header.outline : theme.faded;
  context.textAlign = align;
  context.fillText(text, x, y);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {string} colour
 * @param {number} thickness
 */
function frame(context, [x, y, width, height], colour, thickness) {
  context.strokeStyle = colour;
  context.lineWidth = thickness;
  context.strokeRect(x - thickness / 2, y - thickness / 2, width + thickness, height + thickness);
}
