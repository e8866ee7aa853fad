// @ts-check

/** @import { Instrument, Scene } from "./index.js" */

export class Ranking {
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
    this.parent.textContent = `ranking ${scene.state.layer} ${scene.state.head}`;
  }
}
