// @ts-check
// Controls of what the tokens are: pieces or words, and how special tokens and the first token are shown.

import { element } from "../core/canvas.js";
import { TREATMENTS, UNITS } from "./link.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Selection } from "./store.js" */

const TREATMENT_NAMES = { show: "Show", dim: "Dim", hide: "Hide" };
const UNIT_NAMES = { pieces: "Pieces", words: "Words" };
const UNIT_HELP = "A word's column is the sum of the columns of its pieces, its row the mean of their rows.";
const NO_WORDS_HELP = "Every token of this text is a word.";
const SHADE_HELP = "Many heads give most of their attention to these tokens when no other token matters to them.";
const ROWS_HELP = "Each row is divided by what the hidden tokens leave of it, so that it sums to 1 again.";

export class TokenControls {
  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    const { store, root } = instrument;
    // What could not be had before is no news after another choice.
    parent.addEventListener("change", () => root.removeAttribute("data-lacks"), true);
    const count = addGroup(parent, "Count");
    this.unit = addChoice(count, "Unit", UNITS, UNIT_NAMES, (unit) => instrument.setUnit(unit));
    this.unitHelp = addHelp(count, UNIT_HELP);
    const shown = addGroup(parent, "Tokens that often get attention");
    this.special = addChoice(shown, "Special tokens", TREATMENTS, TREATMENT_NAMES, (special) =>
      store.set({ special, ...whole({ ...store.state, special }) }),
    );
    this.sink = addChoice(shown, "First token (sink)", TREATMENTS, TREATMENT_NAMES, (sink) =>
      store.set({ sink, ...whole({ ...store.state, sink }) }),
    );
    addHelp(shown, SHADE_HELP);
    const rows = addGroup(parent, "Rows without hidden tokens");
    const label = element("label", "toolbar-label", rows);
    element("span", "toolbar-name", label).textContent = "Renormalise rows";
    this.renormalise = element("input", "toolbar-check", label);
    this.renormalise.type = "checkbox";
    this.renormalise.addEventListener("change", () => store.set({ renormalise: this.renormalise.checked }));
    addHelp(rows, ROWS_HELP);
  }

  /** @param {Scene} scene */
  draw({ trace, state }) {
    if (this.unit.value !== state.unit) this.unit.value = state.unit;
    if (this.special.value !== state.special) this.special.value = state.special;
    if (this.sink.value !== state.sink) this.sink.value = state.sink;
    if (this.renormalise.checked !== state.renormalise) this.renormalise.checked = state.renormalise;
    this.renormalise.disabled = state.special !== "hide" && state.sink !== "hide";
    const isPlain = state.unit === "pieces" && !trace.header.words;
    const help = isPlain ? NO_WORDS_HELP : UNIT_HELP;
    if (this.unitHelp.textContent !== help) this.unitHelp.textContent = help;
  }

  /** What was chosen last, also while it is not shown: "words" or "a map without hidden tokens", "" for neither. */
  get wanted() {
    const wanted = this.unit.value === "words" ? ["words"] : [];
    if (this.special.value === "hide" || this.sink.value === "hide") wanted.push("a map without hidden tokens");
    return wanted.join(" and ");
  }
}

/**
 * Return the change that leaves rows whole: without hidden tokens there is nothing to divide by.
 * @param {Pick<Selection, "special" | "sink">} state
 * @returns {Partial<Selection>}
 */
function whole({ special, sink }) {
  return special === "hide" || sink === "hide" ? {} : { renormalise: false };
}

/**
 * Add a group of controls to a panel.
 * @param {HTMLElement} parent
 * @param {string} name
 */
export function addGroup(parent, name) {
  const group = element("fieldset", "toolbar-group", parent);
  element("legend", "toolbar-legend", group).textContent = name;
  return group;
}

/**
 * @param {HTMLElement} parent
 * @param {string} text
 */
export function addHelp(parent, text) {
  const help = element("p", "toolbar-help", parent);
  help.textContent = text;
  return help;
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
