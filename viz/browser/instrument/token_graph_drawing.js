// @ts-check
// The lines and the tokens of a token graph on a canvas.

import { roleColour } from "./roles.js";
import { placeOnScale } from "./scales.js";
import { DIMMED, HIDDEN } from "./shown.js";
import { bundle, LEFT, RIGHT } from "./token_graph_layout.js";

/** @import { Theme } from "../core/theme.js" */
/** @typedef {[query: number | null, key: number | null]} Rows of the focus, or of what is locked */
/** @import { Graph, Style } from "./token_graph_words.js" */

/**
 * @typedef {object} Place where the picture is drawn
 * @property {CanvasRenderingContext2D} context
 * @property {Theme} theme
 * @property {number} width
 * @property {number} height
 * @property {number} left x of the lines' left ends
 * @property {number} right
 * @property {number} rowHeight
 * @property {number} firstRow the first row in view
 * @property {(row: number) => number} y middle of a row
 * @property {import("./shown.js").Shade} shade
 * @property {boolean} dark
 */

// Opacity of the tokens that the tokenizer added, and of the names of the sides: readable, but behind the text.
const SPECIAL = 0.7;
// The width of the band that has the colour of a token's role, between the token and its lines.
const ROLE_WIDTH = 3;

/**
 * Return opacity and width of the lines of a strength.
 * @param {number} level 0 to `strengths`; the last is that of lines whose weight is not a number
 * @param {Style} style
 * @param {string} scale
 */
export function lineLook(level, style, scale) {
  const { strengths, opacity, width } = style;
  const strength = Math.min(1, (level + 0.5) / strengths);
  return {
    opacity: opacity[0] + opacity[1] * placeOnScale(strength * (style.top ?? 1), scale, style),
    width: width[0] + width[1] * strength,
  };
}

/**
 * Return the opacity of a token and of the ground below it, 0 for no ground.
 * @param {boolean} isolated whether the token is the isolated one
 * @param {number | undefined} weight of the isolated token's line to it, if there is one
 * @param {boolean} any whether a token is isolated
 * @param {Style} style
 */
export function emphasis(isolated, weight, any, { isolated: ground, reached, faded }) {
  if (isolated) return { opacity: 1, ground };
  if (weight === undefined) return { opacity: any ? faded : 1, ground: 0 };
  return { opacity: 1, ground: reached[0] + reached[1] * (Number.isNaN(weight) ? 1 : weight) };
}

/**
 * Return the lines with a dimmed token at an end, and the others, each with what their opacity is multiplied with.
 * @param {Graph} graph
 * @param {number[] | null} chosen lines, null for all
 * @param {import("./shown.js").Shade} shade
 * @returns {[lines: number[] | null, share: number][]} in the order in which they are drawn
 */
export function linesByShade({ header, lines }, chosen, { query, key }) {
  if (!query.includes(DIMMED) && !key.includes(DIMMED)) return [[chosen, 1]];
  const [firstQuery, firstKey] = header.first;
  /** @type {[faded: number[], others: number[]]} */
  const [faded, others] = [[], []];
  const count = chosen ? chosen.length : lines.weight.length;
  for (let number = 0; number < count; number++) {
    const line = chosen ? chosen[number] : number;
    const dims = query[lines.query[line] + firstQuery] === DIMMED || key[lines.key[line] + firstKey] === DIMMED;
    (dims ? faded : others).push(line);
  }
  return [
    [faded, header.style.dimmed],
    [others, 1],
  ];
}

/**
 * Draw lines in bundles of equal strength, one stroke each: thousands of strokes would take several frames.
 * @param {Place} place
 * @param {Graph} graph
 * @param {number[] | null} chosen the lines to draw, null for all
 * @param {number} [fade] what their opacity is multiplied with
 */
export function drawLines({ context, left, right, height, y }, { header, lines }, chosen, fade = 1) {
  const { strengths, top } = header.style;
  const middle = (left + right) / 2;
  bundle(lines, chosen, strengths, y, height, top).forEach((ends, level) => {
    if (!ends.length) return;
    const look = lineLook(level, header.style, header.scale);
    context.globalAlpha = look.opacity * fade;
    context.strokeStyle = level === strengths ? header.bad : header.line;
    context.lineWidth = look.width;
    context.beginPath();
    for (let end = 0; end < ends.length; end += 2) {
      context.moveTo(left, ends[end]);
      context.bezierCurveTo(middle, ends[end], middle, ends[end + 1], right, ends[end + 1]);
    }
    context.stroke();
  });
}

/**
 * Draw the line of the chosen pair above the others; dashed if its weight is below the threshold.
 * @param {Place} place
 * @param {Graph} graph
 * @param {[query: number, key: number]} rows
 * @param {number} weight
 * @param {boolean} shown whether the pair has a line without being chosen
 */
export function drawPair({ context, theme, left, right, y }, { header }, [query, key], weight, shown) {
  const level = Number.isNaN(weight)
    ? header.style.strengths
    : Math.floor((weight / (header.style.top ?? 1)) * header.style.strengths);
  const middle = (left + right) / 2;
  context.globalAlpha = 1;
  context.strokeStyle = Number.isNaN(weight) ? header.bad : theme.accent;
  context.lineWidth = Math.max(2, lineLook(level, header.style, "linear").width);
  context.setLineDash(shown ? [] : [5, 4]);
  context.beginPath();
  context.moveTo(left, y(query));
  context.bezierCurveTo(middle, y(query), middle, y(key), right, y(key));
  context.stroke();
  context.setLineDash([]);
}

/**
 * Draw the tokens of both sides that are in view.
 * @param {Place} place
 * @param {Graph} graph
 * @param {Rows} focus the isolated token, or both tokens of the chosen pair
 * @param {Rows} [locked]
 */
export function drawTokens(place, graph, focus, locked = [null, null]) {
  const { context, firstRow, height, rowHeight, y } = place;
  /** @type {Map<number, number>} */
  const reached = new Map();
  // The lines of a pair's query are shown, and not those of its key.
  const from = focus[LEFT] !== null ? LEFT : RIGHT;
  const chosen = focus[from];
  if (chosen !== null) {
    const ends = from === LEFT ? graph.lines.key : graph.lines.query;
    for (const line of graph.byToken[from][chosen])
      reached.set(ends[line], graph.lines.weight[line] / (graph.header.style.top ?? 1));
  }
  context.textBaseline = "middle";
  graph.sides.forEach((tokens, side) => {
    context.textAlign = side === LEFT ? "right" : "left";
    for (let row = firstRow; row < tokens.length && y(row) < height + rowHeight; row++) {
      const weight = from === side ? undefined : reached.get(row);
      const marks = { isolated: focus[side] === row, any: chosen !== null, locked: locked[side] === row };
      drawToken(place, graph, { side, row, weight, ...marks });
    }
  });
}

/**
 * @param {Place} place
 * @param {Graph} graph
 * @param {{ side: number, row: number, weight: number | undefined, isolated: boolean, any: boolean, locked: boolean }}
 *   token `any` says whether some token is isolated
 */
function drawToken({ context, theme, width, left, right, rowHeight, y, shade, dark }, { header, sides }, token) {
  const { side, row, isolated } = token;
  const [text, special, generated, role] = sides[side][row];
  const level = (side === LEFT ? shade.query : shade.key)[row + header.first[side]];
  const { opacity, ground } = emphasis(isolated, token.weight, token.any, header.style);
  const top = y(row) - rowHeight / 2;
  const start = side === LEFT ? 0 : right + 4;
  const end = side === LEFT ? left - 4 : width;
  if (ground) {
    context.globalAlpha = ground;
    context.fillStyle = isolated ? theme.accent : header.line;
    context.fillRect(start, top + 1, end - start, rowHeight - 2);
  }
  if (token.locked) {
    context.globalAlpha = 1;
    context.strokeStyle = theme.accent;
    context.lineWidth = 1.5;
    context.strokeRect(start + 1, top + 1, end - start - 2, rowHeight - 2);
  }
  context.globalAlpha = opacity * (special || level ? SPECIAL : 1);
  context.fillStyle = theme.text;
  const room = side === LEFT ? left - 12 : width - right - 12;
  const { font } = context;
  if (generated) context.font = `italic ${font}`;
  context.fillText(text, side === LEFT ? left - 10 : right + 10, y(row), room);
  const wide = Math.min(room, context.measureText(text).width);
  const from = side === LEFT ? left - 10 - wide : right + 10;
  context.font = font;
  if (level === HIDDEN) context.fillRect(from, y(row), wide, 1);
  if (generated) context.fillStyle = theme.accent;
  if (generated) context.fillRect(from, y(row) + rowHeight / 2 - 3, wide, 1.5);
  if (role) {
    context.globalAlpha = 1;
    context.fillStyle = roleColour(role, header.style, dark);
    context.fillRect(side === LEFT ? left - 8.5 : right + 5.5, top, ROLE_WIDTH, rowHeight);
  }
  context.fillStyle = theme.text;
  context.globalAlpha = 0.55;
  if (header.cuts[side].includes(row)) {
    context.fillStyle = theme.faded;
    context.fillRect(side === LEFT ? 0 : right, top, side === LEFT ? left : width - right, 1);
  }
  context.beginPath();
  context.arc(side === LEFT ? left - 3 : right + 3, y(row), 1.8, 0, 7);
  context.fill();
}

/**
 * Write the names of the sides above them, over lines and tokens that are scrolled below.
 * @param {Place} place
 */
export function drawHeading({ context, theme, width, left, right }) {
  context.globalAlpha = 1;
  context.fillStyle = theme.background;
  context.fillRect(0, 0, width, 20);
  context.globalAlpha = SPECIAL;
  context.fillStyle = theme.text;
  context.font = `12px ${theme.font}`;
  context.textAlign = "right";
  context.fillText("query", left - 10, 13);
  context.textAlign = "left";
  context.fillText("key", right + 10, 13);
}
