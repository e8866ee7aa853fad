// @ts-check
// The page's address follows what a visitor chose, and Back and Forward inform the server of what the page showed before.
// A change of text or model makes a new entry of the browser's history. Another head of the same text only renames the
// present entry.

import { globals } from "../core/globals.js";

/** @import { Component, Send } from "../core/component.js" */

/**
 * @typedef {object} Shown
 * @property {string} query what the address ends in
 * @property {string} step a change of this makes a new entry
 * @property {number} went number of the last Back or Forward that the server has answered
 */

// A text of so many halves of characters has more characters than are read (models/tokens.py) and is refused in a sentence.
const LONGEST_TEXT = 4_000_002;
// Without an answer after this time the server has lost where a visitor went.
const ANSWER_TIMEOUT_MS = 20_000;
// Streamlit's own parameters stay in the address.
const EMBEDDED = /^embed(_options)?$/;

/** @param {Component<Shown>} component */
export default function mount({ data, setTriggerValue }) {
  globals.headlightAddress ??= new Address();
  globals.headlightAddress.send = setTriggerValue;
  globals.headlightAddress.show(data);
}

class Address {
  /** @type {Send} */
  send = () => {};
  path = location.pathname;
  /** @type {string | undefined} */
  step;
  /** How often the visitor went back or forward. */
  wents = 0;
  /** The timer of a Back or Forward that is not answered yet. */
  waiting = 0;

  constructor() {
    // Streamlit pushes the address that it opened until the server removes its query (ui/state/page_state.py), and after
    // that the present one. It must not replace ours.
    this.push = history.pushState.bind(history);
    history.pushState = (state, title, url) => {
      if (new URL(url ?? "", location.href).pathname !== location.pathname) this.push(state, title, url);
    };
    // Listeners that capture at the window come first. Streamlit's own would run the page with what it showed last.
    window.addEventListener("popstate", (event) => this.went(event), true);
    window.addEventListener("input", ({ target }) => repair(/** @type {HTMLInputElement | null} */ (target)), true);
  }

  /** @param {Shown} shown */
  show({ query, step, went }) {
    const samePage = this.path === location.pathname;
    // After Back or Forward the browser is ahead of the server. What the server says of the entry before must not be
    // written over this one.
    if (this.waiting && went !== this.wents && samePage) return;
    const answers = Boolean(this.waiting);
    clearTimeout(this.waiting);
    this.waiting = 0;
    const wanted = wantedQuery(query, location.search);
    if (location.search.slice(1) !== wanted) {
      const url = location.pathname + (wanted ? `?${wanted}` : "");
      if (this.step !== undefined && this.step !== step && samePage && !answers) this.push({}, "", url);
      else history.replaceState({}, "", url);
    }
    this.step = step;
    this.path = location.pathname;
  }

  /**
   * Inform the server of Back or Forward on the same page. Streamlit opens other pages.
   * @param {Event} event
   */
  went(event) {
    if (location.pathname !== this.path || location.hash) return;
    event.stopImmediatePropagation();
    clearTimeout(this.waiting);
    const giveUp = () => {
      this.waiting = 0;
    };
    this.waiting = Number(setTimeout(giveUp, ANSWER_TIMEOUT_MS));
    this.send("went", [++this.wents, location.search.slice(1)]);
  }
}

/**
 * Return the query that the address has to end in: the page's, and Streamlit's own parameters that are there.
 * @param {string} query
 * @param {string} search
 */
export function wantedQuery(query, search) {
  const kept = [...new URLSearchParams(search)].filter(([name]) => EMBEDDED.test(name));
  return [query, new URLSearchParams(kept).toString()].filter(Boolean).join("&");
}

/**
 * Return a text that can be sent: half a character, as some programs cut them off, or more than a message may hold would
 * end the connection to the server without a word.
 * @param {string} text
 */
export function sendable(text) {
  const cut = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) : text;
  return cut.toWellFormed?.() ?? cut;
}

/**
 * Make the text of an input sendable before Streamlit reads it.
 * @param {HTMLInputElement | null} target
 */
function repair(target) {
  const typed = target?.value;
  if (!target || typeof typed !== "string" || !typed) return;
  const kept = sendable(typed);
  if (kept === typed) return;
  // Through the prototype: React would take a value that is set by the element's own setter as no change.
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), "value")?.set?.call(target, kept);
}
