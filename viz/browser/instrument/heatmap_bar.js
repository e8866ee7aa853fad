// @ts-check
// What stands above the heatmap: title, buttons and the fields of the region.

import { element } from "../core/canvas.js";
import { isWhole, regionOfNumbers } from "./heatmap_choice.js";
import { SharesOfHead } from "./heatmap_shares.js";
import { notesOf } from "./heatmap_words.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { Region } from "./store.js" */

const REGION_ENDS = ["First query", "Last query", "First key", "Last key"];

export class HeatmapBar {
  /** @type {Region | null} */
  whole = null;
  /** Whether rows were renormalised before the sink was hidden. */
  wasRenormalised = false;

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   * @param {(region: Region | null) => void} open
   * @param {() => void} toggle Plotly
   */
  constructor(parent, instrument, open, toggle) {
    this.instrument = instrument;
    this.root = element("div", "heatmap-bar", parent);
    this.title = element("h2", "heatmap-title", this.root);
    this.all = this.button("Whole head", () => open(null));
    this.addRegion(open);
    this.plotly = this.button("Plotly", toggle);
    this.sink = this.button("Without sink", () => this.toggleSink());
    this.sink.title = "The same map without its first token, each row divided by what is left of it";
    this.notes = element("p", "heatmap-notes", parent);
    this.facts = element("p", "heatmap-shares", parent);
    this.shares = new SharesOfHead(instrument);
  }

  /**
   * @param {string} text
   * @param {() => void} press
   */
  button(text, press) {
    const made = element("button", "heatmap-button", this.root);
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", press);
    return made;
  }

  /** Hide the first token and renormalise, or show it as before. */
  toggleSink() {
    const { store } = this.instrument;
    const { special, sink } = store.state;
    if (sink === "hide") store.set({ sink: "show", renormalise: special === "hide" && this.wasRenormalised });
    else {
      this.wasRenormalised = store.state.renormalise;
      store.set({ sink: "hide", renormalise: true });
    }
  }

  /** @param {(region: Region | null) => void} open */
  addRegion(open) {
    this.region = element("details", "heatmap-region", this.root);
    element("summary", "heatmap-button", this.region).textContent = "Region";
    const form = element("div", "heatmap-form", this.region);
    this.fields = REGION_ENDS.map((name) => {
      const label = element("label", "heatmap-label", form);
      label.textContent = name;
      const field = element("input", "heatmap-field", label);
      field.type = "number";
      return field;
    });
    this.fields.forEach((field, end) => {
      field.addEventListener("change", () => {
        const numbers = this.fields?.map((each) => each.valueAsNumber) ?? [];
        if (this.whole) open(regionOfNumbers(numbers, end, this.whole));
      });
    });
    this.help = element("p", "heatmap-help", form);
    this.region.addEventListener("focusout", ({ relatedTarget }) => {
      if (this.region && relatedTarget && !this.region.contains(/** @type {Node} */ (relatedTarget)))
        this.region.open = false;
    });
    this.region.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.region?.open) return;
      event.preventDefault();
      this.region.open = false;
      this.region.querySelector("summary")?.focus();
    });
  }

  /**
   * @param {Scene} scene
   * @param {HeatmapPlace | null} place
   * @param {boolean} canAsk whether a server draws the figure of Plotly
   * @param {boolean} isPlotly whether it is shown
   */
  draw(scene, place, canAsk, isPlotly) {
    const { trace, state, name } = scene;
    setText(this.title, name);
    setText(this.facts, this.shares.describe(scene));
    this.sink.setAttribute("aria-pressed", String(state.sink === "hide"));
    this.plotly.hidden = !canAsk;
    this.plotly.setAttribute("aria-pressed", String(isPlotly));
    const shown = state.region ?? trace.whole;
    this.all.hidden = isWhole(shown, trace.whole);
    if (this.region) this.region.hidden = trace.queries.length < 2 && trace.keys.length < 2;
    if (place) setText(this.notes, notesOf(trace, place));
    if (this.help) {
      setText(this.help, `Up to ${trace.header.readable} tokens a side are shown pair by pair, more in blocks.`);
    }
    this.fields?.forEach((field, end) => {
      const [first, last] = end < 2 ? [0, trace.whole[1]] : [0, trace.whole[3]];
      field.min = String(first);
      field.max = String(last);
      if (document.activeElement !== field || String(this.whole) !== String(trace.whole))
        field.value = String(shown[end]);
    });
    this.whole = trace.whole;
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
