// @ts-check
// Token graph of one head: queries left, keys right. Hovering or focusing a token isolates its lines, a click or Enter
// locks it. Only the lock is sent to the server.

import { element, fit, oncePerFrame, watch } from "../core/canvas.js";
import { endPicture, pictureIn } from "../core/component.js";
import { themeOf } from "../core/theme.js";
import { sameBytes, unpack } from "../core/unpack.js";
import { drawHeading, drawLines, drawTokens } from "./token_graph_drawing.js";
import {
  columnsOf,
  LEFT,
  linesByToken,
  RIGHT,
  rowHeightFor,
  scrollTo,
  TOP,
  tokenAfter,
  tokenAt,
} from "./token_graph_layout.js";
import { describeGraph, describeToken, lockedToken, nameOf } from "./token_graph_words.js";

/** @import { Component, Send } from "../core/component.js" */
/** @import { Lines, Token } from "./token_graph_layout.js" */
/** @import { Graph, Header, Label } from "./token_graph_words.js" */

/** @param {Component<Uint8Array>} component */
export default function mount({ data, parentElement, setTriggerValue }) {
  const picture = pictureIn(parentElement, TokenGraph);
  picture.send = setTriggerValue;
  picture.show(data);
  return () => endPicture(parentElement);
}

class TokenGraph {
  /** @type {Send} */
  send = () => {};
  /** @type {Uint8Array | undefined} */
  bytes;
  /** @type {Graph | undefined} */
  graph;
  /** @type {Token | null} */
  hovered = null;
  /** @type {Token | null} */
  locked = null;
  left = 0;
  right = 0;
  rowHeight = 0;
  /** The width, font and graph of which `left` and `right` were measured. @type {unknown[]} */
  measured = [];

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "flow", parent);
    this.status = element("div", "flow-status", this.root);
    this.status.setAttribute("role", "status");
    this.scroll = element("div", "flow-scroll", this.root);
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "application");
    this.space = element("div", "flow-space", this.scroll);
    this.canvas = element("canvas", "flow-canvas", this.scroll);
    this.redraw = oncePerFrame(() => this.draw());
    this.stop = watch(this.root, this.redraw);
    this.scroll.addEventListener("scroll", this.redraw);
    this.scroll.addEventListener("pointermove", (event) => this.hover(this.tokenUnder(event)));
    for (const leaves of ["pointerleave", "blur"]) this.scroll.addEventListener(leaves, () => this.hover(null));
    this.scroll.addEventListener("click", (event) => this.toggleLock(this.tokenUnder(event)));
    this.scroll.addEventListener("keydown", (event) => this.press(event));
  }

  /**
   * Show another head, or the same one with another threshold.
   * @param {Uint8Array} bytes
   */
  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = /** @type {{ header: Header, arrays: Lines }} */ (unpack(bytes));
    /** @type {[Label[], Label[]]} */
    const sides = [header.queries, header.keys];
    const before = this.graph?.header;
    const tokensOf = (/** @type {Header} */ { first, queries, keys }) => JSON.stringify([first, queries, keys]);
    if (!before || tokensOf(before) !== tokensOf(header)) this.hovered = null;
    this.graph = {
      header,
      lines: arrays,
      sides,
      byToken: linesByToken(arrays, [sides[LEFT].length, sides[RIGHT].length]),
    };
    // A locked token stays locked from head to head, so that heads can be compared on it.
    this.locked = lockedToken(header);
    this.rowHeight = rowHeightFor(this.rows);
    const label = `${header.title}: ${header.summary}. Arrow keys choose a token, Enter locks it.`;
    this.scroll.setAttribute("aria-label", label);
    this.root.dataset.rowHeight = String(this.rowHeight);
    this.root.dataset.lines = String(arrays.weight.length);
    this.update();
  }

  /** @returns {[number, number]} */
  get counts() {
    const [queries, keys] = this.graph?.sides ?? [[], []];
    return [queries.length, keys.length];
  }

  get rows() {
    return Math.max(...this.counts);
  }

  get focus() {
    return this.hovered ?? this.locked;
  }

  /** @param {MouseEvent} event */
  tokenUnder(event) {
    const box = this.scroll.getBoundingClientRect();
    return tokenAt(event.clientX - box.left, event.clientY - box.top + this.scroll.scrollTop, this);
  }

  /** @param {Token | null} token */
  hover(token) {
    if (token?.side === this.hovered?.side && token?.row === this.hovered?.row) return;
    this.hovered = token;
    this.update();
  }

  /** @param {Token | null} token */
  isLocked(token) {
    return Boolean(token) && token?.side === this.locked?.side && token?.row === this.locked?.row;
  }

  /** @param {Token | null} token */
  toggleLock(token) {
    this.lock(this.isLocked(token) ? null : token);
  }

  /**
   * Lock a token or none. The server is informed, so that the link and the exports show the same lines.
   * @param {Token | null} token
   */
  lock(token) {
    if (!this.graph) return;
    if (token || this.locked) this.send("locked", token ? nameOf(this.graph.header, token) : "");
    this.locked = token;
    this.update();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const reached = tokenAfter(event.key, this.focus, this.counts);
    if (reached) this.hover(reached);
    else if (event.key === "Enter" || event.key === " ") this.toggleLock(this.focus);
    else if (event.key === "Escape") {
      this.hovered = null;
      this.lock(null);
    } else return;
    event.preventDefault();
    if (this.focus) this.scroll.scrollTop = scrollTo(this.focus.row, this.rowHeight, this.scroll);
  }

  /** Write the state in words and draw it. */
  update() {
    if (!this.graph) return;
    const { focus, graph } = this;
    this.root.dataset.focus = focus ? nameOf(graph.header, focus) : "";
    this.root.dataset.locked = this.locked ? "yes" : "";
    this.status.textContent = focus ? describeToken(graph, focus, this.isLocked(focus)) : describeGraph(graph.header);
    this.redraw();
  }

  draw() {
    const width = this.scroll.clientWidth;
    if (!width || !this.graph) return;
    const { focus, graph, rowHeight } = this;
    const total = TOP + this.rows * rowHeight + 8;
    const height = Math.min(total, Math.max(320, Math.min(640, window.innerHeight * 0.75)));
    this.scroll.style.height = `${height}px`;
    this.space.style.height = `${total}px`;
    const context = fit(this.canvas, width, height);
    const theme = themeOf(this.root);
    context.font = `${Math.min(14, rowHeight - 5)}px ${theme.font}`;
    this.measure(context, width);
    context.clearRect(0, 0, width, height);
    const shift = TOP - this.scroll.scrollTop + rowHeight / 2;
    const y = (/** @type {number} */ row) => shift + row * rowHeight;
    const firstRow = Math.max(0, Math.floor((this.scroll.scrollTop - TOP) / rowHeight));
    const place = { context, theme, width, height, left: this.left, right: this.right, rowHeight, firstRow, y };
    // The strongest line is drawn last, above the others.
    const chosen = focus ? graph.byToken[focus.side][focus.row].slice().reverse() : null;
    drawLines(place, graph, chosen);
    drawTokens(place, graph, [focus?.side === LEFT ? focus.row : null, focus?.side === RIGHT ? focus.row : null]);
    drawHeading(place);
    this.root.dataset.drawn = this.root.dataset.focus;
  }

  /**
   * Find the columns of the tokens anew if the width, the font or the tokens have changed.
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   */
  measure(context, width) {
    const { graph } = this;
    const [lastWidth, lastFont, lastGraph] = this.measured;
    if (!graph || (width === lastWidth && context.font === lastFont && graph === lastGraph)) return;
    this.measured = [width, context.font, graph];
    const widest = (/** @type {Label[]} */ side) => Math.max(...side.map(([text]) => context.measureText(text).width));
    Object.assign(this, columnsOf([widest(graph.sides[LEFT]), widest(graph.sides[RIGHT])], width));
  }

  end() {
    this.stop();
    this.root.remove();
  }
}
