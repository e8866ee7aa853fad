// @ts-check
// The heads for the locked pair or token, the most telling first. A click opens a head.

import { element } from "../core/canvas.js";
import { placeNoun } from "./head_name.js";
import { findPair, findToken, LEAST_WEIGHT, rankForPair, rankHeads } from "./ranking_numbers.js";
import { addRow, chooseHeads, listenToRows, markChosen } from "./ranking_rows.js";
import { findMeans, lockedPairs, rankOverTexts } from "./ranking_sentences.js";
import {
  describePairFigures,
  describeRankedPair,
  describeTokenFigures,
  namePair,
  quoteToken,
} from "./ranking_words.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { HeadPlace } from "./ranking_numbers.js" */
/** @import { Means } from "./ranking_sentences.js" */
/** @import { Trace } from "./trace.js" */

/**
 * @typedef {object} RankedHeads
 * @property {string} title
 * @property {(place: HeadPlace) => string} sentence about the selected head
 * @property {HeadPlace[]} heads
 * @property {(place: HeadPlace) => string} figures of a head's row
 * @property {string} note what the list leaves out, or why it is empty
 * @property {boolean} isPair
 */

// Rows that are shown at first.
const FIRST_ROWS = 5;

export class Ranking {
  /** @type {"weight" | "ratio"} */
  order = "weight";
  showsAll = false;
  /** Whether heads are ranked over all texts in which a pair is locked. */
  overTexts = false;
  /** What the list was built of. @type {unknown[]} */
  built = [];
  /** What is shown; undefined before anything is. @type {RankedHeads | null | undefined} */
  ranked = undefined;
  /** @type {HTMLButtonElement[]} */
  rows = [];

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "ranking", parent);
    this.title = element("h2", "ranking-title", this.root);
    this.sentence = element("p", "ranking-sentence", this.root);
    this.sentence.setAttribute("role", "status");
    this.orders = element("div", "ranking-orders", this.root);
    this.orders.setAttribute("role", "group");
    this.orders.setAttribute("aria-label", "Order of the heads");
    const orders = /** @type {("weight" | "ratio")[]} */ (["weight", "ratio"]);
    this.choices = orders.map((order) => this.addChoice(order));
    this.texts = element("button", "ranking-button", this.orders);
    this.texts.type = "button";
    this.texts.textContent = "Over all texts";
    this.texts.addEventListener("click", () => {
      this.overTexts = !this.overTexts;
      instrument.redraw();
    });
    this.list = element("ol", "ranking-list", this.root);
    this.more = element("button", "ranking-button", this.root);
    this.more.type = "button";
    this.more.addEventListener("click", () => {
      this.showsAll = !this.showsAll;
      instrument.redraw();
    });
    this.first = element("button", "ranking-button", this.root);
    this.first.type = "button";
    this.first.textContent = `Choose the first ${FIRST_ROWS}`;
    this.first.addEventListener("click", () => {
      const { heads } = this.ranked ?? { heads: [] };
      if (instrument.trace) instrument.store.set(chooseHeads(heads.slice(0, FIRST_ROWS), instrument.trace.heads));
    });
    this.note = element("p", "ranking-note", this.root);
    listenToRows(this.list, instrument, () => this.rows);
  }

  /** @param {"weight" | "ratio"} order */
  addChoice(order) {
    const button = element("button", "ranking-button", this.orders);
    button.type = "button";
    button.dataset.order = order;
    button.textContent = `By ${order}`;
    button.addEventListener("click", () => {
      this.order = order;
      this.instrument.redraw();
    });
    return button;
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { trace, state } = scene;
    const ranked = this.rank(scene);
    if (this.ranked !== ranked) {
      this.ranked = ranked;
      this.build(trace, ranked);
    }
    const place = /** @type {HeadPlace} */ ([state.layer, state.head]);
    const sentence = ranked?.sentence(place) ?? `Lock two tokens to rank the ${placeNoun(trace)[1]} by their weight.`;
    if (this.sentence.textContent !== sentence) this.sentence.textContent = sentence;
    this.mark(String(place), String(state.hover.head ?? ""));
    markChosen(this.rows, state, trace.heads);
  }

  /**
   * Return the ranking of what is locked, the same object while nothing of it changes; null if nothing is locked.
   * @param {Scene} scene
   * @returns {RankedHeads | null}
   */
  rank({ trace, state: { query, key } }) {
    const pairs = lockedPairs(this.instrument, trace);
    const over = this.overTexts && pairs.length > 1 ? pairs : null;
    const figures = over ? findMeans(this.instrument, over) : this.find(trace, query, key);
    const wanted = [trace, query, key, figures, this.order, over?.join(), pairs.length, this.showsAll];
    if (wanted.every((each, place) => each === this.built[place])) return this.ranked ?? null;
    if (query !== this.built[1] || key !== this.built[2]) this.showsAll = false;
    this.built = [...wanted.slice(0, -1), this.showsAll];
    if (over) return rankOverTexts(trace, over.length, /** @type {Means | null} */ (figures), this.order);
    if (query !== null && key !== null) return this.rankPair(trace, query, key);
    return query !== null
      ? this.rankToken(trace, "query", query)
      : key !== null
        ? this.rankToken(trace, "key", key)
        : null;
  }

  /**
   * Return the figures of what is locked, null if nothing is or until the server has answered.
   * @param {Trace} trace
   * @param {number | null} query
   * @param {number | null} key
   */
  find(trace, query, key) {
    const { requests } = this.instrument;
    if (query !== null && key !== null) return findPair(trace, requests, query, key);
    if (query !== null) return findToken(trace, requests, "query", query);
    return key !== null ? findToken(trace, requests, "key", key) : null;
  }

  /**
   * @param {Trace} trace
   * @param {number} query
   * @param {number} key
   * @returns {RankedHeads}
   */
  rankPair(trace, query, key) {
    const title = `${trace.header.style.places} for ${namePair(trace, query, key)}`;
    const pair = findPair(trace, this.instrument.requests, query, key);
    if (!pair) return waitingRanking(title, true, this.instrument.requests?.transport);
    const heads = rankForPair(trace, pair, this.order);
    const left = rankForPair(trace, pair, "weight").filter(
      (place) => pair.weight[numberOf(trace, place)] < LEAST_WEIGHT,
    );
    const none = `No head lets ${quoteToken(trace, "query", query)} attend to ${quoteToken(trace, "key", key)}.`;
    const leftOut = `Heads whose weight is below ${LEAST_WEIGHT} are left out: ${left.length}.`;
    return {
      title,
      sentence: (place) => {
        const number = numberOf(trace, place);
        return describeRankedPair(trace, query, key, pair.weight[number], pair.others[number]);
      },
      heads,
      figures: (place) => describePairFigures(pair, numberOf(trace, place)),
      note: this.order === "ratio" && left.length ? leftOut : heads.length ? "" : none,
      isPair: true,
    };
  }

  /**
   * @param {Trace} trace
   * @param {"query" | "key"} side
   * @param {number} position
   * @returns {RankedHeads}
   */
  rankToken(trace, side, position) {
    const token = quoteToken(trace, side, position);
    const { here, places, words } = trace.header.style;
    const title = `${places} in which ${token} ${words.verbs[side]} few`;
    const found = findToken(trace, this.instrument.requests, side, position);
    if (!found) return waitingRanking(title, false, this.instrument.requests?.transport);
    const describe = (/** @type {HeadPlace} */ place) =>
      describeTokenFigures(trace, side, found, numberOf(trace, place));
    const heads = rankHeads(trace, found.entropy, 1);
    return {
      title,
      sentence: (place) =>
        Number.isNaN(found.entropy[numberOf(trace, place)])
          ? `${here}, ${token} has no entropy.`
          : `${here}, ${token}: ${describe(place)}.`,
      heads,
      figures: describe,
      note: heads.length
        ? `The fewer bits of entropy, the sharper. Lock a second token to rank the ${placeNoun(trace)[1]} for the pair.`
        : "",
      isPair: false,
    };
  }

  /**
   * @param {Trace} trace
   * @param {RankedHeads | null} ranked
   */
  build(trace, ranked) {
    const heads = ranked?.heads ?? [];
    this.title.textContent = ranked?.title ?? `${trace.header.style.places} for a pair`;
    this.orders.hidden = !ranked?.isPair;
    const nPairs = lockedPairs(this.instrument, trace).length;
    this.texts.hidden = trace.header.sentences.length < 2;
    this.texts.disabled = nPairs < 2;
    this.texts.title = nPairs < 2 ? "Lock a pair in at least two of the texts." : "";
    this.texts.setAttribute("aria-pressed", String(this.overTexts && nPairs > 1));
    for (const choice of this.choices) choice.setAttribute("aria-pressed", String(choice.dataset.order === this.order));
    this.note.textContent = ranked?.note ?? "";
    this.more.hidden = heads.length <= FIRST_ROWS;
    this.first.hidden = heads.length < FIRST_ROWS;
    this.more.textContent = this.showsAll ? `Show the first ${FIRST_ROWS}` : `Show all ${heads.length}`;
    this.more.setAttribute("aria-expanded", String(this.showsAll));
    this.list.hidden = !heads.length;
    this.list.replaceChildren();
    this.rows = heads
      .slice(0, this.showsAll ? heads.length : FIRST_ROWS)
      .map((place) => addRow(this.list, trace, place, ranked?.figures(place) ?? ""));
  }

  /**
   * Mark the selected and the hovered head. The selected row, or else the first, is the list's tab stop.
   * @param {string} selected
   * @param {string} hovered
   */
  mark(selected, hovered) {
    const focused = this.rows.find((row) => row === document.activeElement);
    const stop = focused ?? this.rows.find((row) => row.dataset.head === selected) ?? this.rows[0];
    for (const row of this.rows) {
      const { head } = row.dataset;
      if (head === selected) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
      row.classList.toggle("ranking-hovered", head === hovered);
      row.tabIndex = row === stop ? 0 : -1;
    }
    const shown = this.root.dataset;
    shown.first = this.rows[0]?.dataset.head ?? "";
    shown.rows = String(this.rows.length);
    shown.order = this.ranked?.isPair ? this.order : "";
  }
}

/**
 * @param {string} title
 * @param {boolean} isPair
 * @param {unknown} server what answers; a file has none
 * @returns {RankedHeads}
 */
function waitingRanking(title, isPair, server) {
  const note = server ? "The server is asked for the weights." : "This file does not contain the weights of all heads.";
  return { title, sentence: () => "", heads: [], figures: () => "", note, isPair };
}

/**
 * @param {Trace} trace
 * @param {HeadPlace} place
 */
function numberOf(trace, [layer, head]) {
  return layer * trace.nHeads + head;
}
