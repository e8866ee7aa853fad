// @ts-check
// The canvas of a token graph in a box that scrolls: what is drawn, and what is under the pointer.

import { element, fit, oncePerFrame } from "../core/canvas.js";
import { sameHead } from "./heads_layout.js";
import { drawHeading, drawLines, drawPair, drawTokens, linesByShade } from "./token_graph_drawing.js";
import { drawHeadLines, drawHeadPair, shiftOfHead } from "./token_graph_heads.js";
import { columnsOf, LEFT, lineAt, RIGHT, rowHeightFor, scrollTo, TOP, tokenAt } from "./token_graph_layout.js";

/** @import { Overlay } from "./graph_overlay.js" */
/** @import { Scene } from "./index.js" */
/** @import { Hover, Side } from "./store.js" */
/** @import { Rows } from "./token_graph_drawing.js" */
/** @import { Token } from "./token_graph_layout.js" */
/** @import { Graph as Drawn } from "./token_graph_words.js" */
/** @import { Label, Tile } from "./trace.js" */

/** @type {[Side, Side]} */
export const SIDES = ["query", "key"];
// Opacity of the other lines of a query while one of its pairs is chosen.
const BEHIND = 0.4;

export class GraphPicture {
  /** @type {Scene | undefined} */
  scene;
  /** @type {Drawn | undefined} */
  graph;
  /** @type {Tile | null} */
  tile = null;
  /** The heads whose lines are drawn, where they are several. @type {Overlay | null} */
  overlay = null;
  /** Counts the graphs, to see whether the drawn one is still right. */
  number = 0;
  drawn = "";
  /** What was locked in the last frame. @type {[query: number | null, key: number | null]} */
  locked = [null, null];
  left = 0;
  right = 0;
  rowHeight = 0;
  /** What `left` and `right` were measured of. @type {unknown[]} */
  measured = [];

  /** @param {HTMLElement} parent its data describe the picture */
  constructor(parent) {
    this.root = parent;
    this.scroll = element("div", "graph-scroll", parent);
    this.space = element("div", "graph-space", this.scroll);
    this.canvas = element("canvas", "graph-canvas", this.scroll);
    this.scroll.addEventListener(
      "scroll",
      oncePerFrame(() => this.paint()),
    );
  }

  /**
   * Take other tokens or lines.
   * @param {Drawn} graph
   * @param {Tile | null} tile the weights of all pairs, null if they are not known yet, or are those of several heads
   * @param {Overlay | null} [overlay] several heads
   */
  take(graph, tile, overlay = null) {
    this.overlay = overlay;
    this.graph = graph;
    this.tile = tile;
    this.rowHeight = rowHeightFor(Math.max(...this.counts));
    this.number++;
  }

  /** @param {Scene} scene */
  draw(scene) {
    this.scene = scene;
    this.follow(scene);
    this.paint();
  }

  /** @returns {[number, number]} */
  get counts() {
    const [queries, keys] = this.graph?.sides ?? [[], []];
    return [queries.length, keys.length];
  }

  /**
   * Return the rows of positions, null for those that are not in the picture.
   * @param {{ query: number | null, key: number | null }} positions
   * @returns {Rows}
   */
  rowsOf(positions) {
    const rows = SIDES.map((name, side) => {
      const position = positions[name];
      const row = position === null || !this.graph ? -1 : position - this.graph.header.first[side];
      return row >= 0 && row < this.counts[side] ? row : null;
    });
    return /** @type {Rows} */ (rows);
  }

  /**
   * Return the weight of a pair of rows, -1 if it is masked.
   * @param {number} query
   * @param {number} key
   */
  weight(query, key) {
    return this.tile ? this.tile.cells[query * this.tile.shape[1] + key] : Number.NaN;
  }

  /**
   * Bring a token into view when it has been locked.
   * @param {Scene} scene
   */
  follow({ state }) {
    const before = this.locked;
    this.locked = [state.query, state.key];
    const rows = this.rowsOf(state);
    const row = state.query !== before[LEFT] ? rows[LEFT] : state.key !== before[RIGHT] ? rows[RIGHT] : null;
    if (row === null) return;
    this.size();
    this.scrollToRow(row);
  }

  /** @param {number} row */
  scrollToRow(row) {
    this.scroll.scrollTop = scrollTo(row, this.rowHeight, this.scroll);
  }

  /** Give the box its height, and return it. */
  size() {
    const total = TOP + Math.max(...this.counts) * this.rowHeight + 8;
    const height = Math.min(total, Math.max(320, Math.min(640, window.innerHeight * 0.75)));
    const [boxHeight, spaceHeight] = [`${height}px`, `${total}px`];
    if (this.scroll.style.height !== boxHeight) this.scroll.style.height = boxHeight;
    if (this.space.style.height !== spaceHeight) this.space.style.height = spaceHeight;
    return height;
  }

  /** Draw the picture, if anything in it has changed. */
  paint() {
    const { graph, scene, rowHeight } = this;
    const width = this.scroll.clientWidth;
    if (!width || !graph || !scene) return;
    const { state, theme } = scene;
    const focus = this.rowsOf(scene.focus);
    const locked = this.rowsOf(state);
    const height = this.size();
    const top = this.scroll.scrollTop;
    const { line, scale } = graph.header;
    const colours = [theme.text, theme.background, theme.accent, theme.font];
    const look = [width, height, top, line, scale, ...colours, state.special, state.sink];
    const { emphasised } = this;
    const drawn = [this.number, emphasised, ...focus, ...locked, ...look, window.devicePixelRatio].join();
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const context = fit(this.canvas, width, height);
    context.font = `${Math.min(14, rowHeight - 5)}px ${theme.font}`;
    this.measure(context, width);
    context.clearRect(0, 0, width, height);
    const firstRow = Math.max(0, Math.floor((top - TOP) / rowHeight));
    const { left, right, y } = this.place();
    const { dark, shade } = scene;
    const place = { context, theme, shade, dark, width, height, left, right, rowHeight, firstRow, y };
    this.paintLines(place, focus);
    drawTokens(place, graph, focus, locked);
    drawHeading(place);
    this.root.dataset.drawn = this.root.dataset.focus;
    this.root.dataset.place = [left, right, TOP - top, rowHeight].join(" ");
  }

  /**
   * @param {import("./token_graph_drawing.js").Place} place
   * @param {Rows} focus
   */
  paintLines(place, focus) {
    const { overlay, emphasised } = this;
    const graph = /** @type {Drawn} */ (this.graph);
    const [query, key] = focus;
    const isPair = query !== null && key !== null;
    const [chosen, fade] = [this.linesFor(focus), isPair ? BEHIND : 1];
    if (overlay) {
      const dark = Boolean(this.scene?.dark);
      for (const [lines, share] of linesByShade(graph, chosen, place.shade)) {
        drawHeadLines(place, overlay, { chosen: lines, emphasised, fade: fade * share, dark });
      }
      if (isPair) drawHeadPair(place, overlay, { rows: [query, key], emphasised, dark });
      return;
    }
    for (const [lines, share] of linesByShade(graph, chosen, place.shade)) drawLines(place, graph, lines, fade * share);
    if (!isPair || !this.tile) return;
    const shown = graph.byToken[LEFT][query].some((each) => graph.lines.key[each] === key);
    const weight = this.weight(query, key);
    if (weight !== -1) drawPair(place, graph, [query, key], weight, shown);
  }

  /** Return the number of the chosen head that stands out: the hovered one, -1 for none. */
  get emphasised() {
    const { overlay, scene } = this;
    const head = scene?.state.hover.head ?? null;
    return overlay && head ? overlay.places.findIndex((each) => sameHead(each, head)) : -1;
  }

  /** Return where lines and rows are. */
  place() {
    const above = TOP - this.scroll.scrollTop;
    const y = (/** @type {number} */ row) => above + (row + 0.5) * this.rowHeight;
    const count = this.overlay?.places.length ?? 0;
    const shift = (/** @type {number} */ head) => shiftOfHead(head, count, this.rowHeight);
    return { left: this.left, right: this.right, y, shift };
  }

  /**
   * Return the lines to draw, the strongest last and above the others: those of the query or key, null for all.
   * @param {Rows} rows
   */
  linesFor([query, key]) {
    const { byToken } = /** @type {Drawn} */ (this.graph);
    if (query !== null) return byToken[LEFT][query].slice().reverse();
    return key === null ? null : byToken[RIGHT][key].slice().reverse();
  }

  /**
   * Find the columns of the tokens anew if the width, the font or the tokens have changed.
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   */
  measure(context, width) {
    const { queries, keys } = /** @type {Drawn} */ (this.graph).header;
    // The labels of one trace are the same objects.
    const measured = [width, context.font, queries[0], keys[0], queries.length, keys.length];
    if (measured.every((each, at) => each === this.measured[at])) return;
    this.measured = measured;
    const widest = (/** @type {Label[]} */ side) => Math.max(...side.map(([text]) => context.measureText(text).width));
    Object.assign(this, columnsOf([widest(queries), widest(keys)], width));
  }

  /**
   * Return the token or the pair under the pointer.
   * @param {MouseEvent} event
   * @returns {Partial<Hover> | null}
   */
  under(event) {
    const { graph, scene } = this;
    if (!graph || !scene) return null;
    const box = this.scroll.getBoundingClientRect();
    const [x, below] = [event.clientX - box.left, event.clientY - box.top];
    const { left, right, rowHeight, counts } = this;
    const token = tokenAt(x, below + this.scroll.scrollTop, { left, right, rowHeight, counts });
    if (token) return this.positionOf(token);
    // The lines are those without the pointer: else the next line could not be reached.
    const line = lineAt(x, below, this.place(), graph.lines, this.linesFor(this.rowsOf(scene.state)));
    if (line === null) return null;
    const { first } = graph.header;
    return { query: graph.lines.query[line] + first[LEFT], key: graph.lines.key[line] + first[RIGHT] };
  }

  /**
   * @param {Token} token
   * @returns {Partial<Hover>}
   */
  positionOf({ side, row }) {
    return { [SIDES[side]]: row + /** @type {Drawn} */ (this.graph).header.first[side] };
  }
}
