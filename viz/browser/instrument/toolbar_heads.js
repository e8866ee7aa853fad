// @ts-check
// Controls of several heads: which are chosen, and what is shown of them.

import { element } from "../core/canvas.js";
import { chooseOnly, chosenHeads, toggleAllHeads, toggleHead, toggleLayer } from "./head_choice.js";
import { chosenName, expandHeads, headTitle, writeHeads } from "./head_set.js";
import { COMBINES } from "./link.js";

/** @import { HeadPlace } from "./head_set.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { Combine } from "./store.js" */

const COMBINE_NAMES = { overlay: "each head's lines", mean: "mean", maximum: "maximum" };
const CHOOSING =
  "In the picture of all heads, Ctrl click adds a head or removes it, and Shift click chooses all from the current head to it.";

export class HeadControls {
  /** What the list of chosen heads was made of. */
  made = "";
  /** @type {number[]} */
  heads = [];

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "toolbar-heads", parent);
    this.none = element("p", "toolbar-heads-none", this.root);
    this.list = element("ul", "toolbar-chips", this.root);
    this.list.setAttribute("aria-label", "Chosen heads");
    const buttons = element("div", "toolbar-heads-buttons", this.root);
    this.add = this.addButton(buttons, () => toggleHead(this.state, this.current, this.heads));
    this.layer = this.addButton(buttons, () => toggleLayer(this.state, this.state.layer, this.heads, true));
    this.all = this.addButton(buttons, () => toggleAllHeads(this.state, this.heads));
    this.all.textContent = "All heads";
    this.only = this.addButton(buttons, () => chooseOnly(this.current));
    this.only.textContent = "Only this head";
    const label = element("label", "toolbar-label", this.root);
    element("span", "toolbar-name", label).textContent = "Show";
    this.combine = element("select", "toolbar-select", label);
    this.combine.ariaLabel = "What is shown of the chosen heads";
    for (const each of COMBINES) this.combine.add(new Option(COMBINE_NAMES[each], each));
    this.combine.addEventListener("change", () => {
      instrument.store.set({ combine: /** @type {Combine} */ (this.combine.value) });
    });
    element("p", "toolbar-heads-help", this.root).textContent = CHOOSING;
  }

  get state() {
    return this.instrument.store.state;
  }

  /** @returns {HeadPlace} */
  get current() {
    return [this.state.layer, this.state.head];
  }

  /**
   * @param {HTMLElement} parent
   * @param {() => import("./head_choice.js").Choice} choose
   */
  addButton(parent, choose) {
    const button = element("button", "toolbar-button", parent);
    button.type = "button";
    button.addEventListener("click", () => this.instrument.store.set(choose()));
    return button;
  }

  /** @param {Scene} scene */
  draw({ trace, state }) {
    this.heads = trace.heads;
    if (this.combine.value !== state.combine) this.combine.value = state.combine;
    this.combine.disabled = state.heads === "";
    const made = `${trace.header.trace} ${trace.heads} ${state.heads} ${state.layer} ${state.head}`;
    if (made === this.made) return;
    this.made = made;
    const chosen = new Set(chosenHeads(state, trace.heads).map(chosenName));
    const name = chosenName([state.layer, state.head]);
    const isIn = chosen.has(name);
    this.add.textContent = isIn ? `Remove head ${name}` : `Add head ${name}`;
    const layer = expandHeads(String(state.layer), trace.heads);
    this.layer.textContent = `Layer ${state.layer}`;
    press(
      this.layer,
      layer.every((place) => chosen.has(chosenName(place))),
    );
    press(this.all, state.heads === "all");
    this.only.disabled = state.heads === "";
    this.none.hidden = chosen.size > 0;
    this.none.textContent = `One head is shown: ${headTitle(trace, [state.layer, state.head])}.`;
    this.list.hidden = !chosen.size;
    this.list.replaceChildren(
      ...state.heads
        .split(",")
        .filter(Boolean)
        .map((part) => this.makeChip(part)),
    );
  }

  /** @param {string} part of the text that names the chosen heads */
  makeChip(part) {
    const item = document.createElement("li");
    const name = part === "all" ? "All heads" : part.includes(".") ? `Head ${part}` : `Layer ${part}`;
    const button = element("button", "toolbar-chip", item);
    button.type = "button";
    button.textContent = `${name} ×`;
    button.setAttribute("aria-label", `${name} ×: remove`);
    button.addEventListener("click", () => {
      const removed = new Set(expandHeads(part, this.heads).map(chosenName));
      const rest = chosenHeads(this.state, this.heads).filter((place) => !removed.has(chosenName(place)));
      this.instrument.store.set({ heads: writeHeads(rest, this.heads) });
      // The pressed chip is gone.
      this.add.focus();
    });
    return item;
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} isPressed
 */
function press(button, isPressed) {
  button.setAttribute("aria-pressed", String(isPressed));
}
