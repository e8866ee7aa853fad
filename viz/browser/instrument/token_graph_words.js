// @ts-check
// What a token graph says, in the sentences that its data bring along: a file of the same picture says the same.

import { fill, percent } from "../core/text.js";
import { LEFT } from "./token_graph_layout.js";

/** @import { Region } from "./store.js" */
/** @import { Lines, Token } from "./token_graph_layout.js" */

/**
 * @typedef {object} Words templates, described in viz/style.py
 * @property {string} sentence
 * @property {{ query: string, key: string }} verbs
 * @property {string} nothing
 * @property {string} bad
 * @property {string} locked
 * @property {string} end
 * @property {string} end_of_head
 * @property {string} of_head
 * @property {string} repeated
 * @property {string} more
 * @property {string} lines
 * @property {{ query: string, key: string }} shares
 * @property {string} unknown
 * @property {string} from
 * @property {string} hold
 * @property {[all: string, part: string]} whose
 * @property {string} hold_nothing
 * @property {string} some_bad
 * @property {Record<string, string>} byScale
 * @property {string} part
 * @property {string} little
 * @property {string} nearly
 */

/**
 * @typedef {object} Style numbers, described in viz/style.py
 * @property {number} strengths
 * @property {number} [top] weight of the strongest look of a line: 1, unless the trace has a weight above 1
 * @property {number} strongest
 * @property {number} floor
 * @property {[number, number]} opacity
 * @property {[number, number]} width
 * @property {number} isolated
 * @property {[number, number]} reached
 * @property {number} faded
 * @property {number} dimmed
 * @property {number} ends
 * @property {number} digits
 * @property {[number, number, number]} bounds
 * @property {Words} words
 * @property {{ light: string[], dark: string[] }} head_colours of the lines of several heads, by the ground
 * @property {number[][]} head_dashes
 * @property {import("./roles.js").RoleColours} role_colours
 */

/** @import { Label } from "./trace.js" */

/**
 * @typedef {object} Header
 * @property {[number, number]} first position of the first row of each side
 * @property {Label[]} queries
 * @property {Label[]} keys
 * @property {[number[], number[]]} cuts rows of each side above which another text begins
 * @property {string} line colour of a line
 * @property {string} bad colour of what is not a number
 * @property {string} scale
 * @property {Style} style
 */

/**
 * @typedef {object} Graph
 * @property {Header} header
 * @property {Lines} lines
 * @property {[Label[], Label[]]} sides
 * @property {number[][][]} byToken lines of every row of both sides, strongest first
 * @property {string[]} [heads] names of the heads whose lines these are, where they are several: "2.5"
 */

/**
 * Return the side of a token as the server names it.
 * @param {Token} token
 */
function sideOf(token) {
  return token.side === LEFT ? "query" : "key";
}

/**
 * Return a token's position in the whole text, of which the picture may be a part.
 * @param {Header} header
 * @param {Token} token
 */
export function positionOf(header, token) {
  return token.row + header.first[token.side];
}

/**
 * Return a token's text, with its position if the text occurs more than once.
 * @param {Graph} graph
 * @param {Token} token
 */
export function labelOf({ header, sides }, token) {
  const text = sides[token.side][token.row][0];
  const once = sides[token.side].filter(([each]) => each === text).length === 1;
  return once ? text : fill(header.style.words.repeated, { token: text, position: positionOf(header, token) });
}

/**
 * Return a share in per cent: a little is not nothing, and what is hidden keeps a share from being the whole.
 * @param {number} share
 * @param {Style} style
 */
export function describeShare(share, { bounds: [little, nearly, whole], words }) {
  if (share > 0 && share < little) return words.little;
  return share >= nearly && share < whole ? words.nearly : percent(share);
}

/**
 * Return what is drawn and what the threshold hides.
 * @param {Graph} graph
 * @param {number} threshold
 * @param {Region | null} part that is shown, null for the whole head
 */
export function describeLines({ header, lines }, threshold, part) {
  const { words } = header.style;
  const lowest = fill(words.from, { threshold: allDigits(threshold) });
  const said = part ? `${describePart(part, header.style)}, ${lowest}` : lowest;
  const sum = (/** @type {Float32Array} */ numbers) => numbers.reduce((total, number) => total + number, 0);
  const whole = sum(lines.given);
  if (Number.isNaN(whole)) return fill(words.some_bad, { lines: said });
  if (!whole) return fill(words.hold_nothing, { lines: said });
  const share = describeShare(sum(lines.weight) / whole, header.style);
  const scale = words.byScale[header.scale];
  return fill(words.hold, { lines: said, share, whose: words.whose[part ? 1 : 0] }) + scale;
}

/**
 * @param {Region} part
 * @param {Style} style
 */
export function describePart([firstQuery, lastQuery, firstKey, lastKey], { words }) {
  const [first_query, last_query, first_key, last_key] = [firstQuery, lastQuery, firstKey, lastKey].map((position) =>
    position.toLocaleString("en"),
  );
  return fill(words.part, { first_query, last_query, first_key, last_key });
}

/**
 * Return a threshold with all its digits, and at least two: a rounded one would promise other lines.
 * @param {number} threshold
 */
function allDigits(threshold) {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 20, useGrouping: false };
  return Number(threshold.toPrecision(6)).toLocaleString("en", digits);
}

/**
 * Return what the weight of a pair is.
 * @param {Graph} graph
 * @param {[query: number, key: number]} rows
 * @param {number} weight -1 where the query may not attend to the key
 * @param {boolean} locked
 */
export function describePair({ header, sides }, [query, key], weight, locked) {
  const { words, digits } = header.style;
  const named = (/** @type {number} */ side, /** @type {number} */ row) =>
    fill(words.repeated, { token: sides[side][row][0], position: row + header.first[side] });
  const number = Number.isNaN(weight) ? words.bad : weight === -1 ? "masked" : weight.toFixed(digits);
  const pair = `${named(LEFT, query)}${locked ? words.locked : ""} ${words.verbs.query} ${named(1 - LEFT, key)}`;
  return `${pair}: ${number}`;
}

/**
 * Return the token at the end of a line with its weight, and its head if the lines are those of several heads.
 * @param {Graph} graph
 * @param {number} line
 * @param {string} token
 */
export function describeEnd({ header, lines, heads }, line, token) {
  const { words, digits } = header.style;
  const weight = Number.isNaN(lines.weight[line]) ? words.bad : lines.weight[line].toFixed(digits);
  const head = heads && lines.head ? heads[lines.head[line]] : null;
  return head === null ? fill(words.end, { token, weight }) : fill(words.end_of_head, { token, weight, head });
}

/**
 * Return what the lines of a token say.
 * @param {Graph} graph
 * @param {Token} token
 * @param {boolean} locked
 */
export function describeToken(graph, token, locked) {
  const { header, lines, sides, byToken } = graph;
  const { words, ends } = header.style;
  const own = byToken[token.side][token.row];
  const other = token.side === LEFT ? lines.key : lines.query;
  const named = own
    .slice(0, ends)
    .map((line) => describeEnd(graph, line, labelOf(graph, { side: 1 - token.side, row: other[line] })));
  const whole = (token.side === LEFT ? lines.given : lines.received)[token.row];
  const share = own.reduce((sum, line) => sum + lines.weight[line], 0) / whole;
  return fill(words.sentence, {
    token: sides[token.side][token.row][0],
    position: positionOf(header, token),
    locked: locked ? words.locked : "",
    verb: words.verbs[sideOf(token)],
    ends: named.join(", ") || words.nothing,
    more: own.length > ends ? fill(words.more, { count: own.length - ends }) : "",
    lines: words.lines,
    share: Number.isFinite(share)
      ? fill(words.shares[sideOf(token)], { share: describeShare(share, header.style) })
      : words.unknown,
  });
}
