// @ts-check
// What follows the selection, the focus and the pointer, drawn over the painted heads.

import { headName } from "./head_name.js";
import { drawChosen, drawCorner, drawGroups } from "./heads_chosen.js";
import { aspectOf, frameBox, paintThumbnail, writeBeside } from "./heads_drawing.js";
import {
  boxOfHead,
  CAPTION_HEIGHT,
  cellsOfFocus,
  enlargedBox,
  HEADS_LEFT,
  HEADS_TOP,
  sameHead,
} from "./heads_layout.js";
import { listHeads } from "./ranking_numbers.js";

/** @import { HeadsPicture } from "./heads_drawing.js" */
/** @import { Box, HeadPlace, Target } from "./heads_layout.js" */

// Pixels between two numbers of heads and of layers.
const HEAD_NUMBER_WIDTH = 22;
const LAYER_NUMBER_HEIGHT = 13;
// Width of "layer 30".
const LAYER_NAME_WIDTH = 52;
// The smallest row or column of a thumbnail that can be outlined.
const SMALLEST_OUTLINED = 2;

/**
 * Draw what follows the selection, the focus and the pointer.
 * @param {HeadsPicture} picture
 * @param {{ selected: HeadPlace | null, hovered: HeadPlace | null, enlarged: HeadPlace | null, target: Target | null }}
 *   heads `target` is the layer, or the sign of all heads, that the pointer is on
 */
export function drawOverHeads(picture, { selected, hovered, enlarged, target }) {
  const { context, scene, layout } = picture;
  const { trace, theme } = scene;
  context.textBaseline = "middle";
  context.imageSmoothingEnabled = false;
  drawHeadNumbers(picture, selected);
  if (!layout.columns) drawCorner(picture, target);
  drawGroups(picture, selected);
  const isFocused = scene.focus.query !== null || scene.focus.key !== null;
  const known = isFocused && !picture.pair ? listHeads(trace).filter(([layer]) => layer < trace.done) : [];
  for (const place of known) outlineFocus(picture, boxOfHead(layout, place));
  drawChosen(picture);
  if (hovered) frameBox(context, boxOfHead(layout, hovered), theme.text, 2);
  if (selected) frameBox(context, boxOfHead(layout, selected), trace.header.style.selected, layout.gap > 2 ? 3 : 2);
  if (enlarged) drawEnlarged(picture, enlarged, sameHead(enlarged, selected));
}

/**
 * @param {HeadsPicture} picture
 * @param {HeadPlace | null} selected
 */
function drawHeadNumbers({ context, scene: { trace, theme }, layout }, selected) {
  const { style } = trace.header;
  context.font = `12px ${theme.font}`;
  if (layout.columns) {
    for (let layer = 0; layer < trace.nLayers; layer++) {
      const [x, y] = boxOfHead(layout, [layer, 0]);
      const colour = selected?.[0] === layer ? style.selected : theme.text;
      const name = layout.pitch < LAYER_NAME_WIDTH ? String(layer) : `layer ${layer}`;
      writeBeside(context, colour, name, x, y - HEADS_TOP / 2, "left");
    }
    return;
  }
  const everyLayer = Math.ceil(LAYER_NUMBER_HEIGHT / layout.pitchY);
  const everyHead = Math.ceil(HEAD_NUMBER_WIDTH / layout.pitch);
  const isWritten = (
    /** @type {number} */ number,
    /** @type {number} */ every,
    /** @type {number | undefined} */ chosen,
  ) => number === chosen || (number % every === 0 && (chosen === undefined || Math.abs(number - chosen) >= every));
  for (let layer = 0; layer < trace.nLayers; layer++) {
    if (!isWritten(layer, everyLayer, selected?.[0])) continue;
    const colour = selected?.[0] === layer ? style.selected : theme.text;
    writeBeside(context, colour, String(layer), HEADS_LEFT - 6, HEADS_TOP + (layer + 0.5) * layout.pitchY, "right");
  }
  for (let head = 0; head < trace.nHeads; head++) {
    if (!isWritten(head, everyHead, selected?.[1])) continue;
    const colour = selected?.[1] === head ? style.selected : theme.text;
    writeBeside(
      context,
      colour,
      String(head),
      HEADS_LEFT + (head + 0.5) * layout.pitch + (layout.offsets?.[head] ?? 0),
      HEADS_TOP / 2,
      "center",
    );
  }
}

/**
 * Outline the row and the column of the focused tokens, where a cell is one pair and large enough.
 * @param {HeadsPicture} picture
 * @param {Box} box
 */
function outlineFocus({ context, scene: { trace, focus } }, [x, y, width, height]) {
  if (trace.block[0] !== 1 || trace.block[1] !== 1) return;
  const { row, column } = cellsOfFocus(focus, [1, 1]);
  const [wide, high] = [width / trace.keys.length, height / trace.queries.length];
  context.strokeStyle = trace.header.style.selected;
  context.lineWidth = 0.75;
  if (row !== null && high >= SMALLEST_OUTLINED) context.strokeRect(x, y + row * high, width, high);
  if (column !== null && wide >= SMALLEST_OUTLINED) context.strokeRect(x + column * wide, y, wide, height);
}

/**
 * Draw a head's map large over the picture, under its name.
 * @param {HeadsPicture} picture
 * @param {HeadPlace} place
 * @param {boolean} isSelected
 */
function drawEnlarged(picture, place, isSelected) {
  const { context, scene, layout } = picture;
  const { trace, theme } = scene;
  const thumbnail = trace.thumbnail(...place);
  const aspect = aspectOf(trace);
  const [x, y, width, height] = enlargedBox(layout, place, aspect);
  context.fillStyle = theme.background;
  context.fillRect(x - 3, y - 3, width + 6, height + 6);
  frameBox(context, [x - 3, y - 3, width + 6, height + 6], isSelected ? trace.header.style.selected : theme.text, 1.5);
  context.font = `11px ${theme.font}`;
  const [layer, head] = place;
  const name = thumbnail ? headName(trace, layer, head) : "Not computed yet";
  context.fillStyle = theme.text;
  context.textAlign = "left";
  context.fillText(name, x, y + CAPTION_HEIGHT / 2 - 1, width);
  /** @type {Box} */
  const box = [x, y + CAPTION_HEIGHT, width, height - CAPTION_HEIGHT];
  paintThumbnail(picture, place, box);
  if (thumbnail) outlineFocus(picture, box);
}
