// @ts-check
// One sentence while the view of the selection is missing: the server computes it, or it cannot be had.

import { element } from "../core/canvas.js";

/** @import { Instrument } from "./index.js" */
/** @import { TokenControls } from "./toolbar_tokens.js" */

const VIEW_WAITS = "The server computes this view. The pictures show the last one until it has come.";

/**
 * Return why a view cannot be had, and what helps.
 * @param {string} wanted "words", "a map without hidden tokens", or both; "" if that is not known
 * @param {boolean} hasServer
 */
export function describeLack(wanted, hasServer) {
  const view = wanted || "this view";
  if (hasServer) return `The server could not compute ${view}. Choose it again, or trace the text again.`;
  return `This file does not have the weights for ${view}: open the text in Headlight, or export a shorter text.`;
}

export class ViewStatus {
  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   * @param {TokenControls} tokens
   */
  constructor(parent, instrument, tokens) {
    this.instrument = instrument;
    this.tokens = tokens;
    this.root = element("p", "toolbar-view", parent);
    this.root.setAttribute("role", "status");
    this.root.hidden = true;
    // The parts are not drawn while the view is missing, but the instrument writes down that it is.
    this.observer = new MutationObserver(() => this.tell());
    this.observer.observe(instrument.root, { attributeFilter: ["data-waits", "data-lacks"] });
  }

  tell() {
    const { dataset } = this.instrument.root;
    const hasServer = Boolean(this.instrument.views?.base.requests.transport);
    const lack = dataset.lacks === "view" ? describeLack(this.tokens.wanted, hasServer) : "";
    // A lack is told until another view is chosen: the controls say by then what is shown instead.
    const text = lack ? (this.root.dataset.lack ?? lack) : dataset.waits === "view" ? VIEW_WAITS : "";
    if (lack) this.root.dataset.lack = text;
    else delete this.root.dataset.lack;
    if (this.root.textContent !== text) this.root.textContent = text;
    this.root.hidden = !text;
  }
}
