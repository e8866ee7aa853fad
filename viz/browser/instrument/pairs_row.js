// @ts-check
// One pair in the table: two tokens with their positions, and the weight as a number and as a bar.

import { element } from "../core/canvas.js";
import { DIMMED } from "./shown.js";

/** @import { Pair } from "./pairs_ranked.js" */
/** @import { Shade } from "./shown.js" */
/** @import { Label, Trace } from "./trace.js" */

export class PairRow {
  /** What the row shows and how it is marked, so that only changes are written. */
  marked = "";

  /** @param {number} number of the row */
  constructor(number) {
    this.element = document.createElement("tr");
    this.element.dataset.number = String(number);
    this.queryPosition = element("td", "pairs-position", this.element);
    this.query = element("td", "pairs-query", this.element);
    this.keyPosition = element("td", "pairs-position", this.element);
    this.key = element("td", "pairs-key", this.element);
    const weight = element("td", "pairs-weight", this.element);
    this.bar = element("span", "pairs-bar", weight);
    this.bar.setAttribute("aria-hidden", "true");
    this.button = element("button", "pairs-button", weight);
    this.button.type = "button";
    this.button.tabIndex = -1;
  }

  /**
   * @param {Trace} trace
   * @param {Shade} shade
   * @param {Pair} pair
   * @param {number} strongest weight of the first row, which has the longest bar
   */
  write(trace, shade, [query, key, weight], strongest) {
    const { digits, words } = trace.header.style;
    const number = Number.isNaN(weight) ? words.bad : weight.toFixed(digits);
    this.queryPosition.textContent = String(query);
    this.keyPosition.textContent = String(key);
    writeToken(this.query, trace.queries[query], shade.query[query]);
    writeToken(this.key, trace.keys[key], shade.key[key]);
    this.button.textContent = number;
    const [from, to] = [trace.queries[query][0], trace.keys[key][0]];
    this.button.setAttribute("aria-label", `${number}, ${from} (${query}) ${words.verbs.query} ${to} (${key})`);
    this.bar.style.width = `${strongest ? (100 * (weight || 0)) / strongest : 0}%`;
  }

  /** @param {{ chosen: boolean, touched: boolean, locked: boolean }} marks */
  mark({ chosen, touched, locked }) {
    const marked = `${chosen} ${touched} ${locked}`;
    if (marked === this.marked) return;
    this.marked = marked;
    this.element.classList.toggle("pairs-chosen", chosen);
    this.element.classList.toggle("pairs-touched", touched);
    this.element.classList.toggle("pairs-locked", locked);
    this.button.setAttribute("aria-pressed", String(locked));
  }
}

/**
 * @param {HTMLElement} cell
 * @param {Label} label
 * @param {number} level
 */
function writeToken(cell, [text, special, generated], level) {
  cell.textContent = text;
  cell.classList.toggle("pairs-special", special);
  cell.classList.toggle("pairs-dimmed", level === DIMMED);
  cell.classList.toggle("pairs-generated", Boolean(generated));
}
