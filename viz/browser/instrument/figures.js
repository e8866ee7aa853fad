// @ts-check
// The measures of the selected head as a list, with what each one means.

import { element } from "../core/canvas.js";
import { asSentence } from "../core/text.js";
import { setText } from "./heatmap_facts.js";
import { measuresOfTile } from "./measures.js";
import { detailPath } from "./requests.js";
import { isCombined, shownHead } from "./shown.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Requests } from "./requests.js" */

/** @typedef {(number | null)[]} Measures null or NaN where one is not defined */

const NOT_DEFINED = "–";
const NOT_KNOWN = "…";
const OF_ONE_HEAD = "Without a server, only the figures of single heads are known: choose one head.";
const MEASURE_UNITS = /** @type {Record<string, (value: number) => string>} */ ({
  entropy: (value) => `${value.toFixed(2)} bits`,
  distance: (value) => `${value.toFixed(1)} tokens`,
});

/**
 * Return a measure with its unit: entropy in bits, distance in tokens, others per cent.
 * @param {string} name
 * @param {number | null | undefined} value undefined if it has not come yet
 */
export function measureWords(name, value) {
  if (value === undefined) return NOT_KNOWN;
  if (value === null || Number.isNaN(value)) return NOT_DEFINED;
  return MEASURE_UNITS[name]?.(value) ?? `${(100 * value).toFixed(1)}%`;
}

/**
 * Return the measures of what is shown: those of the message, those of all weights, or those that the server answers;
 * null until then.
 * @param {Scene} scene
 * @param {number} count of measures
 * @param {Requests | undefined} requests
 * @returns {ArrayLike<number | null> | null}
 */
export function measuresOf({ trace, state, shade }, count, requests) {
  if (trace.measures && !isCombined(state)) {
    const start = (state.layer * trace.nHeads + state.head) * count;
    return trace.measures.subarray(start, start + count);
  }
  const whole = trace.weights && trace.tile(shownHead(state), null);
  if (whole) return measuresOfTile(trace, whole, shade.query);
  // Without a server nothing will come.
  if (!requests?.transport) return Array(count).fill(null);
  const shown = shownHead(state);
  const answer = requests.detail(shown, null);
  return answer?.measures ?? (requests.answers.has(detailPath(shown, null)) ? Array(count).fill(null) : null);
}

export class Figures {
  /** The names of the measures that are listed. */
  listed = "";
  /** @type {HTMLElement[]} */
  values = [];

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "figures", parent);
    this.title = element("h2", "figures-title", this.root);
    this.list = element("dl", "figures-list", this.root);
    this.note = element("p", "figures-note", this.root);
    this.note.textContent = OF_ONE_HEAD;
    this.details = element("details", "figures-details", this.root);
    element("summary", "figures-summary", this.details).textContent = "What these figures mean";
    this.meanings = element("dl", "figures-meanings", this.details);
  }

  /** @param {Scene} scene */
  draw(scene) {
    const names = scene.trace.header.measures;
    this.root.hidden = !names.length;
    if (this.listed !== JSON.stringify(names)) this.build(names);
    const found = measuresOf(scene, names.length, this.instrument.requests);
    names.forEach(([name], at) => {
      setText(this.values[at], measureWords(name, found ? found[at] : undefined));
    });
    const several = isCombined(scene.state);
    setText(
      this.title,
      several ? `Figures: ${scene.name[0].toLowerCase()}${scene.name.slice(1)}` : "Figures of this head",
    );
    this.note.hidden = !several || Boolean(scene.trace.weights || this.instrument.requests?.transport);
    const head = shownHead(scene.state).join(" ");
    if (this.root.dataset.head !== head) this.root.dataset.head = head;
  }

  /** @param {[name: string, title: string, meaning: string][]} names */
  build(names) {
    this.listed = JSON.stringify(names);
    this.list.replaceChildren();
    this.meanings.replaceChildren();
    this.values = names.map(([name, title, meaning]) => {
      const entry = element("div", "figures-entry", this.list);
      element("dt", "figures-name", entry).textContent = title;
      const explained = element("div", "figures-meaning", this.meanings);
      element("dt", "figures-name", explained).textContent = title;
      element("dd", "figures-text", explained).textContent = asSentence(meaning);
      const value = element("dd", "figures-value", entry);
      value.dataset.measure = name;
      return value;
    });
  }
}
