// @ts-check
// Controls of what the tokens are: pieces or words, and how special tokens and the first token are shown.

import { element } from "../core/canvas.js";
import { TREATMENTS, UNITS } from "./link.js";

/** @import { Instrument, Scene } from "./index.js" */

const TREATMENT_NAMES = { show: "Show", dim: "Dim", hide: "Hide" };
const UNIT_NAMES = { pieces: "Pieces", words: "Words" };

export class TokenControls {
  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    const { store } = instrument;
    this.unit = addChoice(parent, "Unit", UNITS, UNIT_NAMES, (unit) => instrument.setUnit(unit));
    this.special = addChoice(parent, "Special tokens", TREATMENTS, TREATMENT_NAMES, (special) =>
      store.set({ special }),
    );
    this.sink = addChoice(parent, "First token (sink)", TREATMENTS, TREATMENT_NAMES, (sink) => store.set({ sink }));
    const label = element("label", "toolbar-label", parent);
    element("span", "toolbar-name", label).textContent = "Renormalise rows";
    this.renormalise = element("input", "toolbar-check", label);
    this.renormalise.type = "checkbox";
    this.renormalise.title = "Divide each row by what hidden tokens leave of it";
    this.renormalise.addEventListener("change", () => store.set({ renormalise: this.renormalise.checked }));
  }

  /** @param {Scene} scene */
  draw({ state }) {
    if (this.unit.value !== state.unit) this.unit.value = state.unit;
    if (this.special.value !== state.special) this.special.value = state.special;
    if (this.sink.value !== state.sink) this.sink.value = state.sink;
    if (this.renormalise.checked !== state.renormalise) this.renormalise.checked = state.renormalise;
    this.renormalise.disabled = state.special !== "hide" && state.sink !== "hide";
  }
}

/**
 * @template {string} Value
 * @param {HTMLElement} parent
 * @param {string} name
 * @param {readonly Value[]} values
 * @param {Record<Value, string>} names
 * @param {(value: Value) => void} choose
 */
function addChoice(parent, name, values, names, choose) {
  const label = element("label", "toolbar-label", parent);
  element("span", "toolbar-name", label).textContent = name;
  const select = element("select", "toolbar-select", label);
  select.ariaLabel = name;
  for (const value of values) select.add(new Option(names[value], value));
  select.addEventListener("change", () => choose(/** @type {Value} */ (select.value)));
  return select;
}
