// @ts-check
// Thumbnails of tiles.

import { colourNumber } from "./scales.js";

/** @import { Thumbnail, Tile } from "./trace.js" */

/** Cells of a side of a thumbnail at most. */
export const THUMBNAIL = 48;

/**
 * Return the thumbnail of a tile: the largest weight of each block, as a colour number.
 * @param {Tile} tile
 * @param {import("./scales.js").ScaleStyle & { masked: number }} style
 * @returns {Thumbnail}
 */
export function shrink({ shape: [height, width], cells: weights }, style) {
  const [high, wide] = [Math.ceil(height / THUMBNAIL), Math.ceil(width / THUMBNAIL)];
  const [rows, columns] = [Math.ceil(height / high), Math.ceil(width / wide)];
  const largest = new Float32Array(rows * columns).fill(-1);
  for (let query = 0; query < height; query++) {
    for (let key = 0; key < width; key++) {
      const cell = Math.floor(query / high) * columns + Math.floor(key / wide);
      const weight = weights[query * width + key];
      if (!(weight <= largest[cell] || Number.isNaN(largest[cell]))) largest[cell] = weight;
    }
  }
  const cells = new Uint8Array(rows * columns);
  largest.forEach((weight, cell) => {
    cells[cell] = weight === -1 ? style.masked : colourNumber(weight || 0, style);
  });
  return { rows, columns, cells };
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
export function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
