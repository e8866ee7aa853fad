// @ts-check
// The colours of all colour numbers of a palette, on a scale.

import { placeOnScale, weightOfNumber } from "./scales.js";

/** @import { Trace } from "./trace.js" */

export class Palette {
  /** The colours that were made last. @type {[name: string, colours: Uint8Array] | undefined} */
  made;

  /**
   * Return red, green and blue of all colour numbers.
   * @param {Trace} trace
   * @param {string} palette
   * @param {string} scale
   */
  coloursOf(trace, palette, scale) {
    const { style } = trace.header;
    const name = `${palette} ${scale} ${style.top}`;
    if (this.made?.[0] === name) return this.made[1];
    const start = 768 * Object.keys(trace.header.palettes).indexOf(palette);
    const colours = trace.colours.slice(start, start + 768);
    for (let number = 0; number <= style.strongest; number++) {
      const place = placeOnScale(weightOfNumber(number, style), scale, style);
      const source = start + 3 * Math.round(style.strongest * place);
      colours.set(trace.colours.subarray(source, source + 3), 3 * number);
    }
    this.made = [name, colours];
    return colours;
  }
}

/**
 * Return a CSS colour as `#rrggbb`, as a canvas gives it back.
 * @param {string} colour
 */
export function toHex(colour) {
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  context.fillStyle = colour;
  return context.fillStyle;
}
