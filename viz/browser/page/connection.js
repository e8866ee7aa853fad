// @ts-check
// A restarted server knows nothing of an open page until the page sends something, and would lose what a visitor does
// first. So the page reports itself as soon as the browser has found the server again, and can be used when the server
// has drawn it.

import { globals } from "../core/globals.js";
import { orderPopovers } from "./popovers.js";
import { repairTypedTexts } from "./typed_text.js";

/** @import { Component, Send } from "../core/component.js" */

// The page can be used again after this time even if the server has not drawn it.
const ANSWER_TIMEOUT_MS = 60_000;

/** @param {Component<number>} component a number that changes with every run of the page */
export default function mount({ data, setTriggerValue }) {
  globals.headlightConnection ??= new Connection();
  globals.headlightConnection.send = setTriggerValue;
  globals.headlightConnection.drawn(data);
}

class Connection {
  /** @type {Send} */
  send = () => {};
  found = 0;
  lost = false;
  timer = 0;
  /** @type {number | undefined} */
  run;

  constructor() {
    repairTypedTexts();
    orderPopovers();
    new MutationObserver(() => this.look()).observe(document.body, {
      subtree: true,
      attributeFilter: ["data-test-connection-state"],
    });
  }

  look() {
    const app = /** @type {HTMLElement | null} */ (document.querySelector('[data-testid="stApp"]'));
    const state = app?.dataset.testConnectionState;
    if (state === "CONNECTED" && this.lost) {
      allowUse(false);
      this.timer = Number(setTimeout(() => allowUse(true), ANSWER_TIMEOUT_MS));
      globals.headlightAddress?.forget();
      // Streamlit itself sends the query with which it was opened.
      this.send("found", [++this.found, location.search]);
    }
    this.lost = state !== "CONNECTED";
  }

  /**
   * The server has drawn the whole page: this component comes last in a run.
   * @param {number} run
   */
  drawn(run) {
    if (run === this.run) return;
    this.run = run;
    clearTimeout(this.timer);
    allowUse(true);
  }
}

/** @param {boolean} allowed */
function allowUse(allowed) {
  const page = /** @type {HTMLElement | null} */ (document.querySelector('[data-testid="stMain"]'));
  if (page) page.inert = !allowed;
}
