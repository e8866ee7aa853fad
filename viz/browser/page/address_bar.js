// @ts-check
// The page's URL has two writers: the server names model and text, the browser names the selection. A change of model or
// text adds an entry to the browser's history; all other changes rename the present entry. Back and Forward inform the
// server of what the page showed before.

import { globals } from "../core/globals.js";

/** @import { Send } from "../core/component.js" */

/**
 * @typedef {object} Shown what the server says of the URL
 * @property {string} query the parameters that the server owns
 * @property {string} step a change of it adds an entry
 * @property {number} went number of the last Back or Forward that the server has answered
 * @property {string | null} selection the parameters of the selection until the instrument has one; null for a page
 *   without a selection
 */

// Streamlit's own parameters stay in the URL.
const EMBEDDED = /^embed(_options)?$/;

/**
 * Return the page's only address bar, for all components of the page.
 * @returns {AddressBar}
 */
export function addressBar() {
  globals.headlightAddress ??= new AddressBar();
  return globals.headlightAddress;
}

export class AddressBar {
  /** @type {Send} */
  send = () => {};
  /** Called before the server is informed of Back or Forward: it must know the selection before. */
  beforeGoing = () => {};
  path = location.pathname;
  /** @type {Shown | undefined} */
  shown;
  /** What the instrument has selected. @type {string | undefined} */
  selection;
  /** The number of that selection. */
  number = 0;
  /** How often the visitor went back or forward. */
  wents = 0;
  /** The number of the last Back or Forward that the server has not answered yet, 0 if there is none. */
  awaited = 0;

  constructor() {
    // Listeners that capture at the window come first. Streamlit's own would run the page with what it showed last.
    window.addEventListener("popstate", (event) => this.went(event), true);
  }

  /**
   * Show what the server owns.
   * @param {Shown} shown
   */
  show(shown) {
    const samePage = this.path === location.pathname;
    // After Back or Forward the browser is ahead of the server. What the server says of the entry before must not be
    // written over this one.
    if (samePage && this.awaited && shown.went !== this.awaited) return;
    const adds = samePage && !this.awaited && this.shown !== undefined && this.shown.step !== shown.step;
    this.awaited = 0;
    this.path = location.pathname;
    this.shown = shown;
    if (shown.selection === null) this.selection = undefined;
    this.write(adds);
  }

  /**
   * Show the selection of the instrument.
   * @param {string} selection its parameters
   * @param {number} [number] counts the changes of the selection
   */
  select(selection, number = 0) {
    const isShown = this.shown !== undefined && this.path === location.pathname;
    if (isShown && this.shown?.selection === null) return; // of the page before
    this.selection = selection;
    this.number = number;
    if (isShown && !this.awaited) this.write(false);
  }

  /** Expect no answer any more: the connection to the server was lost. */
  forget() {
    this.awaited = 0;
  }

  /** @param {boolean} adds whether to add an entry to the browser's history */
  write(adds) {
    if (!this.shown) return;
    const query = joinQuery(this.shown.query, this.selection ?? this.shown.selection ?? "", location.search);
    if (location.search.slice(1) === query) return;
    const url = location.pathname + (query ? `?${query}` : "");
    if (adds) history.pushState({}, "", url);
    else history.replaceState({}, "", url);
  }

  /**
   * Inform the server of Back or Forward on the same page. Streamlit opens other pages.
   * @param {Event} event
   */
  went(event) {
    if (location.pathname !== this.path || location.hash) return;
    event.stopImmediatePropagation();
    this.beforeGoing();
    this.awaited = ++this.wents;
    // With the selection that is left behind: its report may reach the server together with this, or after it.
    this.send("went", [this.awaited, location.search.slice(1), this.number]);
  }
}

/**
 * Return the query of the URL: the server's parameters, then the selection's, then Streamlit's own that are there.
 * @param {string} query
 * @param {string} selection
 * @param {string} search
 */
export function joinQuery(query, selection, search) {
  const kept = [...new URLSearchParams(search)].filter(([name]) => EMBEDDED.test(name));
  return [query, selection, new URLSearchParams(kept).toString()].filter(Boolean).join("&");
}
