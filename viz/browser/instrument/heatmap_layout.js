// @ts-check
// Where the heatmap's cells and labels are: queries down, keys across, one pitch in pixels for each token.

import { clamp } from "../core/text.js";

/** @import { Region } from "./store.js" */

/**
 * @typedef {object} HeatmapPlace all lengths in CSS pixels; pairs are of the queries and of the keys
 * @property {Region} region
 * @property {[queries: number, keys: number]} counts tokens of each side
 * @property {[high: number, wide: number]} block tokens of a cell
 * @property {[down: number, across: number]} pitch height and width of a token
 * @property {[every: number, every: number]} every how many tokens share a label
 * @property {number} font
 * @property {boolean} upright whether the labels of the keys are not turned
 * @property {number} left of the cells
 * @property {number} top
 * @property {number} width of the cells
 * @property {number} height
 * @property {number} under room for the labels of the keys
 * @property {number} wide of the whole picture
 * @property {number} high
 */

/**
 * @callback Measure
 * @param {number} side 0 for queries, 1 for keys
 * @param {number} every
 * @param {number} font
 * @returns {number} width of the widest label that is shown
 */

// Room for the title of a side, and between cells and labels.
export const SIDE_TITLE = 18;
export const LABEL_GAP = 6;
const BOX_TOP = 3;
const BOX_RIGHT = 4;
// Height of the cells: of texts of up to 13 tokens, what each further token adds, and the most.
const LEAST_BOX = 290;
const BOX_FOR = 13;
const BOX_PER_TOKEN = 4;
const MOST_BOX = 500;
// The title of the queries is this long.
const LEAST_HIGH = 96;
const MOST_PITCH = 60;
// A side of few tokens beside a long one is stretched to this length, or to this pitch.
const SHORT_BOX = 60;
const SHORT_PITCH = 24;
const LARGE_FONT = 12;
const SMALL_FONT = 9;
// From this pitch on a cell has a whole number of pixels, so that all cells are equal.
const WHOLE_PITCH = 6;
const MOST_UNDER = 92;
const MOST_LEFT = 0.3;

/**
 * Return how many queries and keys share a cell.
 * @param {Region} region
 * @param {number} readable cells of a side at most
 * @returns {[high: number, wide: number]}
 */
export function blockOf([firstQuery, lastQuery, firstKey, lastKey], readable) {
  return [Math.ceil((lastQuery - firstQuery + 1) / readable), Math.ceil((lastKey - firstKey + 1) / readable)];
}

/**
 * Return the place of a region's cells and labels.
 * @param {number} wide
 * @param {Region} region
 * @param {number} readable
 * @param {Measure} measure
 * @returns {HeatmapPlace}
 */
export function placeHeatmap(wide, region, readable, measure) {
  const first = placeWith(LARGE_FONT, wide, region, readable, measure);
  const font = clamp(Math.floor(Math.min(...first.pitch)) - 1, SMALL_FONT, LARGE_FONT);
  return font === LARGE_FONT ? first : placeWith(font, wide, region, readable, measure);
}

/**
 * @param {number} font
 * @param {number} wide
 * @param {Region} region
 * @param {number} readable
 * @param {Measure} measure
 * @returns {HeatmapPlace}
 */
function placeWith(font, wide, region, readable, measure) {
  /** @type {[number, number]} */
  const counts = [region[1] - region[0] + 1, region[3] - region[2] + 1];
  const spaced = (/** @type {number} */ pitch) => Math.max(1, Math.ceil((font + 2) / pitch));
  const most = wide * MOST_LEFT;
  const aim = clamp(LEAST_BOX + BOX_PER_TOKEN * (Math.max(...counts) - BOX_FOR), LEAST_BOX, MOST_BOX);
  // The widest label depends on which are shown, and that on the pitch, which the room for the labels changes little.
  const guess = pitchesOf(counts, wide - most, aim);
  const left = SIDE_TITLE + Math.ceil(Math.min(most, measure(0, spaced(guess[0]), font))) + LABEL_GAP;
  const pitch = pitchesOf(counts, wide - left - BOX_RIGHT, aim);
  /** @type {[number, number]} */
  const every = [spaced(pitch[0]), spaced(pitch[1])];
  const widest = measure(1, every[1], font);
  const upright = widest <= pitch[1] * every[1] - 3;
  const under = Math.ceil(upright ? font + 3 : Math.min(widest, MOST_UNDER)) + LABEL_GAP;
  const [height, width] = [counts[0] * pitch[0], counts[1] * pitch[1]];
  const high = Math.ceil(Math.max(BOX_TOP + height + under + SIDE_TITLE, LEAST_HIGH));
  const block = blockOf(region, readable);
  return { region, counts, block, pitch, every, font, upright, left, top: BOX_TOP, width, height, under, wide, high };
}

/**
 * Return height and width of a token. Cells are square, unless one side would be too short to point at.
 * @param {[number, number]} counts
 * @param {number} room
 * @param {number} aim the height to reach
 * @returns {[down: number, across: number]}
 */
function pitchesOf([queries, keys], room, aim) {
  const square = Math.min(room / keys, aim / queries, MOST_PITCH);
  const whole = (/** @type {number} */ pitch) => (pitch >= WHOLE_PITCH ? Math.floor(pitch) : pitch);
  const stretched = (/** @type {number} */ count) => Math.max(square, Math.min(SHORT_BOX / count, SHORT_PITCH));
  return [whole(stretched(queries)), whole(Math.min(stretched(keys), room / keys))];
}

/**
 * Return the query and the key at a point: both over the cells, one over a label, none elsewhere. Where labels are
 * missing, a label belongs to the token that it names.
 * @param {HeatmapPlace} place
 * @param {number} x
 * @param {number} y
 * @returns {{ query: number | null, key: number | null }}
 */
export function spotAt(place, x, y) {
  const { counts, region, every, pitch, left, top, width, height, under } = place;
  const row = Math.floor((y - top) / pitch[0]);
  const column = Math.floor((x - left) / pitch[1]);
  const isRow = row >= 0 && row < counts[0] && y < top + height;
  const isColumn = column >= 0 && column < counts[1] && x < left + width;
  if (isRow && isColumn) return { query: region[0] + row, key: region[2] + column };
  const named = (/** @type {number} */ at, /** @type {number} */ side) => Math.round(at / every[side]) * every[side];
  const last = (/** @type {number} */ side) => Math.floor((counts[side] - 1) / every[side]) * every[side];
  if (isRow && x >= SIDE_TITLE && x < left) return { query: region[0] + Math.min(named(row, 0), last(0)), key: null };
  const isBelow = isColumn && y >= top + height && y < top + height + under;
  return { query: null, key: isBelow ? region[2] + Math.min(named(column, 1), last(1)) : null };
}

/**
 * Return the region that a box touches, in whole cells.
 * @param {HeatmapPlace} place
 * @param {[x: number, y: number]} one a corner
 * @param {[x: number, y: number]} other
 * @returns {Region}
 */
export function regionOfBox(place, one, other) {
  const { left, top, region, counts, pitch, block } = place;
  const ends = (/** @type {number} */ side) => {
    const [from, to] = [one, other]
      .map((corner) => Math.floor((corner[1 - side] - (side ? left : top)) / pitch[side]))
      .sort((first, second) => first - second)
      .map((position) => clamp(position, 0, counts[side] - 1));
    const start = Math.floor(from / block[side]) * block[side];
    const end = Math.min((Math.floor(to / block[side]) + 1) * block[side], counts[side]) - 1;
    return [region[2 * side] + start, region[2 * side] + end];
  };
  return /** @type {Region} */ ([...ends(0), ...ends(1)]);
}

/**
 * Return the middle of a token.
 * @param {HeatmapPlace} place
 * @param {number} side 0 for queries, 1 for keys
 * @param {number} position
 */
export function middleOf(place, side, position) {
  const start = side ? place.left : place.top;
  return start + (position - place.region[2 * side] + 0.5) * place.pitch[side];
}

/**
 * Return whether a position of a side is in the region.
 * @param {HeatmapPlace} place
 * @param {number} side
 * @param {number | null} position
 * @returns {position is number}
 */
export function isInRegion({ region }, side, position) {
  return position !== null && position >= region[2 * side] && position <= region[2 * side + 1];
}
