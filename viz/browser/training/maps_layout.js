// @ts-check
// Where the maps of a training are, and how weights become pixels. No drawing.

/** @import { Frame } from "./frames.js" */
/** @import { Cell, Name, Scene } from "./words.js" */

/**
 * @typedef {object} Layout
 * @property {[across: number, down: number]} cells of a map
 * @property {{ queries: boolean, keys: boolean }} wordy whether names are longer than two letters
 * @property {{ queries: boolean, keys: boolean }} named whether there is room for names
 * @property {number} left pixels left of the first column
 * @property {number} above pixels above the first row
 * @property {number} firstMap x of the first head's maps, right of a picture
 * @property {number} mapWidth
 * @property {number} mapHeight
 * @property {number} pitchX
 * @property {number} pitchY
 * @property {number} width
 * @property {number} height
 */

const MAP_GAP = 14;
const SCORE_HEIGHT = 30;
export const SIGNAL_HEIGHT = 44;
const LARGEST_MAP = 230;
const LARGEST_OF_MANY = 168;
const SMALLEST_MAP = 18;
// Pixels of a cell in which a letter can be read.
const READABLE_CELL = 9;
const LAYER_NAME_WIDTH = 22;
const HEAD_NAME_HEIGHT = 20;

/**
 * Return the pixels of names: those of one letter are written upright, longer ones along the axis.
 * @param {boolean} wordy
 */
function roomForNames(wordy) {
  return wordy ? 62 : 16;
}

/** @param {Name[]} names */
function isWordy(names) {
  return names.some(([name, special]) => !special && name.length > 2);
}

/**
 * Return where everything is: the maps fill the width, and their shape follows the number of queries and keys.
 * @param {Pick<Scene, "form" | "shape" | "queries" | "keys">} scene
 * @param {number} available pixels
 * @returns {Layout}
 */
export function layoutOf({ form, shape, queries, keys }, available) {
  const [layers, heads, rows, columns] = shape;
  const patches = Math.round(Math.sqrt(columns - 1));
  /** @type {[number, number]} */
  const cells = form === "picture" ? [patches, patches] : [columns, rows];
  const wordy = { queries: isWordy(queries), keys: isWordy(keys) };
  const columnsShown = heads + (form === "picture" ? 1 : 0);
  const largest = layers > 2 ? LARGEST_OF_MANY : LARGEST_MAP;
  const widthBeside = (/** @type {number} */ left) => Math.min(largest, (available - left) / columnsShown - MAP_GAP);
  const aspect = Math.min(2, cells[1] / cells[0]);
  const beside = LAYER_NAME_WIDTH + roomForNames(wordy.queries);
  const named = { queries: false, keys: false };
  const tall = Math.max(SMALLEST_MAP, widthBeside(LAYER_NAME_WIDTH) * aspect) / rows >= READABLE_CELL;
  named.queries = form === "maps" && tall && (widthBeside(beside) * aspect) / rows >= READABLE_CELL;
  const left = named.queries ? beside : LAYER_NAME_WIDTH;
  const mapWidth = widthBeside(left);
  named.keys = form === "maps" && mapWidth / columns >= READABLE_CELL;
  const mapHeight = Math.max(SMALLEST_MAP, mapWidth * aspect);
  const keyNames = named.keys ? roomForNames(wordy.keys) : 0;
  const above = HEAD_NAME_HEIGHT + keyNames + (form === "signal" ? SIGNAL_HEIGHT + 8 : 0);
  const pitchX = mapWidth + MAP_GAP;
  const pitchY = mapHeight + SCORE_HEIGHT + MAP_GAP / 2;
  return {
    ...{ cells, wordy, named, left, above, mapWidth, mapHeight, pitchX, pitchY },
    firstMap: left + (form === "picture" ? pitchX : 0),
    width: left + columnsShown * pitchX,
    height: above + layers * pitchY,
  };
}

/**
 * Return the box of a head's map.
 * @param {Layout} layout
 * @param {number} layer
 * @param {number} head
 * @returns {[x: number, y: number, width: number, height: number]}
 */
export function boxOf({ firstMap, above, pitchX, pitchY, mapWidth, mapHeight }, layer, head) {
  return [firstMap + head * pitchX, above + layer * pitchY, mapWidth, mapHeight];
}

/**
 * Return the cell at a point, null beside the maps.
 * @param {Layout} layout
 * @param {Pick<Scene, "form" | "shape">} scene
 * @param {number} x
 * @param {number} y
 * @returns {Cell | null}
 */
export function cellAt({ cells, firstMap, above, pitchX, pitchY, mapWidth, mapHeight }, { form, shape }, x, y) {
  const head = Math.floor((x - firstMap) / pitchX);
  const layer = Math.floor((y - above) / pitchY);
  const column = Math.floor(((x - firstMap - head * pitchX) / mapWidth) * cells[0]);
  const row = Math.floor(((y - above - layer * pitchY) / mapHeight) * cells[1]);
  const within = (/** @type {number} */ value, /** @type {number} */ count) => value >= 0 && value < count;
  if (!within(layer, shape[0]) || !within(head, shape[1])) return null;
  if (!within(column, cells[0]) || !within(row, cells[1])) return null;
  // The first key of a picture is the class token, which is no patch.
  if (form === "picture") return { layer, head, query: 0, key: 1 + row * cells[0] + column };
  return { layer, head, query: row, key: column };
}

/**
 * Colour all maps at their own resolution, layers down and heads across.
 * @param {Uint8ClampedArray} pixels red, green, blue and opacity of each pixel
 * @param {Frame} frame
 * @param {Pick<Scene, "form" | "shape" | "darkest">} scene
 * @param {[number, number]} cells of a map, across and down
 * @param {Uint8Array} colours
 */
export function colourMaps(pixels, { maps }, { form, shape, darkest }, [across, down], colours) {
  const [layers, heads, rows, columns] = shape;
  // A picture's maps leave out the weight of the class token itself.
  const skip = form === "picture" ? 1 : 0;
  const last = colours.length / 3 - 1;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      const start = (layer * heads + head) * rows * columns + skip;
      for (let cell = 0; cell < across * down; cell++) {
        const row = Math.floor(cell / across);
        const colour = 3 * Math.min(last, Math.round(maps[start + cell] / darkest));
        const target = 4 * ((layer * down + row) * heads * across + head * across + (cell % across));
        pixels.set([colours[colour], colours[colour + 1], colours[colour + 2], 255], target);
      }
    }
  }
}

/**
 * Return a token's name as it is written beside a map.
 * @param {Name} name
 */
export function shortName([name, special]) {
  if (special) return "·";
  if (name === " ") return "␣";
  return name.length > 9 ? `${name.slice(0, 8)}…` : name;
}
