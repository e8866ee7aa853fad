// @ts-check
// What stands above the heatmap: title, buttons and the fields of the region.

import { element } from "../core/canvas.js";
import { isWhole, regionOfNumbers } from "./heatmap_choice.js";
import { notesOf } from "./heatmap_words.js";
import { nameShown } from "./shown.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */
/** @import { Region } from "./store.js" */

const REGION_ENDS = ["First query", "Last query", "First key", "Last key"];

export class HeatmapBar {
  /** @type {Region | null} */
  whole = null;

  /**
   * @param {HTMLElement} parent
   * @param {(region: Region | null) => void} open
   * @param {() => void} toggle Plotly
   */
  constructor(parent, open, toggle) {
    this.root = element("div", "heatmap-bar", parent);
    this.title = element("h2", "heatmap-title", this.root);
    this.all = this.button("Whole head", () => open(null));
    this.addRegion(open);
    this.plotly = this.button("Plotly", toggle);
    this.notes = element("p", "heatmap-notes", parent);
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
  draw({ trace, state }, place, canAsk, isPlotly) {
    setText(this.title, nameShown(trace, state));
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
