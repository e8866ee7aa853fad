// @ts-check
// The measures of the selected head as a list, with what each one means.

import { element } from "../core/canvas.js";
import { asSentence } from "../core/text.js";
import { setText } from "./heatmap_facts.js";
import { measuresOfTile, measureWords } from "./measures.js";
import { detailPath } from "./requests.js";
import { isCombined, shownHead } from "./shown.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Requests } from "./requests.js" */

/** @typedef {(number | null)[]} Measures null or NaN where one is not defined */

const OF_ONE_HEAD = "Without a server, only the figures of single heads are known: choose one head.";
const NO_DISTRIBUTION =
  "No figures: these weights are no distribution, because a row sums to more than 1 or to 0, or a weight is no number.";

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
    names.forEach(([, , , unit], at) => {
      setText(this.values[at], measureWords(unit, found ? found[at] : undefined));
    });
    const several = isCombined(scene.state);
    setText(
      this.title,
      several ? `Figures: ${scene.name[0].toLowerCase()}${scene.name.slice(1)}` : scene.trace.header.style.figures,
    );
    const undefinedAll = Boolean(found) && names.every((_, at) => !Number.isFinite(found?.[at]));
    const ofOneHead = several && !scene.trace.weights && !this.instrument.requests?.transport;
    setText(this.note, ofOneHead ? OF_ONE_HEAD : NO_DISTRIBUTION);
    this.note.hidden = !ofOneHead && !undefinedAll;
    const head = shownHead(scene.state).join(" ");
    if (this.root.dataset.head !== head) this.root.dataset.head = head;
  }

  /** @param {[name: string, title: string, meaning: string, unit: string][]} names */
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
