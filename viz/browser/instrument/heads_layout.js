// @ts-check
// Where the thumbnails of all heads are. They fit into the first screen, however many there are. No drawing.

import { clamp } from "../core/text.js";

/** @typedef {[layer: number, head: number]} HeadPlace */
/** @typedef {[x: number, y: number, width: number, height: number]} Box */
/** @typedef {{ kind: "head", place: HeadPlace } | { kind: "layer", layer: number } | { kind: "all" }} Target of a click */

/**
 * @typedef {object} HeadsLayout
 * @property {number} pitch distance of two heads across
 * @property {number} pitchY distance of two layers
 * @property {number} gap between two thumbnails
 * @property {number} [columns] layers side by side, where each has one head: a column of them would be small or high
 * @property {number[]} [offsets] how far right each head is moved, where heads that share keys stand together
 * @property {number} below height that a truth score takes below its thumbnail
 * @property {number} bottom lower end of the thumbnails
 * @property {number} wide width of the picture
 * @property {number} high height of the picture
 */

// Room in pixels for the numbers of layers and heads, and for the colour scale.
export const HEADS_LEFT = 40;
export const HEADS_TOP = 18;
export const SCALE_HEIGHT = 26;
/** The sign in the corner that chooses all heads. @type {Box} */
export const CORNER = [2, 1, 36, 16];
// Thumbnails with a smaller pitch are enlarged under the pointer, to this many pixels.
export const SMALL_PITCH = 40;
export const ENLARGED_SIDE = 110;
export const CAPTION_HEIGHT = 18;
const LARGEST_PITCH = 104;
// Height of all thumbnails together: with the rest of the part, 460 pixels.
const MOST_HEIGHT = 416;
const SMALLEST_HEIGHT = 14;
const SCORE_HEIGHT = 15;
const SMALL_SCORE_HEIGHT = 5;
// Room for the number of a layer above its only head.
const LABEL_HEIGHT = 16;
// Width of the colour scale, which is drawn also where heads are few.
const SCALE_WIDTH = 320;
// Room between groups of heads that share keys, as a share of the distance of two heads, and at most these pixels.
const GROUP_GAP = 0.25;
const MOST_GROUP_GAP = 8;

/**
 * Return the distances of the heads in pixels, and the size of the picture.
 * @param {{ layers: number, heads: number, aspect: number, scored: boolean }} trace `aspect` is height by width of a
 *   thumbnail
 * @param {number} width
 * @param {number[]} [groups] key head of each head, where all layers have the same
 * @returns {HeadsLayout}
 */
export function layoutHeads({ layers, heads, aspect, scored }, width, groups = []) {
  if (heads === 1 && layers > 1) return layoutLayers(layers, aspect, scored ? SCORE_HEIGHT : 0, width);
  const before = groups.map(
    (_, head) => groups.slice(0, head + 1).filter((each, at) => at && each !== groups[at - 1]).length,
  );
  const gaps = before[before.length - 1] ?? 0;
  const pitchWith = (/** @type {number} */ below) =>
    Math.max(
      1,
      Math.min(
        LARGEST_PITCH,
        (width - HEADS_LEFT) / (heads + gaps * GROUP_GAP),
        (MOST_HEIGHT / layers - below) / aspect,
      ),
    );
  const isLarge = pitchWith(SCORE_HEIGHT) >= SMALL_PITCH;
  const small = Math.min(SMALL_SCORE_HEIGHT, MOST_HEIGHT / layers / 3);
  const below = !scored ? 0 : isLarge ? SCORE_HEIGHT : small;
  const pitch = pitchWith(below);
  const pitchY = Math.max(pitch * aspect, Math.min(SMALLEST_HEIGHT, MOST_HEIGHT / layers - below)) + below;
  const groupGap = Math.min(MOST_GROUP_GAP, pitch * GROUP_GAP);
  const wide = Math.min(width, Math.max(HEADS_LEFT + pitch * heads + gaps * groupGap, SCALE_WIDTH));
  const bottom = HEADS_TOP + pitchY * layers;
  const gap = pitch > SMALL_PITCH ? 5 : pitch > 18 ? 3 : 1;
  const size = { pitch, pitchY, gap, below, bottom, wide, high: bottom + SCALE_HEIGHT };
  return gaps ? { ...size, offsets: before.map((count) => count * groupGap) } : size;
}

/**
 * Return the layout of layers of one head each, in reading order: the largest thumbnails, in the fewest rows.
 * @param {number} layers
 * @param {number} aspect
 * @param {number} below
 * @param {number} width
 * @returns {HeadsLayout}
 */
function layoutLayers(layers, aspect, below, width) {
  const room = below + LABEL_HEIGHT;
  let [columns, pitch] = [1, 0];
  for (let count = 1; count <= layers; count++) {
    const high = (MOST_HEIGHT / Math.ceil(layers / count) - room) / aspect;
    const found = Math.max(1, Math.min(LARGEST_PITCH, width / count, high));
    if (found >= pitch) [columns, pitch] = [count, found];
  }
  const pitchY = pitch * aspect + room;
  const bottom = HEADS_TOP + pitchY * Math.ceil(layers / columns) - LABEL_HEIGHT;
  const wide = Math.min(width, Math.max(pitch * columns, SCALE_WIDTH));
  const gap = pitch > SMALL_PITCH ? 5 : 1;
  return { columns, pitch, pitchY, gap, below, bottom, wide, high: bottom + SCALE_HEIGHT };
}

/**
 * Return the box of a head's thumbnail.
 * @param {HeadsLayout} layout
 * @param {HeadPlace} place
 * @returns {Box}
 */
export function boxOfHead({ pitch, pitchY, gap, below, columns, offsets }, [layer, head]) {
  if (columns) {
    const [x, y] = [(layer % columns) * pitch, HEADS_TOP + Math.floor(layer / columns) * pitchY];
    return [x + gap / 2, y + gap / 2, Math.max(1, pitch - gap), Math.max(1, pitchY - LABEL_HEIGHT - gap - below)];
  }
  const x = HEADS_LEFT + head * pitch + (offsets?.[head] ?? 0);
  const y = HEADS_TOP + layer * pitchY;
  return [x + gap / 2, y + gap / 2, Math.max(1, pitch - gap), Math.max(1, pitchY - gap - below)];
}

/**
 * Return the head at a point, null beside the heads.
 * @param {Pick<HeadsLayout, "pitch" | "pitchY" | "columns" | "offsets">} layout
 * @param {number[]} heads heads of each layer
 * @param {number} x
 * @param {number} y
 * @returns {HeadPlace | null}
 */
export function headAt({ pitch, pitchY, columns, offsets }, heads, x, y) {
  if (columns) {
    const [column, row] = [Math.floor(x / pitch), Math.floor((y - HEADS_TOP) / pitchY)];
    const layer = row * columns + column;
    return column >= 0 && column < columns && row >= 0 && layer < heads.length ? [layer, 0] : null;
  }
  const across = x - HEADS_LEFT;
  const head = offsets
    ? offsets.findLastIndex((offset, number) => across >= number * pitch + offset)
    : Math.floor(across / pitch);
  const layer = Math.floor((y - HEADS_TOP) / pitchY);
  return layer >= 0 && head >= 0 && head < (heads[layer] ?? 0) ? [layer, head] : null;
}

/**
 * Return what a click at a point chooses: a head, the layer of a number, or all heads by the corner; null for nothing.
 * @param {Pick<HeadsLayout, "pitch" | "pitchY" | "columns" | "offsets">} layout
 * @param {number[]} heads heads of each layer
 * @param {number} x
 * @param {number} y
 * @returns {Target | null}
 */
export function targetAt(layout, heads, x, y) {
  const place = headAt(layout, heads, x, y);
  if (place) return { kind: "head", place };
  if (layout.columns || x < 0 || x >= HEADS_LEFT || y < 0) return null;
  if (y < HEADS_TOP) return { kind: "all" };
  const layer = Math.floor((y - HEADS_TOP) / layout.pitchY);
  return layer < heads.length ? { kind: "layer", layer } : null;
}

/** @type {Record<string, [number, number]>} */
const HEAD_STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * Return the head that an arrow key moves to, null for other keys. Of layers with one head each, right and down are the
 * next layer.
 * @param {string} key
 * @param {HeadPlace} from
 * @param {number[]} heads heads of each layer
 * @returns {HeadPlace | null}
 */
export function headAfter(key, [layer, head], heads) {
  if (!(key in HEAD_STEPS)) return null;
  const [down, right] = HEAD_STEPS[key];
  if (heads.every((count) => count === 1)) return [clamp(layer + down + right, 0, heads.length - 1), 0];
  const next = clamp(layer + down, 0, heads.length - 1);
  return [next, clamp(head + right, 0, heads[next] - 1)];
}

/**
 * @param {HeadPlace | null} one
 * @param {HeadPlace | null} other
 */
export function sameHead(one, other) {
  return one?.[0] === other?.[0] && one?.[1] === other?.[1];
}

/**
 * Return the box of the enlarged map of a head, inside the picture and beside the head's own thumbnail.
 * @param {HeadsLayout} layout
 * @param {HeadPlace} place
 * @param {number} aspect height by width of a thumbnail
 * @returns {Box}
 */
export function enlargedBox(layout, place, aspect) {
  const [x, y, width, height] = boxOfHead(layout, place);
  const shrinkage = Math.min(1, 1 / aspect, (layout.high - CAPTION_HEIGHT - 4) / (ENLARGED_SIDE * aspect));
  const wide = ENLARGED_SIDE * shrinkage;
  const high = wide * aspect + CAPTION_HEIGHT;
  const space = 8;
  const right = x + width + space;
  const left = right + wide + 1 <= layout.wide ? right : x - space - wide;
  return [
    clamp(left, 1, layout.wide - wide - 1),
    clamp(y + height / 2 - high / 2, 1, layout.high - high - 1),
    wide,
    high,
  ];
}

/**
 * Return the thumbnail's rows and columns of a position of each side, null where the focus has none.
 * @param {{ query: number | null, key: number | null }} focus
 * @param {[high: number, wide: number]} block queries and keys of a cell
 */
export function cellsOfFocus({ query, key }, [high, wide]) {
  return {
    row: query === null ? null : Math.floor(query / high),
    column: key === null ? null : Math.floor(key / wide),
  };
}
