// @ts-check
// The strongest pairs of the selected head and region as a table; with a locked token, those of this token.

import { element } from "../core/canvas.js";
import { clamp, isolate } from "../core/text.js";
import { strongestPairs } from "./pairs_ranked.js";
import { PairRow } from "./pairs_row.js";
import { exactTile, isExact } from "./part.js";
import { shownHead } from "./shown.js";
import { togglePair } from "./store.js";
import { describePart } from "./token_graph_words.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Pair } from "./pairs_ranked.js" */
/** @import { Side, State } from "./store.js" */

/** @typedef {{ side: Side, position: number }} Only */

const MOST_PAIRS = 40;
// So many rows are in one table at least, before a second one begins beside it.
const FEW_ROWS = 5;
const TABLES = 2;
const HEADINGS = ["position", "query", "position", "key", "weight"];
const PAIRS_WAIT = "The weights of this head have not come yet.";
const PAIRS_LACK = "This file does not have the weights of this head.";
const NO_PAIRS = "There is no pair to show.";

/** @type {Record<string, number>} */
const ROW_STEPS = { ArrowUp: -1, ArrowDown: 1, Home: -1e9, End: 1e9 };

export class Pairs {
  /** @type {PairRow[]} */
  rows = [];
  /** @type {Pair[]} */
  pairs = [];
  /** The row that the tab key reaches. */
  current = 0;
  /** The token whose pairs are shown, null for those of all tokens. @type {Only | null} */
  only = null;
  /** What the rows were found from. @type {unknown[]} */
  found = [];

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.root = parent;
    this.instrument = instrument;
    this.title = element("h2", "pairs-title", parent);
    this.note = element("p", "pairs-note", parent);
    this.scroll = element("div", "pairs-scroll", parent);
    this.scroll.setAttribute("role", "region");
    this.bodies = Array.from({ length: TABLES }, (_, number) => this.addTable(number));
    const { store } = instrument;
    this.scroll.addEventListener("pointerover", (event) => this.hover(this.rowOf(event)));
    this.scroll.addEventListener("pointerleave", () => store.hover(null));
    this.scroll.addEventListener("click", (event) => this.toggle(this.rowOf(event)));
    this.scroll.addEventListener("keydown", (event) => this.press(event));
    this.scroll.addEventListener("focusin", (event) => {
      // A click also focuses the button: the pointer says then what is hovered.
      if (/** @type {Element} */ (event.target).matches("button:focus-visible")) this.hover(this.rowOf(event));
    });
    this.scroll.addEventListener("focusout", (event) => {
      if (/** @type {Element} */ (event.target).matches("button:focus-visible")) store.hover(null);
    });
  }

  /** @param {number} number */
  addTable(number) {
    const table = element("table", "pairs-table", this.scroll);
    table.setAttribute("aria-label", number ? "Weaker pairs" : "Stronger pairs");
    const row = element("tr", "", element("thead", "", table));
    HEADINGS.forEach((heading) => {
      const cell = element("th", "", row);
      cell.scope = "col";
      cell.textContent = heading;
    });
    return element("tbody", "", table);
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { state, trace } = scene;
    const { title, pairs, note, key } = this.find(scene);
    if (key.some((each, at) => each !== this.found[at])) {
      this.found = key;
      this.title.textContent = title;
      this.scroll.setAttribute("aria-label", title);
      this.note.textContent = note;
      this.note.hidden = !note;
      this.fill(scene, pairs ?? []);
      Object.assign(this.root.dataset, { pairs: String(this.pairs.length), drawn: shownHead(state).join(" ") });
    }
    this.mark(scene);
    this.root.dataset.trace = trace.header.opening.id;
  }

  /**
   * Return the pairs to show, null if they have not come, and what is said of them.
   * @param {Scene} scene
   * @returns {{ title: string, pairs: Pair[] | null, note: string, key: unknown[] }}
   */
  find(scene) {
    const { state, shade, tile, trace } = scene;
    this.only = nextOnly(this.only, state);
    const locked = this.only;
    const labels = locked?.side === "key" ? trace.keys : trace.queries;
    const title = locked
      ? `Strongest pairs of ${isolate(`'${labels[locked.position][0]}'`)} (${locked.position})`
      : "Strongest pairs";
    const exact = (locked || (tile && isExact(tile))) && exactTile(this.instrument, scene);
    const detail = exact || !tile || isExact(tile) || locked ? null : this.askDetail(state);
    const source = exact || detail;
    const key = [source, title, locked?.side, trace, shade, shownHead(state).join(), state.region?.join()];
    if (key.every((each, at) => each === this.found[at]) && this.found.length) {
      return { title, pairs: this.pairs, note: "", key };
    }
    const pairs = exact ? strongestPairs(exact, MOST_PAIRS, locked) : detail;
    const whole = state.region ?? trace.whole;
    const part = exact && exact.region.join() !== whole.join() ? describePart(exact.region, trace.header.style) : "";
    const lacking = this.instrument.requests?.transport ? PAIRS_WAIT : PAIRS_LACK;
    const note = pairs ? (pairs.length ? part && `Among ${part}.` : NO_PAIRS) : lacking;
    return { title, pairs, note, key };
  }

  /**
   * Return the strongest pairs as the server finds them in a long text, null until they have come.
   * @param {State} state
   * @returns {Pair[] | null}
   */
  askDetail(state) {
    return this.instrument.requests?.detail(shownHead(state), state.region)?.pairs ?? null;
  }

  /**
   * Write the pairs into the tables. Rows stay elements from head to head.
   * @param {Scene} scene
   * @param {Pair[]} pairs
   */
  fill({ trace, shade }, pairs) {
    this.pairs = pairs;
    this.scroll.hidden = !pairs.length;
    const half = Math.max(FEW_ROWS, Math.ceil(pairs.length / TABLES));
    const strongest = Math.max(...pairs.map(([, , weight]) => weight || 0), 0);
    pairs.forEach((pair, number) => {
      this.rows[number] ??= new PairRow(number);
      const body = this.bodies[number < half ? 0 : 1];
      const row = this.rows[number];
      if (row.element.parentNode !== body) body.append(row.element);
      row.write(trace, shade, pair, strongest);
    });
    for (const row of this.rows.slice(pairs.length)) row.element.remove();
    // A row that moved from the second table to the first one is behind those that stayed there.
    this.bodies.forEach((body, table) => {
      const own = this.rows.slice(0, pairs.length).filter((_, number) => number < half === (table === 0));
      if (own.some((row, at) => body.children[at] !== row.element))
        body.replaceChildren(...own.map((row) => row.element));
      /** @type {HTMLElement} */ (body.parentElement).hidden = !own.length;
    });
    this.moveTo(Math.min(this.current, pairs.length - 1));
  }

  /**
   * Mark the rows of the focus and of what is locked.
   * @param {Scene} scene
   */
  mark({ focus, state }) {
    const touches = (/** @type {Pair} */ [query, key]) =>
      (focus.query === null || focus.query === query) && (focus.key === null || focus.key === key);
    // A mark on every row would say nothing.
    const any = !this.pairs.every(touches);
    this.pairs.forEach((pair, number) => {
      const [query, key] = pair;
      this.rows[number].mark({
        chosen: focus.query === query && focus.key === key,
        touched: any && touches(pair),
        locked: state.query === query && state.key === key,
      });
    });
  }

  /** @param {Event} event */
  rowOf(event) {
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("tbody tr"));
    return row ? Number(row.dataset.number) : null;
  }

  /** @param {number | null} number */
  hover(number) {
    if (number === null) return this.instrument.store.hover(null);
    const [query, key] = this.pairs[number];
    this.instrument.store.hover({ query, key });
  }

  /** @param {number | null} number */
  toggle(number) {
    if (number === null) return;
    const { store } = this.instrument;
    const [query, key] = this.pairs[number];
    this.moveTo(number);
    store.set(togglePair(store.state, query, key));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const step = ROW_STEPS[event.key];
    const isButton = /** @type {Element} */ (event.target).matches("button");
    if (!step || !isButton || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.moveTo(clamp(this.current + step, 0, this.pairs.length - 1));
    this.rows[this.current].button.focus();
  }

  /** @param {number} number of the row that the tab key reaches from now on */
  moveTo(number) {
    this.rows.forEach((row, at) => {
      row.button.tabIndex = at === Math.max(0, number) ? 0 : -1;
    });
    this.current = Math.max(0, number);
  }
}

/**
 * Return the token whose pairs are shown: the locked one. A locked pair leaves the rows as they are, else the row that
 * was clicked would move away.
 * @param {Only | null} before
 * @param {State} state
 * @returns {Only | null}
 */
export function nextOnly(before, { query, key, first }) {
  const positions = { query, key };
  if (query !== null && key !== null) {
    if (!before || positions[before.side] === before.position) return before;
    return { side: first, position: first === "query" ? query : key };
  }
  if (query !== null) return { side: "query", position: query };
  return key === null ? null : { side: "key", position: key };
}
