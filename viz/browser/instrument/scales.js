// @ts-check
// Where a weight stands on a scale of colours, and the colour number that stands for it (viz/colours.py).

/** @typedef {"linear" | "root" | "log"} Scale */

/**
 * @typedef {object} ScaleStyle
 * @property {number} strongest colour number of the weight 1; that of other weights grows with the square root
 * @property {number} floor weight at which a logarithmic scale begins
 */

/**
 * Return where a weight stands between the ends of a scale, 0 to 1.
 * @param {number} weight 0 to 1
 * @param {string} scale
 * @param {ScaleStyle} style
 */
export function placeOnScale(weight, scale, { floor }) {
  if (scale === "log") return 1 - Math.log10(Math.max(weight, floor)) / Math.log10(floor);
  return scale === "root" ? Math.sqrt(weight) : weight;
}

/**
 * Return the weight that stands at a place of a scale: the inverse of `placeOnScale`.
 * @param {number} place 0 to 1
 * @param {string} scale
 * @param {ScaleStyle} style
 */
export function weightAtPlace(place, scale, { floor }) {
  if (scale === "log") return place <= 0 ? 0 : floor ** (1 - place);
  return scale === "root" ? place * place : place;
}

/** Weights beside which a bar of colours has a number; the logarithmic scale has its floor too. @type {Record<string, number[]>} */
const TICKS = { linear: [0, 0.25, 0.5, 0.75, 1], root: [0, 0.1, 0.25, 0.5, 1] };

/**
 * Return the numbers beside a bar of colours, and where they are.
 * @param {string} scale
 * @param {ScaleStyle} style
 * @returns {{ text: string, place: number }[]} places from 0 to 1, ascending
 */
export function ticksOf(scale, style) {
  const weights = scale === "log" ? powersOfTen(style.floor) : TICKS[scale];
  return weights.map((weight) => {
    const isFloor = scale === "log" && weight === weights[0];
    return { text: `${isFloor ? "≤" : ""}${weight}`, place: placeOnScale(weight, scale, style) };
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
export function colourNumber(weight, { strongest }) {
  return Math.round(Math.sqrt(Math.min(1, Math.max(0, weight))) * strongest);
}

/**
 * Return the weight that a colour number stands for.
 * @param {number} number
 * @param {ScaleStyle} style
 */
export function weightOfNumber(number, { strongest }) {
  return (number / strongest) ** 2;
}
