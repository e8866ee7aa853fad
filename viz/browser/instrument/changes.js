// @ts-check
// What was changed of the model: its heads and the struck tokens. Every picture of a changed model shows it.

/** @import { Trace } from "./trace.js" */

/** @typedef {{ heads: [layer: number, head: number, how: string][], struck: [queries: number[], keys: number[]] }} Changed */

/**
 * Return how a head was changed, "" if it was not: "switched off".
 * @param {Pick<Trace, "header">} trace
 * @param {number} layer
 * @param {number} head
 */
export function changeOfHead({ header }, layer, head) {
  const found = header.changed?.heads.find(([ofLayer, ofHead]) => ofLayer === layer && ofHead === head);
  return found ? found[2] : "";
}

/**
 * @param {Pick<Trace, "header">} trace
 * @param {number} side 0 for queries, 1 for keys
 * @param {number} position
 */
export function isStruck({ header }, side, position) {
  return header.changed?.struck[side].includes(position) ?? false;
}

/**
 * Return what was changed of a trace of pieces as that of its words: a word is struck if all its pieces are.
 * @param {Changed | undefined} changed
 * @param {readonly { starts: number[], count: number }[]} sides first pieces of the words of each side, and its pieces
 * @returns {Changed | undefined}
 */
export function changesOfWords(changed, sides) {
  if (!changed) return undefined;
  const struck = sides.map(({ starts, count }, side) => {
    const pieces = new Set(changed.struck[side]);
    return [...starts.keys()].filter((word) => {
      for (let piece = starts[word]; piece < (starts[word + 1] ?? count); piece++) if (!pieces.has(piece)) return false;
      return true;
    });
  });
  return { heads: changed.heads, struck: [struck[0], struck[1]] };
}

/**
 * Draw a cross over a changed head, with a light and a dark line, so that it is seen on any colours.
 * @param {CanvasRenderingContext2D} context
 * @param {[x: number, y: number, width: number, height: number]} box
 * @param {{ text: string, background: string }} theme
 */
export function crossOut(context, [x, y, width, height], theme) {
  const thin = Math.max(1, Math.min(2, width / 16));
  for (const [colour, wide] of /** @type {const} */ ([
    [theme.background, thin + 2],
    [theme.text, thin],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x + 1, y + 1);
    context.lineTo(x + width - 1, y + height - 1);
    context.moveTo(x + width - 1, y + 1);
    context.lineTo(x + 1, y + height - 1);
    context.stroke();
  }
}
