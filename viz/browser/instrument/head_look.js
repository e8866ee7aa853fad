// @ts-check
// Colour and dash pattern of the lines of one of several heads, as viz/colours.py chooses them.

/** @import { Style } from "./token_graph_words.js" */

/** @typedef {{ colour: string, dash: number[] }} HeadLook */

/**
 * Return how many heads differ by colour and dash.
 * @param {Style} style
 */
export function mostHeads({ head_colours, head_dashes }) {
  return head_colours.light.length * head_dashes.length;
}

/**
 * @param {number} number place of the head in the chosen ones
 * @param {Style} style
 * @param {boolean} dark whether the ground is dark
 * @returns {HeadLook}
 */
export function headLook(number, { head_colours, head_dashes }, dark) {
  const colours = head_colours[dark ? "dark" : "light"];
  return { colour: colours[number % colours.length], dash: head_dashes[Math.floor(number / colours.length)] };
}
