// @ts-check
// The picture of all heads as a table, for everybody who cannot see it. It is built when a visitor opens it.

import { element } from "../core/canvas.js";
import { percent } from "../core/text.js";
import { chooseOnly, chosenHeads, toggleHead } from "./head_choice.js";
import { placeName, placeNoun } from "./head_name.js";
import { chosenName } from "./head_set.js";
import { describeGroup } from "./heads_chosen.js";
import { measuresOfTile, measureWords } from "./measures.js";
import { findPair, listHeads } from "./ranking_numbers.js";
import { formatRatio, formatWeight, namePair } from "./ranking_words.js";
import { weightOfNumber } from "./scales.js";
import { shadeOf } from "./shown.js";

/** @import { HeadPlace } from "./heads_layout.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { PairInHeads } from "./ranking_numbers.js" */
/** @import { State } from "./store.js" */
/** @import { Trace } from "./trace.js" */
/** @typedef {[title: string, meaning: string, cell: (place: HeadPlace) => string]} Column */

export class HeadsTable {
  /** @type {HTMLTableRowElement[]} */
  rows = [];
  /** @type {unknown[]} */
  shown = [];
  /** Counts the tables. */
  number = 0;
  /** What the checked boxes depend on. */
  marked = "";

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("details", "heads-table", parent);
    this.summary = element("summary", "heads-summary", this.root);
    this.space = element("div", "heads-table-space", this.root);
    this.space.tabIndex = 0;
    this.space.setAttribute("role", "region");
    this.root.addEventListener("toggle", () => instrument.redraw());
  }

  /**
   * @param {Scene} scene
   * @param {(number | null)[] | null} scores
   */
  draw({ trace, state }, scores) {
    const name = `All ${placeNoun(trace)[1]} as a table`;
    if (this.summary.textContent !== name) {
      this.summary.textContent = name;
      this.space.setAttribute("aria-label", name);
    }
    if (!this.root.open) return;
    const { query, key } = state;
    const isPair = query !== null && key !== null;
    const pair = isPair ? findPair(trace, this.instrument.requests, query, key) : null;
    const wanted = [trace, trace.done, pair?.weight, scores];
    if (wanted.some((each, place) => each !== this.shown[place])) {
      this.shown = wanted;
      const caption = pair && isPair ? `Weight of ${namePair(trace, query, key)}` : trace.header.title;
      this.build(trace, caption, pair ? pairColumns(trace, pair) : headColumns(trace, state, scores));
    }
    const selected = `${state.layer} ${state.head}`;
    for (const row of this.rows) {
      if (row.dataset.head === selected) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    if (this.marked === `${trace.header.trace} ${state.heads} ${this.number}`) return;
    this.marked = `${trace.header.trace} ${state.heads} ${this.number}`;
    const chosen = new Set(chosenHeads(state, trace.heads).map(([layer, head]) => `${layer} ${head}`));
    for (const row of this.rows) {
      const box = row.querySelector("input");
      if (box) box.checked = chosen.has(row.dataset.head ?? "");
    }
  }

  /**
   * @param {Trace} trace
   * @param {string} caption
   * @param {Column[]} columns
   */
  build(trace, caption, columns) {
    this.number++;
    const table = document.createElement("table");
    element("caption", "heads-caption", table).textContent = caption;
    const titles = element("tr", "", element("thead", "", table));
    const first = placeNoun(trace)[0] === "layer" ? "Layer" : "Head";
    for (const [title, meaning] of [[first, ""], ["Chosen", ""], ...columns]) {
      const cell = element("th", "", titles);
      cell.scope = "col";
      cell.textContent = title;
      cell.title = meaning;
    }
    const body = element("tbody", "", table);
    this.rows = listHeads(trace).map((place) => this.addRow(trace, place, columns, body));
    this.space.replaceChildren(table);
  }

  /**
   * @param {Trace} trace
   * @param {HeadPlace} place
   * @param {Column[]} columns
   * @param {HTMLElement} body
   */
  addRow(trace, place, columns, body) {
    const row = element("tr", "", body);
    const [layer, head] = place;
    row.dataset.head = `${layer} ${head}`;
    const { store } = this.instrument;
    const name = element("th", "", row);
    name.scope = "row";
    const button = element("button", "heads-button", name);
    button.type = "button";
    button.textContent = placeName(trace, layer, head);
    button.addEventListener("click", () => store.set(chooseOnly(place)));
    const box = element("input", "heads-check", element("td", "", row));
    box.type = "checkbox";
    box.ariaLabel = `Choose head ${chosenName(place)}`;
    box.addEventListener("change", () => store.set(toggleHead(store.state, place, trace.heads)));
    for (const [, , cell] of columns) element("td", "", row).textContent = cell(place);
    return row;
  }
}

/**
 * @param {Trace} trace
 * @param {PairInHeads} pair
 * @returns {Column[]}
 */
function pairColumns(trace, { weight, others }) {
  const at = (/** @type {HeadPlace} */ [layer, head]) => layer * trace.nHeads + head;
  const isMasked = (/** @type {HeadPlace} */ place) => weight[at(place)] === -1;
  return [
    [
      "Weight",
      "what the query gives the key",
      (place) => (isMasked(place) ? "masked" : formatWeight(weight[at(place)])),
    ],
    ["Others", "mean of the other queries", (place) => formatWeight(others[at(place)])],
    [
      "Ratio",
      "weight by others",
      (place) => (isMasked(place) ? "" : formatRatio(weight[at(place)], others[at(place)])),
    ],
  ];
}

/**
 * @param {Trace} trace
 * @param {State} state
 * @param {(number | null)[] | null} scores
 * @returns {Column[]}
 */
function headColumns(trace, state, scores) {
  const { measures, header, nHeads } = trace;
  /** @type {Column[]} */
  const columns = [];
  if (header.groups?.length)
    columns.push(["Keys", "heads that share their keys", (place) => describeGroup(trace, place)]);
  const names = measures || trace.weights ? (header.measures ?? []) : [];
  const shade = shadeOf(trace, state).query;
  names.forEach(([, title, meaning, unit], number) => {
    const of = (/** @type {HeadPlace} */ place) => {
      if (measures) return measures[(place[0] * nHeads + place[1]) * names.length + number];
      const tile = trace.tile(place, null);
      return tile ? measuresOfTile(trace, tile, shade)[number] : Number.NaN;
    };
    columns.push([title, meaning, (place) => (Number.isNaN(of(place)) ? "" : measureWords(unit, of(place)))]);
  });
  if (!names.length) columns.push(["Largest weight", "", (place) => largestWeight(trace, place)]);
  if (scores) {
    const of = (/** @type {HeadPlace} */ [layer, head]) => scores[layer * nHeads + head];
    columns.push(["True key", "how often the strongest key is the true one", (place) => percent(of(place) ?? 0)]);
  }
  return columns;
}

/**
 * Return the largest weight of a head, as exactly as its thumbnail has it.
 * @param {Trace} trace
 * @param {HeadPlace} place
 */
function largestWeight(trace, place) {
  const { style } = trace.header;
  const thumbnail = trace.thumbnail(...place);
  if (!thumbnail) return "not computed yet";
  const most = thumbnail.cells.reduce((most, cell) => (cell !== style.masked && cell > most ? cell : most), 0);
  return weightOfNumber(most, style).toFixed(2);
}
