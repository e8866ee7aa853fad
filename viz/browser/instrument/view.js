// @ts-check
// The view of a trace: words instead of pieces, hidden tokens. Computed here if the browser has all weights, as
// models/derived.py computes them; else the server does it.

import { changesOfWords } from "./changes.js";
import { HIDDEN, shadeOf } from "./shown.js";
import { Trace } from "./trace.js";

/** @import { Region, Selection, Side, State } from "./store.js" */
/** @import { Header, Label, Words } from "./trace.js" */

/** @typedef {{ starts: number[], count: number }} Groups first pieces of the words of a side, and its pieces */

/**
 * Return what a view changes, as the parameters of a request; "" for the trace itself.
 * @param {Selection} state
 */
export function viewQuery({ unit, special, sink, renormalise }) {
  /** @type {Record<string, string>} */
  const changes = {};
  if (unit === "words") changes.unit = unit;
  if (special === "hide") changes.special = special;
  if (sink === "hide") changes.sink = sink;
  if (renormalise && (special === "hide" || sink === "hide")) changes.renormalise = "True";
  return new URLSearchParams(changes).toString();
}

/**
 * Return the view of a trace whose weights are all here.
 * @param {Trace} base
 * @param {State} state
 */
export function deriveView(base, state) {
  let view = state.unit === "words" ? joinWords(base) : base;
  if (state.special === "hide" || state.sink === "hide") view = hideTokens(view, state);
  view.query = viewQuery(state);
  return view;
}

/**
 * Return the words of each side.
 * @param {Trace} trace
 * @returns {[queries: Groups, keys: Groups]}
 */
export function groupsOf({ header, queries, keys }) {
  const of = (/** @type {Words | null} */ words, /** @type {Label[]} */ pieces) => ({
    starts: words?.starts ?? pieces.map((_, position) => position),
    count: pieces.length,
  });
  const { words } = header;
  return [of(words?.queries ?? null, queries), of(words ? (words.keys ?? words.queries) : null, keys)];
}

/**
 * Return the trace of words: the columns of a word's pieces are added, their rows averaged (Clark et al. 2019).
 * @param {Trace} base
 */
function joinWords(base) {
  const { words } = base.header;
  if (!words) return copyOf(base, {}, /** @type {Float32Array} */ (base.weights));
  const [queries, keys] = groupsOf(base);
  const size = base.queries.length * base.keys.length;
  const wide = keys.starts.length;
  const joined = new Float32Array(base.nLayers * base.nHeads * queries.starts.length * wide);
  const columns = wordOfPieces(keys);
  const sums = new Float64Array(wide);
  const masked = new Uint8Array(wide);
  for (let number = 0; number < base.nLayers * base.nHeads; number++) {
    const weights = /** @type {Float32Array} */ (base.weights).subarray(number * size, (number + 1) * size);
    queries.starts.forEach((start, row) => {
      const end = queries.starts[row + 1] ?? queries.count;
      sums.fill(0);
      masked.fill(1);
      for (let query = start; query < end; query++) {
        for (let key = 0; key < keys.count; key++) {
          const weight = weights[query * keys.count + key];
          if (weight === -1) continue;
          sums[columns[key]] += weight;
          masked[columns[key]] = 0;
        }
      }
      const to = (number * queries.starts.length + row) * wide;
      for (let word = 0; word < wide; word++) joined[to + word] = masked[word] ? -1 : sums[word] / (end - start);
    });
  }
  const { cuts, spans } = base.header;
  const sides = /** @type {const} */ ([queries, keys]);
  const header = {
    queries: words.queries.labels,
    keys: words.keys ? words.keys.labels : base.header.keys,
    begins: wordAt(queries, base.header.begins),
    cuts: /** @type {[number[], number[]]} */ (
      cuts.map((each, side) => [...new Set(each.map((at) => wordAt(sides[side], at)))])
    ),
    spans:
      spans?.map((side, at) =>
        side.map(
          ([first, last]) => /** @type {[number, number]} */ ([wordAt(sides[at], first), wordAt(sides[at], last)]),
        ),
      ) ?? null,
    truth: null,
    scores: null,
    words: null,
    changed: changesOfWords(base.header.changed, sides),
  };
  return copyOf(base, header, joined);
}

/** @param {Groups} groups */
function wordOfPieces({ starts, count }) {
  const found = new Int32Array(count);
  let word = 0;
  for (let piece = 0; piece < count; piece++) {
    if (starts[word + 1] === piece) word++;
    found[piece] = word;
  }
  return found;
}

/**
 * Return the trace without its hidden tokens: their rows and columns are masked. With `renormalise`, each row is divided
 * by what is left of it.
 * @param {Trace} view
 * @param {State} state
 */
function hideTokens(view, state) {
  const { special, sink, renormalise } = state;
  const treatment = /** @type {State} */ ({
    special: special === "hide" ? "hide" : "show",
    sink: sink === "hide" ? "hide" : "show",
  });
  const shade = shadeOf(view, treatment);
  const weights = Float32Array.from(/** @type {Float32Array} */ (view.weights));
  const [high, wide] = [view.queries.length, view.keys.length];
  for (let row = 0; row < view.nLayers * view.nHeads * high; row++) {
    const own = weights.subarray(row * wide, (row + 1) * wide);
    if (shade.query[row % high] === HIDDEN) {
      own.fill(-1);
      continue;
    }
    let left = 0;
    for (let key = 0; key < wide; key++) {
      if (shade.key[key] === HIDDEN) own[key] = -1;
      else if (own[key] !== -1) left += own[key];
    }
    if (!renormalise || left === 0) continue;
    for (let key = 0; key < wide; key++) if (own[key] !== -1) own[key] /= left;
  }
  return copyOf(view, {}, weights);
}

/**
 * Return a trace with other weights.
 * @param {Trace} trace
 * @param {Partial<Header>} changes
 * @param {Float32Array} weights
 */
function copyOf(trace, changes, weights) {
  const { colours } = trace;
  return new Trace({ header: { ...trace.header, ...changes, tiles: [] }, arrays: { colours, weights } });
}

/**
 * Return the word that has a piece.
 * @param {Groups} groups
 * @param {number} piece
 */
export function wordAt({ starts }, piece) {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= piece) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/**
 * Return the change of a selection to another unit: locked tokens and the region stay on the same text.
 * @param {Selection} selection
 * @param {"pieces" | "words"} unit
 * @param {[queries: Groups, keys: Groups]} groups
 * @returns {Partial<Selection>}
 */
export function convertUnit(selection, unit, groups) {
  if (unit === selection.unit) return {};
  const first = (/** @type {number} */ side, /** @type {number} */ at) =>
    unit === "words" ? wordAt(groups[side], at) : (groups[side].starts[at] ?? 0);
  const last = (/** @type {number} */ side, /** @type {number} */ at) =>
    unit === "words" ? wordAt(groups[side], at) : (groups[side].starts[at + 1] ?? groups[side].count) - 1;
  const locked = (/** @type {Side} */ side, /** @type {number | null} */ at) =>
    at === null ? null : first(side === "query" ? 0 : 1, at);
  const { region } = selection;
  return {
    unit,
    query: locked("query", selection.query),
    key: locked("key", selection.key),
    region:
      region &&
      /** @type {Region} */ ([first(0, region[0]), last(0, region[1]), first(1, region[2]), last(1, region[3])]),
  };
}
