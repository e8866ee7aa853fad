// @ts-check
// The text as a row of tokens, each coloured by the attention that it gets from, or gives to, the chosen token.

import { element } from "../core/canvas.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Trace } from "./trace.js" */

export class Strip {
  /** @type {HTMLButtonElement[][]} */
  rows = [];
  /** @type {Trace | undefined} */
  trace;

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.parent = parent;
    this.instrument = instrument;
  }

  /** @param {Scene} scene */
  draw(scene) {
    if (scene.trace !== this.trace) this.build(scene.trace);
  }

  /** @param {Trace} trace */
  build(trace) {
    this.trace = trace;
    this.parent.replaceChildren();
    for (const [text] of trace.queries) element("button", "strip-token", this.parent).textContent = text;
  }
}
