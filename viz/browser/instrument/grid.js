// @ts-check
// All heads as thumbnails on one canvas. Hover names a head; a click or the arrow keys select it and inform the server.

import { contextOf, element, fit, oncePerFrame, watch } from "../core/canvas.js";
import { endPicture, pictureIn } from "../core/component.js";
import { globals, SELECTION_EVENT } from "../core/globals.js";
import { isDark, themeOf } from "../core/theme.js";
import { sameBytes, unpack } from "../core/unpack.js";
import { drawGrid, SCALE_HEIGHT } from "./grid_drawing.js";
import {
  colourMaps,
  describeHead,
  describeSelection,
  headAfter,
  headAt,
  layoutOf,
  MARGIN_LEFT,
  MARGIN_TOP,
  sameHead,
} from "./grid_layout.js";

/** @import { Component, Send } from "../core/component.js" */
/** @import { Head } from "../core/globals.js" */
/** @import { Arrays, Header } from "./grid_layout.js" */

// Without an answer after this time the server has lost the pick: the outline returns to the head that it shows.
const ANSWER_TIMEOUT_MS = 6000;

/** @param {Component<Uint8Array>} component */
export default function mount({ data, parentElement, setTriggerValue }) {
  const picture = pictureIn(parentElement, Grid);
  picture.send = setTriggerValue;
  picture.show(data);
  return () => endPicture(parentElement);
}

class Grid {
  /** @type {Send} */
  send = () => {};
  /** @type {Uint8Array | undefined} */
  bytes;
  /** @type {{ header: Header, arrays: Arrays, sheet: HTMLCanvasElement } | undefined} */
  maps;
  /** @type {Head | null} */
  hovered = null;
  /** @type {Head | null} */
  selected = null;
  /** The head that the server shows. @type {Head | null} */
  confirmed = null;
  /** The timer of a pick that is not answered yet. */
  waiting = 0;
  pitch = 0;
  pitchY = 0;
  /** @type {boolean | undefined} */
  dark;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "grid", parent);
    this.canvas = element("canvas", "grid-canvas", this.root);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.name = element("div", "grid-name", this.root);
    this.name.setAttribute("role", "status");
    this.redraw = oncePerFrame(() => this.draw());
    this.stop = watch(this.root, this.redraw);
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.headUnder(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => this.select(this.headUnder(event)));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    // Layer and head also have ordinary controls. What they choose arrives here without the maps being sent again.
    this.follow = (/** @type {Event} */ event) => this.answered(/** @type {CustomEvent} */ (event).detail);
    window.addEventListener(SELECTION_EVENT, this.follow);
  }

  /** @param {Uint8Array} bytes */
  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = /** @type {{ header: Header, arrays: Arrays }} */ (unpack(bytes));
    this.maps = { header, arrays, sheet: paintSheet(header, arrays) };
    const size = `${header.shape[0]} layers, ${header.shape[1]} heads`;
    this.canvas.setAttribute("aria-label", `${header.title}: ${size}. Arrow keys choose a head.`);
    if (header.selected) this.mark(header.selected);
    else if (globals.headlightShown) this.answered(globals.headlightShown);
    // Complete maps replace growing ones. A pick in the grid that was replaced may be lost if it is not answered yet.
    const pick = globals.headlightPick;
    if (pick && !this.waiting && performance.now() - pick.at < ANSWER_TIMEOUT_MS) this.select(pick.head);
    this.redraw();
  }

  /**
   * The server shows a head: the answer to our pick of that number, or to an ordinary control. A visitor who moves on
   * with the arrow keys is ahead of the server, and answers to earlier picks must not move the outline back.
   * @param {[layer: number, head: number, pick: number]} answer
   */
  answered([layer, head, number]) {
    const pick = globals.headlightPick;
    this.confirmed = [layer, head];
    if (pick && number === pick.number) pick.at = -ANSWER_TIMEOUT_MS;
    else if (this.waiting) return;
    this.settle();
  }

  settle() {
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.mark(this.confirmed);
  }

  draw() {
    const width = this.root.clientWidth;
    if (!width || !this.maps) return;
    const { header } = this.maps;
    const layout = layoutOf(header, width);
    this.pitch = layout.pitch;
    this.pitchY = layout.pitchY;
    const context = fit(this.canvas, layout.wide, layout.bottom + SCALE_HEIGHT);
    const theme = themeOf(this.root);
    this.followTheme(isDark(context, theme));
    context.clearRect(0, 0, width, this.canvas.height);
    drawGrid({ context, theme, layout, ...this.maps, selected: this.selected, hovered: this.hovered });
    const shown = this.root.dataset;
    if (shown.selected !== undefined) shown.drawn = shown.selected;
    shown.done = String(header.done);
    shown.scores = (header.scores ?? []).join(" ");
    shown.place = `${MARGIN_LEFT} ${MARGIN_TOP} ${this.pitch} ${this.pitchY}`;
  }

  /**
   * Inform the server when the page turns dark or light: its palette may follow, and only a run of the page finds out.
   * @param {boolean} dark
   */
  followTheme(dark) {
    if (this.dark !== undefined && dark !== this.dark) this.send("themed", dark);
    this.dark = dark;
  }

  /** @param {MouseEvent} event */
  headUnder(event) {
    const box = this.canvas.getBoundingClientRect();
    return headAt(this, this.maps?.header.heads ?? [], event.clientX - box.left, event.clientY - box.top);
  }

  /** @param {Head | null} head */
  hover(head) {
    if (!this.maps || sameHead(head, this.hovered)) return;
    this.hovered = head;
    this.describe();
    this.redraw();
  }

  /**
   * Outline a head, if there is one of these numbers.
   * @param {Head | null} head
   */
  mark(head) {
    if (!head || !this.maps || head[1] >= (this.maps.header.heads[head[0]] ?? 0)) return;
    this.selected = head;
    this.root.dataset.selected = String(head);
    this.name.textContent = describeSelection(this.maps.header, this.selected);
    this.redraw();
  }

  describe() {
    if (!this.maps) return;
    const { header } = this.maps;
    this.name.textContent = this.hovered
      ? describeHead(header, this.hovered)
      : describeSelection(header, this.selected);
  }

  /** @param {Head | null} head */
  select(head) {
    if (!head || (sameHead(head, this.selected) && sameHead(head, this.confirmed ?? head))) return;
    this.mark(head);
    clearTimeout(this.waiting);
    // In an exported file there is no server that answers.
    this.waiting = this.confirmed ? Number(setTimeout(() => this.settle(), ANSWER_TIMEOUT_MS)) : 0;
    const number = (globals.headlightPick?.number ?? 0) + 1;
    globals.headlightPick = { head, number, at: performance.now() };
    this.send("picked", [...head, number]);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const reached = this.maps && headAfter(event.key, this.selected, this.maps.header.heads);
    if (!reached) return;
    event.preventDefault();
    this.select(reached);
  }

  end() {
    this.stop();
    clearTimeout(this.waiting);
    window.removeEventListener(SELECTION_EVENT, this.follow);
    this.root.remove();
  }
}

/**
 * Colour all maps once into one image, from which every redraw scales.
 * @param {Header} header
 * @param {Arrays} arrays
 */
function paintSheet(header, arrays) {
  const [, heads, rows, columns] = header.shape;
  const sheet = document.createElement("canvas");
  sheet.width = heads * columns;
  sheet.height = Math.max(1, header.done * rows);
  const image = new ImageData(sheet.width, sheet.height);
  colourMaps(image.data, arrays, header);
  contextOf(sheet).putImageData(image, 0, 0);
  return sheet;
}
