// @ts-check
// All heads on a canvas. This is what does not depend on the selection; heads_overlay.js draws the rest over it.

import { contextOf } from "../core/canvas.js";
import { percent } from "../core/text.js";
import { changeOfHead, crossOut } from "./changes.js";
import { boxOfHead, HEADS_LEFT, HEADS_TOP, SCALE_HEIGHT } from "./heads_layout.js";
import { shadedBlocks } from "./heatmap_shade.js";
import { listHeads } from "./ranking_numbers.js";
import { colourNumber, ticksOf, weightAtPlace } from "./scales.js";
import { DIMMED, HIDDEN } from "./shown.js";

/** @import { Box, HeadPlace, HeadsLayout } from "./heads_layout.js" */
/** @import { Scene } from "./index.js" */
/** @import { Shade } from "./shown.js" */
/** @import { Trace } from "./trace.js" */

/**
 * @typedef {object} HeadsPicture
 * @property {CanvasRenderingContext2D} context
 * @property {Scene} scene
 * @property {HeadsLayout} layout
 * @property {HTMLCanvasElement} sheet all thumbnails at their own resolution
 * @property {Float32Array | null} pair the focused pair's weight in every head, which replaces the thumbnails
 * @property {Set<string>} broken heads with a weight that is not a number: "3,1"
 * @property {(number | null)[] | null} scores
 * @property {string} scale what the colours mean
 */

// A cell of a hidden token that a line of the hatch crosses: grey, mostly transparent.
const HATCHED = 0x60808080;
// The width of a thumbnail beside whose score is a number.
const WIDE_THUMBNAIL = 64;
// Widths of a cell that has room for "0.49", and for ".49".
const ROOM_FOR_NUMBER = 27;
const ROOM_FOR_DIGITS = 20;

/**
 * Colour the thumbnails of some layers at their own resolution.
 * @param {HTMLCanvasElement} sheet
 * @param {Trace} trace
 * @param {Uint8Array} colours
 * @param {number} first the first layer to colour
 * @param {Shade} shade
 */
export function colourThumbnails(sheet, trace, colours, first, shade) {
  const context = contextOf(sheet);
  const table = new Uint32Array(256);
  const bytes = new Uint8Array(table.buffer);
  for (let number = 0; number < 256; number++) {
    bytes.set(colours.subarray(3 * number, 3 * number + 3), 4 * number);
    bytes[4 * number + 3] = 255;
  }
  for (let layer = first; layer < trace.done; layer++) {
    for (let head = 0; head < trace.heads[layer]; head++) {
      const thumbnail = trace.thumbnail(layer, head);
      if (!thumbnail) continue;
      const { rows, columns, cells } = thumbnail;
      const image = new ImageData(columns, rows);
      const pixels = new Uint32Array(image.data.buffer);
      for (let cell = 0; cell < cells.length; cell++) pixels[cell] = table[cells[cell]];
      const [high, wide] = trace.block;
      const shaded = (/** @type {number} */ level) =>
        /** @type {[Uint8Array, Uint8Array]} */ ([
          shadedBlocks(shade.query, 0, high, rows, level),
          shadedBlocks(shade.key, 0, wide, columns, level),
        ]);
      fadeCells(pixels, ...shaded(DIMMED), trace.header.style.dimmed);
      hideCells(pixels, ...shaded(HIDDEN));
      context.putImageData(image, head * columns, layer * rows);
    }
  }
}

/**
 * Let the ground of the page show through the cells of dimmed tokens.
 * @param {Uint32Array} pixels red, green, blue and opacity of each cell
 * @param {Uint8Array} rows 1 for each dimmed one
 * @param {Uint8Array} columns
 * @param {number} share of the opacity that is left
 */
export function fadeCells(pixels, rows, columns, share) {
  const opacity = Math.round(255 * share) * 2 ** 24;
  for (let row = 0; row < rows.length; row++) {
    for (let column = 0; column < columns.length; column++) {
      const cell = row * columns.length + column;
      if (rows[row] || columns[column]) pixels[cell] = (pixels[cell] & 0xffffff) + opacity;
    }
  }
}

/**
 * Let the ground of the page show in the cells of hidden tokens, with a trace of the heatmap's hatch.
 * @param {Uint32Array} pixels red, green, blue and opacity of each cell
 * @param {Uint8Array} rows 1 for each hidden one
 * @param {Uint8Array} columns
 */
function hideCells(pixels, rows, columns) {
  for (let row = 0; row < rows.length; row++) {
    for (let column = 0; column < columns.length; column++) {
      if (rows[row] || columns[column]) pixels[row * columns.length + column] = (row + column) % 3 ? 0 : HATCHED;
    }
  }
}

/**
 * Paint what does not depend on the selection: thumbnails or a pair's weights, scores, frames and the colour scale.
 * @param {HeadsPicture} picture
 */
export function paintHeads(picture) {
  const { context, scene, layout } = picture;
  context.textBaseline = "middle";
  context.imageSmoothingEnabled = false;
  for (const place of listHeads(scene.trace)) paintHead(picture, place);
  paintScale(picture);
  paintHeadAxes(picture, layout);
}

/**
 * @param {HeadsPicture} picture
 * @param {HeadPlace} place
 */
function paintHead(picture, place) {
  const { context, scene, layout, pair, scores } = picture;
  const { trace, theme } = scene;
  const box = boxOfHead(layout, place);
  const number = place[0] * trace.nHeads + place[1];
  if (pair) paintPairCell(picture, box, pair[number]);
  else paintThumbnail(picture, place, box);
  if (changeOfHead(trace, ...place)) crossOut(context, box, theme);
  const score = scores?.[number] ?? null;
  if (score !== null) paintScore(picture, box, score);
  const isBroken = picture.broken.has(String(place));
  frameBox(context, box, isBroken ? trace.header.defaults.bad : theme.faded, isBroken ? Math.min(2, layout.gap) : 0.5);
}

/**
 * @param {Pick<HeadsPicture, "context" | "scene" | "sheet">} picture
 * @param {HeadPlace} place
 * @param {Box} box
 */
export function paintThumbnail({ context, scene: { trace, theme }, sheet }, [layer, head], box) {
  const thumbnail = trace.thumbnail(layer, head);
  if (thumbnail) {
    const { rows, columns } = thumbnail;
    context.drawImage(sheet, head * columns, layer * rows, columns, rows, ...box);
    return;
  }
  // Not computed yet: unlike any weight.
  context.fillStyle = theme.panel;
  context.fillRect(...box);
}

/**
 * Paint a pair's weight in a head, as a number too where there is room.
 * @param {HeadsPicture} picture
 * @param {Box} box
 * @param {number} weight
 */
function paintPairCell({ context, scene }, box, weight) {
  const { header } = scene.trace;
  const [x, y, width, height] = box;
  const number = weight === -1 ? header.style.masked : colourNumber(weight, header.style);
  const rgb = Array.from(scene.colours.subarray(3 * number, 3 * number + 3));
  context.fillStyle = Number.isNaN(weight) ? header.defaults.bad : `rgb(${rgb.join(", ")})`;
  context.fillRect(...box);
  if (weight === -1 || Number.isNaN(weight) || width < ROOM_FOR_DIGITS || height < 10) return;
  const text = width < ROOM_FOR_NUMBER && weight < 0.995 ? weight.toFixed(2).slice(1) : weight.toFixed(2);
  const size = Math.round(Math.max(10, Math.min(14, width / 3)));
  context.font = `${size}px ${scene.theme.font}`;
  // Luminance weights of red, green and blue: dark letters where black has more contrast than white.
  context.fillStyle = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#10141c" : "#ffffff";
  context.textAlign = "center";
  context.fillText(text, x + width / 2, y + height / 2 + 1);
}

/**
 * Paint a head's truth score below its thumbnail: a bar, and the number where there is room.
 * @param {HeadsPicture} picture
 * @param {Box} box
 * @param {number} score
 */
function paintScore({ context, scene: { theme, trace }, layout }, [x, y, width, height], score) {
  const bar = layout.below > 10 ? 5 : 3;
  const top = y + height + (layout.below - bar) / 2 + 1;
  const room = layout.pitch > WIDE_THUMBNAIL ? 30 : 0;
  context.fillStyle = theme.panel;
  context.fillRect(x, top, width - room, bar);
  context.fillStyle = trace.header.defaults.truth;
  context.fillRect(x, top, (width - room) * score, bar);
  if (!room) return;
  context.font = `10px ${theme.font}`;
  context.fillStyle = theme.text;
  context.textAlign = "right";
  context.fillText(percent(score), x + width, top + 3);
}

/**
 * Name what the numbers count downwards; the sign in the corner names what they count across.
 * @param {HeadsPicture} picture
 * @param {HeadsLayout} layout
 */
function paintHeadAxes({ context, scene: { theme } }, layout) {
  if (layout.columns) return; // Each layer has its name above its map.
  context.font = `12px ${theme.font}`;
  context.save();
  context.translate(8, (HEADS_TOP + layout.bottom) / 2);
  context.rotate(-Math.PI / 2);
  writeBeside(context, theme.text, "layer", 0, 0, "center");
  context.restore();
}

/**
 * Paint what the colours mean: those of the weights 0 to 1 between these two numbers, and the name of the scale.
 * @param {HeadsPicture} picture
 */
function paintScale({ context, scene: { theme, trace, state, colours }, layout, scale }) {
  const left = HEADS_LEFT + 12;
  const long = 90;
  const middle = layout.bottom + SCALE_HEIGHT / 2 + 2;
  for (let x = 0; x < long; x++) {
    const weight = weightAtPlace(x / (long - 1), state.scale, trace.header.style);
    const colour = 3 * colourNumber(weight, trace.header.style);
    context.fillStyle = `rgb(${colours.slice(colour, colour + 3).join(", ")})`;
    context.fillRect(left + x, middle - 5, 1, 10);
  }
  frameBox(context, [left, middle - 5, long, 10], theme.faded, 0.5);
  context.fillStyle = theme.text;
  for (const { place } of ticksOf(state.scale, trace.header.style))
    context.fillRect(left + Math.round(place * (long - 1)), middle + 5, 1, 3);
  context.font = `12px ${theme.font}`;
  writeBeside(context, theme.text, "0", left - 5, middle, "right");
  const end = Number((trace.header.style.top ?? 1).toPrecision(3));
  writeBeside(context, theme.text, `${end}  ${scale}`, left + long + 5, middle, "left");
}

/**
 * Return the height of a thumbnail by its width: that of the text, within limits.
 * @param {Trace} trace
 */
export function aspectOf(trace) {
  return Math.min(2.5, Math.max(0.4, trace.queries.length / trace.keys.length));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {CanvasTextAlign} align
 */
export function writeBeside(context, colour, text, x, y, align) {
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(text, x, y);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {string} colour
 * @param {number} thickness
 */
export function frameBox(context, [x, y, width, height], colour, thickness) {
  context.strokeStyle = colour;
  context.lineWidth = thickness;
  context.strokeRect(x - thickness / 2, y - thickness / 2, width + thickness, height + thickness);
}
