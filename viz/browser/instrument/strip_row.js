// @ts-check
// One row of the strip: a label, and a button for each token. The row is one tab stop; arrow keys move in it.

import { element } from "../core/canvas.js";
import { clamp } from "../core/text.js";
import { isStruck } from "./changes.js";
import { toHex } from "./palette.js";
import { roleColour } from "./roles.js";
import { DIMMED, HIDDEN } from "./shown.js";
import { sideInStrip, toggleToken } from "./store.js";
import { coloursOfWeight, describeWeight } from "./strip_words.js";

/** @import { Scene } from "./index.js" */
/** @import { Side, Store } from "./store.js" */
/** @import { Shown } from "./strip_words.js" */
/** @import { Trace } from "./trace.js" */

/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -1e9, End: 1e9 };
// Before or after a piece of a word, where the word continues (models/display.py); Hebrew and Arabic have an invisible
// character beside it.
const JOINED_BEFORE = /^\u200f?·./u;
const JOINED_AFTER = /.·\u200f?$/u;

export class StripRow {
  /** @type {HTMLButtonElement[]} */
  buttons = [];
  /** What each button shows, so that only changes are written. @type {string[]} */
  written = [];
  /** The names of roles, each before the first token of a message. @type {[name: HTMLElement, position: number][]} */
  roles = [];
  /** Whether the colours of roles are those of a dark page, undefined before they are set. @type {boolean | undefined} */
  dark;
  /** The button that the tab key reaches. */
  current = 0;

  /**
   * @param {HTMLElement} parent
   * @param {Store} store
   * @param {Side | null} side of the tokens; null for both
   * @param {Trace} trace
   * @param {[first: number, last: number]} span positions of the tokens
   */
  constructor(parent, store, side, trace, [first, last]) {
    this.store = store;
    this.fixed = side;
    this.header = trace.header;
    this.first = first;
    this.labels = side === "key" ? trace.keys : trace.queries;
    this.label = element("div", "strip-label", parent);
    this.box = element("div", "strip-tokens", parent);
    this.box.setAttribute("role", "group");
    const cuts = trace.header.cuts[side === "key" ? 1 : 0];
    for (let position = first; position <= last; position++) this.add(position, cuts.includes(position));
    if (this.buttons.length) this.buttons[0].tabIndex = 0;
    this.box.addEventListener("pointerover", (event) => this.hover(this.positionOf(event)));
    this.box.addEventListener("pointerleave", () => store.hover(null));
    this.box.addEventListener("click", (event) => this.toggle(this.positionOf(event)));
    this.box.addEventListener("keydown", (event) => this.press(event));
    this.box.addEventListener("focusin", (event) => {
      // A click also focuses the button: the pointer says then what is hovered.
      if (/** @type {Element} */ (event.target).matches(":focus-visible")) this.hover(this.positionOf(event));
    });
    this.box.addEventListener("focusout", (event) => {
      if (/** @type {Element} */ (event.target).matches(":focus-visible")) store.hover(null);
    });
  }

  /** The side whose weights a row of two shows; a row of both sides begins with what the queries attend to. */
  get side() {
    return this.fixed ?? "query";
  }

  /**
   * @param {number} position
   * @param {boolean} cut whether another text begins here
   */
  add(position, cut) {
    const [text, special, generated] = this.labels[position];
    if (this.roleBegins(position)) this.addRole(position);
    else if (cut) element("span", "strip-cut", this.box);
    const button = element("button", "strip-token", this.box);
    button.type = "button";
    button.tabIndex = -1;
    button.textContent = text;
    button.dataset.position = String(position);
    button.classList.toggle("strip-special", special);
    button.classList.toggle("strip-generated", Boolean(generated));
    button.classList.toggle("strip-of-role", Boolean(this.labels[position][3]));
    const struck = isStruck({ header: this.header }, this.fixed === "key" ? 1 : 0, position);
    button.classList.toggle("strip-struck", struck);
    button.classList.toggle("strip-joined", JOINED_BEFORE.test(text) && position > this.first);
    button.classList.toggle("strip-continued", JOINED_AFTER.test(text));
    button.setAttribute("aria-pressed", "false");
    this.buttons.push(button);
  }

  /** @param {number} position */
  roleBegins(position) {
    const role = this.labels[position][3];
    return Boolean(role) && (position === this.first || role !== this.labels[position - 1][3]);
  }

  /** @param {number} position the first token of a message, before which its role is written */
  addRole(position) {
    const name = element("span", "strip-role", this.box);
    name.textContent = this.labels[position][3] ?? "";
    this.roles.push([name, position]);
  }

  /** @param {Scene} scene */
  drawRoles({ dark, trace }) {
    if (this.dark === dark) return;
    this.dark = dark;
    const colour = (/** @type {number} */ position) =>
      roleColour(this.labels[position][3] ?? "", trace.header.style, dark);
    for (const [name, position] of this.roles) name.style.color = colour(position);
    for (const [number, button] of this.buttons.entries()) {
      if (this.labels[this.first + number][3]) button.style.borderTopColor = colour(this.first + number);
    }
  }

  /** @param {Event} event */
  positionOf(event) {
    const button = /** @type {Element} */ (event.target).closest("button");
    return button ? Number(button.dataset.position) : null;
  }

  /** @param {number} position */
  sideOf(position) {
    return this.fixed ?? sideInStrip(this.store.state, position);
  }

  /** @param {number | null} position null between two tokens, where the last one stays */
  hover(position) {
    if (position !== null) this.store.hover({ [this.sideOf(position)]: position });
  }

  /** @param {number | null} position */
  toggle(position) {
    if (position === null) return;
    this.moveTo(position - this.first);
    this.store.set(toggleToken(this.store.state, this.sideOf(position), position));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.moveTo(this.current + step);
    this.buttons[this.current].focus();
  }

  /** @param {number} number of the button that the tab key reaches from now on */
  moveTo(number) {
    this.buttons[this.current].tabIndex = -1;
    this.current = clamp(number, 0, this.buttons.length - 1);
    this.buttons[this.current].tabIndex = 0;
  }

  /**
   * @param {Scene} scene
   * @param {Shown} shown
   * @param {{ label: string, title: string }} words
   */
  draw(scene, shown, { label, title }) {
    if (this.label.textContent !== label) {
      this.label.textContent = label;
      this.box.setAttribute("aria-label", label);
    }
    if (this.label.title !== title) this.label.title = title;
    this.drawRoles(scene);
    this.buttons.forEach((button, number) => {
      this.drawToken(scene, button, number, shown.weight(this.first + number));
    });
  }

  /**
   * @param {Scene} scene
   * @param {HTMLButtonElement} button
   * @param {number} number
   * @param {number | undefined} weight
   */
  drawToken({ trace, state, shade, focus, palette, colours, theme }, button, number, weight) {
    const position = this.first + number;
    /** @type {Side[]} */
    const sides = this.fixed ? [this.fixed] : ["query", "key"];
    const locked = sides.some((side) => state[side] === position);
    const chosen = sides.some((side) => focus[side] === position);
    const level = shade[this.side][position];
    const side = this.side === "query" ? 0 : 2;
    const outside = state.region !== null && (position < state.region[side] || position > state.region[side + 1]);
    const key = `${weight} ${palette} ${state.scale} ${locked} ${chosen} ${level} ${outside} ${theme.background}`;
    if (this.written[number] === key) return;
    this.written[number] = key;
    const { style, defaults } = trace.header;
    const isShown = weight !== undefined && level !== HIDDEN;
    const page = level === DIMMED ? toHex(theme.background) : null;
    const [ground, ink] = isShown ? coloursOfWeight(weight, style, colours, defaults.bad, page) : ["", ""];
    button.style.backgroundColor = ground;
    button.style.color = ink;
    const said = level === HIDDEN ? "hidden" : describeWeight(weight, style);
    if (said) {
      button.title = said;
      button.setAttribute("aria-label", `${this.labels[position][0]}: ${said}`);
    } else {
      button.removeAttribute("title");
      button.removeAttribute("aria-label");
    }
    button.classList.toggle("strip-hidden", level === HIDDEN);
    button.classList.toggle("strip-dimmed", level === DIMMED);
    button.classList.toggle("strip-outside", outside);
    button.classList.toggle("strip-locked", locked);
    button.classList.toggle("strip-chosen", chosen);
    button.setAttribute("aria-pressed", String(locked));
  }
}
