// @ts-check
// How far the thumbnails of all heads are computed, and the button that stops or continues the computation.

import { element } from "../core/canvas.js";

/** @import { Instrument, Scene } from "./index.js" */

export class HeadsProgress {
  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "heads-progress", parent);
    this.root.hidden = true;
    this.text = element("span", "heads-progress-text", this.root);
    this.button = element("button", "heads-button", this.root);
    this.button.type = "button";
    this.button.addEventListener("click", () => {
      const { requests, trace } = instrument;
      if (trace?.stopped) requests?.continueMaps();
      else requests?.stopMaps();
    });
  }

  /** @param {Scene} scene */
  draw({ trace }) {
    this.root.hidden = !this.instrument.requests?.transport || trace.done >= trace.nLayers;
    if (this.root.hidden) return;
    const layers = `${trace.done} of ${trace.nLayers} layers`;
    const seconds = trace.secondsLeft === null ? "" : `, about ${Math.ceil(trace.secondsLeft)} s left`;
    this.text.textContent = trace.stopped
      ? `Stopped: ${layers} are computed`
      : `Computing all heads: ${layers}${seconds}`;
    this.button.textContent = trace.stopped ? "Go on" : "Stop";
  }
}
