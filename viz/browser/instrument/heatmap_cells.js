// @ts-check
// The cells of the heatmap as an image of one pixel a cell.

import { hasMasked } from "./heatmap_shade.js";
import { colourNumber } from "./scales.js";
import { isCombined } from "./shown.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */
/** @import { Region } from "./store.js" */
/** @import { Tile } from "./trace.js" */

/**
 * @typedef {object} CellImage
 * @property {number} rows
 * @property {number} columns
 * @property {Uint8ClampedArray<ArrayBuffer>} pixels
 * @property {[high: number, wide: number]} block tokens of a cell
 * @property {[query: number, key: number]} first
 * @property {boolean} masked whether a cell of tokens that are not hidden is masked
 * @property {boolean} broken whether a weight is not a number
 */

/**
 * Return the image of the head: its tile, or its thumbnail until the tile has come; null if there is neither.
 * @param {Scene} scene
 * @returns {CellImage | null}
 */
export function imageOf({ trace, state, shade, tile, thumbnail, colours }) {
  const { style, defaults } = trace.header;
  if (tile) {
    const [rows, columns] = tile.shape;
    const first = /** @type {[number, number]} */ ([tile.region[0], tile.region[2]]);
    const cells = { rows, columns, block: tile.block, first };
    const painted = paintWeights(tile.cells, colours, style, defaults.bad);
    return { ...cells, ...painted, masked: painted.masked && hasMasked(tile.cells, -1, cells, shade) };
  }
  if (!thumbnail) return null;
  const { rows, columns } = thumbnail;
  const [block, first] = /** @type {[number, number][]} */ ([trace.block, [0, 0]]);
  const cells = { rows, columns, block, first };
  const broken = !isCombined(state) && trace.isBroken(state.layer, state.head);
  const { pixels, masked } = paintNumbers(thumbnail.cells, colours, style.masked);
  const isMasked = masked && hasMasked(thumbnail.cells, style.masked, cells, shade);
  return { ...cells, pixels, masked: isMasked, broken };
}

/**
 * Return the pixels of weights.
 * @param {Float32Array} cells
 * @param {Uint8Array} colours
 * @param {import("./scales.js").ScaleStyle & { masked: number }} style
 * @param {string} bad the colour of weights that are not a number, `#rrggbb`
 */
export function paintWeights(cells, colours, style, bad) {
  const pixels = new Uint8ClampedArray(4 * cells.length);
  const pink = [1, 3, 5].map((at) => Number.parseInt(bad.slice(at, at + 2), 16));
  let [masked, broken] = [false, false];
  for (let cell = 0; cell < cells.length; cell++) {
    const weight = cells[cell];
    if (Number.isNaN(weight)) {
      pixels.set(pink, 4 * cell);
      broken = true;
    } else {
      const number = weight < 0 ? style.masked : colourNumber(weight, style);
      masked ||= weight < 0;
      for (let part = 0; part < 3; part++) pixels[4 * cell + part] = colours[3 * number + part];
    }
    pixels[4 * cell + 3] = 255;
  }
  return { pixels, masked, broken };
}

/**
 * Return the pixels of colour numbers.
 * @param {Uint8Array} numbers
 * @param {Uint8Array} colours
 * @param {number} hidden the colour number of masked cells
 */
export function paintNumbers(numbers, colours, hidden) {
  const pixels = new Uint8ClampedArray(4 * numbers.length);
  for (let cell = 0; cell < numbers.length; cell++) {
    for (let part = 0; part < 3; part++) pixels[4 * cell + part] = colours[3 * numbers[cell] + part];
    pixels[4 * cell + 3] = 255;
  }
  return { pixels, masked: numbers.includes(hidden) };
}

/**
 * Return the part of an image that a region shows, as `drawImage` takes it: x, y, width and height in cells.
 * @param {{ block: [number, number], first: [number, number] }} image
 * @param {Region} region
 * @returns {[x: number, y: number, width: number, height: number]}
 */
export function partOf({ block, first }, [firstQuery, lastQuery, firstKey, lastKey]) {
  return [
    (firstKey - first[1]) / block[1],
    (firstQuery - first[0]) / block[0],
    (lastKey - firstKey + 1) / block[1],
    (lastQuery - firstQuery + 1) / block[0],
  ];
}

/**
 * Return the weight of a pair: -1 where masked, NaN where it is not a number, null where the tile does not have it.
 * @param {Tile | null} tile
 * @param {number} query
 * @param {number} key
 */
export function weightAt(tile, query, key) {
  if (!tile || tile.block[0] > 1 || tile.block[1] > 1) return null;
  const [firstQuery, lastQuery, firstKey, lastKey] = tile.region;
  if (query < firstQuery || query > lastQuery || key < firstKey || key > lastKey) return null;
  return tile.cells[(query - firstQuery) * tile.shape[1] + key - firstKey];
}

/**
 * Return the strongest weight of a token's row or column, with the position at its other end; null if it has none.
 * @param {Tile | null} tile
 * @param {"query" | "key"} side
 * @param {number} position
 * @returns {{ position: number, weight: number } | null}
 */
export function strongestOf(tile, side, position) {
  if (!tile) return null;
  const [firstQuery, lastQuery, firstKey, lastKey] = tile.region;
  const [from, to] = side === "query" ? [firstKey, lastKey] : [firstQuery, lastQuery];
  let found = null;
  for (let other = from; other <= to; other++) {
    const weight = side === "query" ? weightAt(tile, position, other) : weightAt(tile, other, position);
    if (weight !== null && weight >= 0 && weight > (found?.weight ?? -1)) found = { position: other, weight };
  }
  return found;
}

/**
 * Return the pairs of a cell.
 * @param {HeatmapPlace} place
 * @param {number} query a position in the cell
 * @param {number} key
 * @returns {Region}
 */
export function pairsOfCell({ region, block }, query, key) {
  const start = [query, key].map((position, side) => {
    const first = region[2 * side];
    return first + Math.floor((position - first) / block[side]) * block[side];
  });
  const end = start.map((position, side) => Math.min(position + block[side] - 1, region[2 * side + 1]));
  return [start[0], end[0], start[1], end[1]];
}

/**
 * Return the largest weight of a cell.
 * @param {Tile | null} tile
 * @param {Region} pairs of the cell
 */
export function weightOfCell(tile, [query, , key]) {
  if (!tile) return null;
  const row = Math.floor((query - tile.region[0]) / tile.block[0]);
  return tile.cells[row * tile.shape[1] + Math.floor((key - tile.region[2]) / tile.block[1])];
}
