// @ts-check
// Where the heads of the grid are, how their maps become pixels, and what the grid says. No drawing.

import { clamp, fill, percent } from "../core/text.js";

/** @import { Head } from "../core/globals.js" */
/** @typedef {[x: number, y: number, width: number, height: number]} Box */

/**
 * @typedef {object} Header
 * @property {{ strongest: number, head: string, verb: string }} style described in viz/style.py
 * @property {string} title
 * @property {string} note
 * @property {number[]} heads heads of each layer
 * @property {[layers: number, heads: number, rows: number, columns: number]} shape
 * @property {number} done layers whose maps are known
 * @property {number} aspect height of a map by its width
 * @property {Head | null} selected
 * @property {string} scale name of the colour scale
 * @property {string} outline colour
 * @property {string} bad colour
 * @property {string} truth colour
 * @property {(number | null)[] | null} scores share of queries whose strongest key is a true one, of each head
 */

/**
 * @typedef {object} Arrays
 * @property {Uint8Array} maps a colour number for each cell
 * @property {Uint8Array} colours red, green and blue of each colour number
 * @property {Uint8Array} broken 1 for heads with a weight that is not a number
 */

/** @typedef {{ pitch: number, pitchY: number, gap: number, below: number, bottom: number, wide: number }} Layout */

export const MARGIN_LEFT = 46;
export const MARGIN_TOP = 20;
const LARGEST = 104;
const SCORE_HEIGHT = 15;
// Width of the colour scale, which is drawn also where heads are few.
const SCALE_WIDTH = 320;

/**
 * Return the distances of the heads in pixels, the height below a map that its score takes, and the size of all.
 * @param {Pick<Header, "shape" | "aspect" | "scores">} header
 * @param {number} width
 * @returns {Layout}
 */
export function layoutOf({ shape: [layers, heads], aspect, scores }, width) {
  const pitch = Math.min(LARGEST, (width - MARGIN_LEFT) / heads);
  const below = scores ? SCORE_HEIGHT : 0;
  const pitchY = Math.max(14, pitch * aspect) + below;
  const wide = Math.min(width, Math.max(MARGIN_LEFT + pitch * heads, SCALE_WIDTH));
  return { pitch, pitchY, gap: pitch > 40 ? 5 : 3, below, bottom: MARGIN_TOP + pitchY * layers, wide };
}

/**
 * Return the box of a head's map.
 * @param {Layout} layout
 * @param {Head} head
 * @returns {Box}
 */
export function boxOf({ pitch, pitchY, gap, below }, [layer, head]) {
  const x = MARGIN_LEFT + head * pitch;
  const y = MARGIN_TOP + layer * pitchY;
  return [x + gap / 2, y + gap / 2, pitch - gap, pitchY - gap - below];
}

/**
 * Return the head at a point, null beside the heads.
 * @param {Pick<Layout, "pitch" | "pitchY">} layout
 * @param {number[]} heads heads of each layer
 * @param {number} x
 * @param {number} y
 * @returns {Head | null}
 */
export function headAt({ pitch, pitchY }, heads, x, y) {
  const head = Math.floor((x - MARGIN_LEFT) / pitch);
  const layer = Math.floor((y - MARGIN_TOP) / pitchY);
  return layer >= 0 && head >= 0 && head < (heads[layer] ?? 0) ? [layer, head] : null;
}

/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * Return the head that an arrow key moves to, null for other keys.
 * @param {string} key
 * @param {Head | null} from
 * @param {number[]} heads heads of each layer
 * @returns {Head | null}
 */
export function headAfter(key, from, heads) {
  if (!(key in STEPS)) return null;
  const [down, right] = STEPS[key];
  const [layer, head] = from ?? [0, 0];
  const next = clamp(layer + down, 0, heads.length - 1);
  return [next, clamp(head + right, 0, heads[next] - 1)];
}

/**
 * @param {Head | null} one
 * @param {Head | null} other
 */
export function sameHead(one, other) {
  return one?.[0] === other?.[0] && one?.[1] === other?.[1];
}

/**
 * Colour all known maps at their own resolution, layers down and heads across.
 * @param {Uint8ClampedArray} pixels red, green, blue and opacity of each pixel
 * @param {Arrays} arrays
 * @param {Header} header
 */
export function colourMaps(pixels, { maps, colours }, { shape: [, heads, rows, columns], done }) {
  const width = heads * columns;
  let source = 0;
  for (let layer = 0; layer < done; layer++) {
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        let target = 4 * ((layer * rows + row) * width + head * columns);
        for (let column = 0; column < columns; column++, target += 4) {
          const colour = 3 * maps[source++];
          pixels[target] = colours[colour];
          pixels[target + 1] = colours[colour + 1];
          pixels[target + 2] = colours[colour + 2];
          pixels[target + 3] = 255;
        }
      }
    }
  }
}

/**
 * Return a head's score, null if there is none.
 * @param {Pick<Header, "shape" | "scores">} header
 * @param {Head} head
 */
export function scoreOf({ shape, scores }, [layer, head]) {
  return scores?.[layer * shape[1] + head] ?? null;
}

/**
 * @param {Header} header
 * @param {Head} place
 */
function headName({ style }, [layer, head]) {
  return fill(style.head, { layer, head });
}

/**
 * Return the name of a head, with its score.
 * @param {Header} header
 * @param {Head} head
 */
export function describeHead(header, head) {
  const score = scoreOf(header, head);
  const scored = score === null ? "" : `, ${header.style.verb} the true key ${percent(score)} of the time`;
  return `${headName(header, head)}${scored}`;
}

/**
 * Return which head is selected, and what the cells are.
 * @param {Header} header
 * @param {Head | null} selected
 */
export function describeSelection(header, selected) {
  const text = selected ? `${headName(header, selected)} is selected` : "Layers down, heads across";
  return header.note ? `${text}; ${header.note}` : text;
}
