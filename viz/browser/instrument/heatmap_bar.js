// @ts-check
// What stands above the heatmap: title, buttons and the fields of the region.

import { element } from "../core/canvas.js";
import { isWhole, regionOfNumbers } from "./heatmap_choice.js";
import { HeatmapFacts, setText } from "./heatmap_facts.js";
import { OTHER_PART, regionOfTexts, TEXT_CHOICES, textsOfRegion } from "./heatmap_texts.js";
import { notesOf, POOLED_HINT, TOUCH_HINT } from "./heatmap_words.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { Region } from "./store.js" */

const REGION_ENDS = ["First query", "Last query", "First key", "Last key"];

export class HeatmapBar {
  /** @type {Region | null} */
  whole = null;

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
    this.addTexts(open);
    this.plotly = this.button("Plotly", toggle);
    this.notes = element("p", "heatmap-notes", parent);
    this.facts = new HeatmapFacts(parent, instrument);
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

  /**
   * Add the choice of the texts of a pair: the queries of one, the keys of one.
   * @param {(region: Region | null) => void} open
   */
  addTexts(open) {
    this.texts = element("select", "heatmap-texts", this.root);
    this.texts.ariaLabel = "Texts of the pair";
    this.texts.title = "Queries of one text and keys of one text, which each contain the special tokens after them";
    for (const name of TEXT_CHOICES) this.texts.add(new Option(name));
    this.texts.add(new Option(OTHER_PART));
    this.texts.addEventListener("change", () => {
      const { spans } = this.instrument.trace?.header ?? {};
      if (this.texts && spans) open(regionOfTexts(this.texts.value, spans));
    });
  }

  /**
   * @param {Scene} scene
   */
  drawTexts({ trace, state }) {
    const { spans } = trace.header;
    const { texts } = this;
    if (!texts) return;
    texts.hidden = !spans;
    if (!spans) return;
    const value = textsOfRegion(state.region, spans, trace.whole);
    if (texts.value !== value) texts.value = value;
    texts.options[TEXT_CHOICES.length].hidden = value !== OTHER_PART;
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
    this.facts.draw(scene);
    this.plotly.hidden = !canAsk;
    this.drawTexts(scene);
    this.plotly.setAttribute("aria-pressed", String(isPlotly));
    const shown = state.region ?? trace.whole;
    this.all.hidden = isWhole(shown, trace.whole);
    if (this.region) this.region.hidden = trace.queries.length < 2 && trace.keys.length < 2;
    if (place) {
      const isPooled = Math.max(...place.block) > 1;
      const hint = matchMedia("(pointer: coarse)").matches ? TOUCH_HINT : POOLED_HINT;
      setText(this.notes, `${notesOf(trace, place)}${isPooled && !isPlotly ? ` ${hint}` : ""}`);
      this.notes.classList.toggle("heatmap-pooled", isPooled);
    }
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
