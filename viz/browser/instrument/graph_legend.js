// @ts-check
// The legend of a token graph of several heads: buttons with the colour and the dash of each head's lines.

import { element } from "../core/canvas.js";
import { headLook } from "./head_look.js";
import { chosenName, headTitle } from "./head_set.js";
import { sameHead } from "./heads_layout.js";

/** @import { Overlay } from "./graph_overlay.js" */
/** @import { HeadPlace } from "./head_set.js" */
/** @import { Instrument, Scene } from "./index.js" */

const SVG = "http://www.w3.org/2000/svg";
/** @type {Record<string, number>} */
const LEGEND_STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class GraphLegend {
  /** What the buttons were made of. */
  made = "";
  /** @type {HTMLButtonElement[]} */
  buttons = [];
  /** @type {HeadPlace[]} */
  places = [];

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "graph-legend", parent);
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Heads of the lines");
    this.root.hidden = true;
    const { store } = instrument;
    const hover = (/** @type {Event} */ event) => store.hover({ head: this.placeOf(event) });
    this.root.addEventListener("pointerover", hover);
    this.root.addEventListener("focusin", hover);
    this.root.addEventListener("pointerleave", () => store.hover(null));
    this.root.addEventListener("focusout", () => store.hover(null));
    this.root.addEventListener("click", (event) => {
      const place = this.placeOf(event);
      if (place) store.set({ layer: place[0], head: place[1] });
    });
    // One tab stop: the arrow keys move between the buttons.
    this.root.addEventListener("keydown", (event) => {
      const here = this.buttons.indexOf(/** @type {HTMLButtonElement} */ (event.target));
      const next = this.buttons[here + (LEGEND_STEPS[event.key] ?? 0)];
      if (here < 0 || !(event.key in LEGEND_STEPS)) return;
      event.preventDefault();
      next?.focus();
    });
  }

  /** @param {Event} event */
  placeOf({ target }) {
    const button = target instanceof Element ? target.closest("button") : null;
    return button ? this.places[this.buttons.indexOf(button)] : null;
  }

  /**
   * @param {Scene} scene
   * @param {Overlay | null} overlay
   */
  draw({ trace, state, dark }, overlay) {
    this.root.hidden = !overlay;
    this.root.dataset.heads = overlay?.graph.heads?.join(" ") ?? "";
    if (!overlay) return;
    this.places = overlay.places;
    const made = `${overlay.graph.heads?.join()} ${dark} ${trace.header.trace}`;
    if (made !== this.made) {
      this.made = made;
      this.buttons = overlay.places.map((place, number) => {
        const { colour, dash } = headLook(number, trace.header.style, dark);
        return makeEntry(chosenName(place), headTitle(trace, place), colour, dash);
      });
      this.root.replaceChildren(...this.buttons);
    }
    const current = this.places.findIndex((place) => sameHead(place, [state.layer, state.head]));
    const hovered = this.places.findIndex((place) => sameHead(place, state.hover.head));
    const focused = this.buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const stop = focused >= 0 ? focused : Math.max(0, current);
    this.buttons.forEach((button, number) => {
      if (number === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      button.classList.toggle("graph-head-hovered", number === hovered);
      button.tabIndex = number === stop ? 0 : -1;
    });
  }
}

/**
 * @param {string} name
 * @param {string} title
 * @param {string} colour
 * @param {number[]} dash
 */
function makeEntry(name, title, colour, dash) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "graph-head";
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "graph-head-line");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "line");
  const look = { x1: 0, x2: 26, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") };
  for (const [attribute, value] of Object.entries(look)) line.setAttribute(attribute, String(value));
  picture.append(line);
  const text = document.createElement("span");
  text.textContent = name;
  button.append(picture, text);
  button.title = title;
  button.setAttribute("aria-label", `${name}, ${title}`);
  return button;
}
