// @ts-check
// Where a weight stands on a scale of colours, and the colour number that stands for it (viz/colours.py).

/** @typedef {"linear" | "root" | "log"} Scale */

/**
 * @typedef {object} ScaleStyle
 * @property {number} strongest colour number of the weight at the end of a scale; that of other weights grows with the square root
 * @property {number} floor weight at which a logarithmic scale begins, as a share of `top`
 * @property {number} [top] weight at which a scale ends: 1, unless the trace has a weight above 1
 */

/**
 * Return where a weight stands between the ends of a scale, 0 to 1.
 * @param {number} weight 0 to `top`
 * @param {string} scale
 * @param {ScaleStyle} style
 */
export function placeOnScale(weight, scale, { floor, top = 1 }) {
  const share = weight / top;
  if (scale === "log") return 1 - Math.log10(Math.max(share, floor)) / Math.log10(floor);
  return scale === "root" ? Math.sqrt(share) : share;
}

/**
 * Return the weight that stands at a place of a scale: the inverse of `placeOnScale`.
 * @param {number} place 0 to 1
 * @param {string} scale
 * @param {ScaleStyle} style
 */
export function weightAtPlace(place, scale, { floor, top = 1 }) {
  if (scale === "log") return place <= 0 ? 0 : top * floor ** (1 - place);
  return top * (scale === "root" ? place * place : place);
}

/** Shares of `top` beside which a bar of colours has a number; the logarithmic scale has its floor too. @type {Record<string, number[]>} */
const TICKS = { linear: [0, 0.25, 0.5, 0.75, 1], root: [0, 0.1, 0.25, 0.5, 1] };

/**
 * Return the numbers beside a bar of colours, and where they are.
 * @param {string} scale
 * @param {ScaleStyle} style
 * @returns {{ text: string, place: number }[]} places from 0 to 1, ascending
 */
export function ticksOf(scale, style) {
  const { top = 1 } = style;
  const shares = scale === "log" ? powersOfTen(style.floor) : TICKS[scale];
  return shares.map((share) => {
    const isFloor = scale === "log" && share === shares[0];
    const weight = Number((top * share).toPrecision(3));
    return { text: `${isFloor ? "≤" : ""}${weight}`, place: placeOnScale(top * share, scale, style) };
  });
}

/** @param {number} floor */
function powersOfTen(floor) {
  const count = Math.round(-Math.log10(floor));
  return Array.from({ length: count + 1 }, (_, power) => Number(`1e${power - count}`));
}

/**
 * Return the colour number of a weight. It grows with the square root: small weights, which a logarithmic scale shows,
 * need more numbers than large ones.
 * @param {number} weight
 * @param {ScaleStyle} style
 */
export function colourNumber(weight, { strongest, top = 1 }) {
  return Math.round(Math.sqrt(Math.min(1, Math.max(0, weight / top))) * strongest);
}

/**
 * Return the weight that a colour number stands for.
 * @param {number} number
 * @param {ScaleStyle} style
 */
export function weightOfNumber(number, { strongest, top = 1 }) {
  return top * (number / strongest) ** 2;
}
