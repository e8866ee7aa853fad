// @ts-check
// The line below the heatmap's title: how much special tokens and the first token get, and the map without the sink.

import { element } from "../core/canvas.js";
import { SharesOfHead } from "./heatmap_shares.js";

/** @import { Instrument, Scene } from "./index.js" */

export class HeatmapFacts {
  /** Whether rows were renormalised before the sink was hidden. */
  wasRenormalised = false;

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.store = instrument.store;
    this.shares = new SharesOfHead(instrument);
    this.root = element("div", "heatmap-facts", parent);
    this.text = element("p", "heatmap-shares", this.root);
    this.sink = element("button", "heatmap-button", this.root);
    this.sink.type = "button";
    this.sink.textContent = "Without sink";
    this.sink.title = "The same map without its first token, each row divided by what is left of it";
    this.sink.addEventListener("click", () => this.toggleSink());
  }

  /** Hide the first token and renormalise, or show it as before. */
  toggleSink() {
    const { special, sink, renormalise } = this.store.state;
    if (sink === "hide") {
      this.store.set({ sink: "show", renormalise: special === "hide" && this.wasRenormalised });
      return;
    }
    this.wasRenormalised = renormalise;
    this.store.set({ sink: "hide", renormalise: true });
  }

  /** @param {Scene} scene */
  draw(scene) {
    setText(this.text, this.shares.describe(scene));
    this.sink.hidden = scene.trace.keys.length < 2;
    this.sink.setAttribute("aria-pressed", String(scene.state.sink === "hide"));
  }
}

/**
 * Change a text only where it differs, so that the browser has nothing to lay out.
 * @param {HTMLElement} place
 * @param {string} text
 */
export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
