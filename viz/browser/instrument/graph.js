// @ts-check
// The token graph of the selected head: queries left, keys right, lines for the weights from the threshold up.

import { element } from "../core/canvas.js";
import { asSentence, fill } from "../core/text.js";
import { GraphLegend } from "./graph_legend.js";
import { graphOf } from "./graph_lines.js";
import { overlayOf } from "./graph_overlay.js";
import { describeLacking, describeOverlay, describePairInHeads } from "./graph_overlay_words.js";
import { GraphPicture, SIDES } from "./graph_picture.js";
import { GraphTable } from "./graph_table.js";
import { overlaidHeads } from "./head_choice.js";
import { mostHeads } from "./head_look.js";
import { describeHeadSet } from "./head_set.js";
import { exactTile, shownPart } from "./part.js";
import { RoleLegend } from "./roles.js";
import { togglePair, toggleToken } from "./store.js";
import { LEFT, RIGHT, tokenAfter } from "./token_graph_layout.js";
import { describeLines, describePair, describePart, describeToken } from "./token_graph_words.js";

/** @import { HeadPlace } from "./head_set.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { Hover, Region } from "./store.js" */
/** @import { Token } from "./token_graph_layout.js" */

const GRAPH_PART = "The graph shows {part}: open another region, or lock a token elsewhere.";
const GRAPH_WAITS = "The weights of this head have not come yet.";
const GRAPH_LACKS = "This file does not have the weights of this head.";
const GRAPH_KEYS = "Arrow keys choose a token, Enter locks it.";

export class Graph {
  /** What the graph was made of: trace, part, tile, threshold. @type {unknown[]} */
  made = [];
  said = "";
  /** How many heads are chosen. */
  chosen = 0;
  /** Whether the keyboard has chosen what is hovered. */
  keyed = false;

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.root = parent;
    this.instrument = instrument;
    this.title = element("h2", "graph-title", parent);
    this.status = element("div", "graph-status", parent);
    this.status.setAttribute("role", "status");
    this.legend = new GraphLegend(parent, instrument);
    this.roles = new RoleLegend(parent);
    this.picture = new GraphPicture(parent);
    this.caption = element("p", "graph-caption", parent);
    this.table = new GraphTable(parent, instrument);
    const { scroll } = this.picture;
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "application");
    this.listen(scroll);
  }

  /** @param {HTMLElement} scroll */
  listen(scroll) {
    const { store } = this.instrument;
    scroll.addEventListener("pointermove", (event) => {
      this.keyed = false;
      store.hover(this.picture.under(event));
    });
    scroll.addEventListener("pointerleave", () => store.hover(null));
    scroll.addEventListener("blur", () => {
      if (this.keyed) store.hover(null);
      this.keyed = false;
    });
    scroll.addEventListener("click", (event) => this.toggle(this.picture.under(event)));
    scroll.addEventListener("keydown", (event) => this.press(event));
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { palette, state, trace } = scene;
    const places = overlaidHeads(state, trace.heads);
    this.chosen = places.length;
    const part = places.length ? this.takeHeads(scene, places) : this.takeHead(scene);
    const { graph, overlay } = this.picture;
    if (!graph) return;
    graph.header.line = trace.header.palettes[palette].line;
    graph.header.scale = state.scale;
    this.picture.scene = scene;
    this.write(scene, part);
    this.legend.draw(scene, overlay);
    // One legend is enough where the heatmap has one.
    if (!trace.header.parts.includes("heatmap")) this.roles.draw(scene);
    this.picture.draw(scene);
    const locked = this.picture.rowsOf(state);
    const lines = overlay ? this.picture.linesFor(locked) : null;
    this.table.draw(overlay, lines, [this.picture.number, ...locked].join());
  }

  /**
   * Take the lines of one head, or of one map of several heads. Returns the part of the text that is shown.
   * @param {Scene} scene
   */
  takeHead(scene) {
    const { state, trace } = scene;
    const tile = exactTile(this.instrument, scene);
    const part = tile?.region ?? shownPart(trace, state);
    if (this.isNew([trace, part.join(), state.threshold, tile]))
      this.picture.take(graphOf(trace, part, tile, state.threshold), tile);
    return part;
  }

  /**
   * Take the lines of several heads, as far as their weights have come. Returns the part of the text that is shown.
   * @param {Scene} scene
   * @param {HeadPlace[]} chosen
   */
  takeHeads({ state, trace }, chosen) {
    const places = chosen.slice(0, mostHeads(trace.header.style));
    const part = shownPart(trace, state);
    const tiles = places.map((place) => {
      const tile = trace.tile(place, part);
      if (!tile) this.instrument.requests?.needTile(place, part);
      return tile;
    });
    if (this.isNew([trace, part.join(), state.threshold, places.join(), ...tiles])) {
      const overlay = overlayOf(trace, part, places, tiles, state.threshold);
      this.picture.take(overlay.graph, null, overlay);
    }
    return part;
  }

  /** @param {unknown[]} made what the lines depend on */
  isNew(made) {
    if (made.length === this.made.length && made.every((each, at) => each === this.made[at])) return false;
    this.made = made;
    return true;
  }

  /**
   * Write what the picture shows in words.
   * @param {Scene} scene
   * @param {Region} part
   */
  write(scene, part) {
    const { emphasised, graph, number, overlay, rowHeight } = this.picture;
    const { focus, state, trace } = scene;
    if (!graph) return;
    const text = [number, graph.header.scale, focus.query, focus.key, state.query, state.key];
    const said = [...text, emphasised, state.heads, scene.name].join();
    if (said === this.said) return;
    this.said = said;
    const { style, kind } = trace.header;
    const head = overlay ? describeHeadSet(state.heads, trace.heads) : scene.name;
    this.title.textContent = `Token to token: ${head[0].toLowerCase()}${head.slice(1)}`;
    const lines = this.describeAll(scene, part);
    this.status.textContent = this.describe(scene, lines);
    this.picture.scroll.setAttribute("aria-label", `${head}, ${kind} attention. ${lines} ${GRAPH_KEYS}`);
    const cut = part.join() !== (state.region ?? trace.whole).join();
    const waits = Boolean(this.instrument.requests?.transport);
    const notes = [
      cut ? fill(GRAPH_PART, { part: describePart(part, style) }) : "",
      overlay ? describeLacking(overlay, this.chosen, waits) : "",
    ];
    this.caption.textContent = notes.filter(Boolean).join(" ");
    this.caption.hidden = !this.caption.textContent;
    const names = SIDES.filter((side) => focus[side] !== null).map((side) => `${side}:${focus[side]}`);
    Object.assign(this.root.dataset, {
      focus: names.join(" "),
      locked: state.query !== null || state.key !== null ? "yes" : "",
      lines: String(graph.lines.weight.length),
      rowHeight: String(rowHeight),
    });
  }

  /**
   * Return what is said of all lines, or of those of the head that stands out.
   * @param {Scene} scene
   * @param {Region} part
   */
  describeAll({ state, trace }, part) {
    const { emphasised, graph, overlay, tile } = this.picture;
    const shown = part.join() === trace.whole.join() ? null : part;
    const { threshold } = state;
    if (tile && graph) return asSentence(describeLines(graph, threshold, shown));
    const count = overlay?.places.length ?? 0;
    const heads = count < this.chosen ? `the first ${count} heads` : describeHeadSet(state.heads, trace.heads);
    const said = overlay ? describeOverlay(trace, overlay, { emphasised, threshold, part: shown, heads }) : "";
    const lacking = this.instrument.requests?.transport ? GRAPH_WAITS : GRAPH_LACKS;
    return said || (overlay ? lacking.replace("this head", "these heads") : lacking);
  }

  /**
   * Return what is said of the chosen pair or token.
   * @param {Scene} scene
   * @param {string} lines what is said of all lines
   */
  describe({ focus, state }, lines) {
    const { emphasised, graph, overlay, tile } = this.picture;
    if (!graph || (!tile && !overlay?.tiles.some(Boolean)) || emphasised >= 0) return lines;
    const [query, key] = this.picture.rowsOf(focus);
    if (query !== null && key !== null) {
      const locked = state.query === focus.query && state.key === focus.key;
      if (overlay) return describePairInHeads(overlay, [query, key], locked);
      return describePair(graph, [query, key], this.picture.weight(query, key), locked);
    }
    if (query !== null) return describeToken(graph, { side: LEFT, row: query }, state.query === focus.query);
    if (key !== null) return describeToken(graph, { side: RIGHT, row: key }, state.key === focus.key);
    return lines;
  }

  /**
   * Lock or release what was clicked; a click on nothing releases all.
   * @param {Partial<Hover> | null} under
   */
  toggle(under) {
    const { store } = this.instrument;
    const query = under?.query ?? null;
    const key = under?.key ?? null;
    if (query !== null && key !== null) store.set(togglePair(store.state, query, key));
    else if (query !== null) store.set(toggleToken(store.state, "query", query));
    else if (key !== null) store.set(toggleToken(store.state, "key", key));
    else this.instrument.release();
  }

  /** Return the token from which an arrow key moves: the hovered one, else the one that was locked first. */
  get current() {
    const { state } = this.instrument.store;
    const tokens = [state.hover, state].map((positions) => {
      const rows = this.picture.rowsOf(positions);
      const sides = positions === state && state.first === "key" ? [RIGHT, LEFT] : [LEFT, RIGHT];
      const side = sides.find((each) => rows[each] !== null);
      return side === undefined ? null : /** @type {Token} */ ({ side, row: rows[side] });
    });
    return tokens[0] ?? tokens[1];
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = this.current;
    const reached = tokenAfter(event.key, from, this.picture.counts);
    if (reached) {
      this.keyed = true;
      this.instrument.store.hover(this.picture.positionOf(reached));
    } else if (event.key === "Enter" || event.key === " ") {
      if (from) this.toggle(this.picture.positionOf(from));
    } else return;
    event.preventDefault();
    const token = reached ?? from;
    if (token) this.picture.scrollToRow(token.row);
  }
}
