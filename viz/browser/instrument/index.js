// @ts-check
// The instrument: linked pictures of one trace that share one store. It knows nothing of its host (docs/decisions/0019).

import { element, oncePerFrame, watch } from "../core/canvas.js";
import { isDarkColour, themeOf } from "../core/theme.js";
import { sameBytes } from "../core/unpack.js";
import { Figures } from "./figures.js";
import { fitSelection } from "./fit.js";
import { Graph } from "./graph.js";
import { Heads } from "./heads.js";
import { Heatmap } from "./heatmap.js";
import { formatSelection, parseSelection } from "./link.js";
import { Pairs } from "./pairs.js";
import { Ranking } from "./ranking.js";
import { Requests } from "./requests.js";
import { focusOf, NO_HOVER, Store } from "./store.js";
import { Strip } from "./strip.js";
import { Toolbar } from "./toolbar.js";
import { Trace } from "./trace.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { Focus, State } from "./store.js" */
/** @import { Thumbnail, Tile } from "./trace.js" */
/** @import { Transport } from "./requests.js" */

/**
 * @typedef {object} Scene what every part draws
 * @property {Trace} trace
 * @property {State} state
 * @property {Focus} focus positions to emphasise
 * @property {Tile | null} tile the exact cells of the selected head and region; null until they have come
 * @property {Thumbnail | null} thumbnail of the selected head
 * @property {Theme} theme
 * @property {boolean} dark
 * @property {string} palette the palette in use: never "automatic"
 * @property {Uint8Array} colours red, green and blue of its 256 colour numbers, with the contrast
 */

/**
 * @typedef {object} Part one picture
 * @property {(scene: Scene) => void} draw called in each frame in which something has changed
 */

/**
 * @typedef {object} Host
 * @property {Transport | null} transport
 * @property {(selection: string, number: number) => void} [onSelection] called after every change of the selection
 */

const PARTS = {
  strip: Strip,
  heads: Heads,
  ranking: Ranking,
  figures: Figures,
  heatmap: Heatmap,
  graph: Graph,
  pairs: Pairs,
};

export class Instrument {
  /** @type {Host} */
  host = { transport: null };
  /** @type {Uint8Array | undefined} */
  bytes;
  /** @type {Trace | undefined} */
  trace;
  /** @type {Requests | undefined} */
  requests;
  /** @type {Part[]} */
  parts = [];
  /** The opening that the store has adopted. */
  opened = "";
  /** The number of the selection that the host knows. */
  published = 0;
  /** @type {[name: string, colours: Uint8Array] | undefined} */
  colours;
  /** The locked tokens of each text, by the name of its trace. @type {Map<string, Pick<State, "query" | "key" | "first">>} */
  pairs = new Map();
  /** @type {Theme | undefined} */
  theme;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "instrument", parent);
    this.grid = element("div", "instrument-grid", this.root);
    this.store = new Store({
      ...parseSelection("", { threshold: 0, contrast: "linear", palette: "automatic" }),
      side: "query",
      hover: NO_HOVER,
    });
    this.redraw = oncePerFrame(() => this.draw());
    this.store.listeners.add(() => this.changed());
    this.stop = watch(this.root, () => {
      // Reading the theme makes the browser compute styles, which a hover must not wait for.
      this.theme = undefined;
      this.redraw();
    });
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) this.release();
    });
  }

  /** @param {Uint8Array} bytes the message of a trace */
  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const before = this.trace;
    const trace = new Trace(bytes);
    this.trace = trace;
    this.requests?.end();
    this.requests = new Requests(this.host.transport, trace, this.redraw);
    const isFirst = !this.parts.length;
    if (isFirst) this.build();
    this.adopt(trace, before);
    this.root.dataset.trace = trace.header.trace;
    this.root.dataset.drawn = "";
    this.requests.growMaps();
    // A first visitor waits for the pictures: they are on the screen with the frame that mounts them.
    if (isFirst) this.draw();
    this.redraw();
  }

  /**
   * Select what the message opens, unless the visitor has selected something since; else what is left of the present
   * selection in this trace.
   * @param {Trace} trace
   * @param {Trace | undefined} before
   */
  adopt(trace, before) {
    const { opening, defaults } = trace.header;
    const { store } = this;
    const adopts = opening.id !== this.opened && store.number <= opening.after;
    this.opened = opening.id;
    if (!adopts) {
      store.set({
        ...fitSelection(store.state, trace, before),
        ...this.pairs.get(trace.header.trace),
        hover: NO_HOVER,
      });
      return;
    }
    // The server knows this selection, so that it is not reported.
    this.published = Number.POSITIVE_INFINITY;
    store.set({ ...fitSelection(parseSelection(opening.selection, defaults), trace), hover: NO_HOVER });
    store.number = opening.after;
    this.published = store.number;
    this.remember();
  }

  build() {
    const names = /** @type {(keyof typeof PARTS)[]} */ (this.trace?.header.parts ?? []);
    this.root.dataset.parts = names.join(" ");
    if (names.length > 1) this.parts.push(new Toolbar(element("div", "part-toolbar", this.grid), this));
    for (const name of names) this.parts.push(new PARTS[name](element("section", `part-${name}`, this.grid), this));
  }

  /** The selection as a link writes it. */
  get text() {
    return this.trace ? formatSelection(this.store.state, this.trace.header.defaults) : "";
  }

  changed() {
    this.redraw();
    if (!this.trace || this.store.number <= this.published) return;
    this.published = this.store.number;
    this.remember();
    this.host.onSelection?.(this.text, this.store.number);
  }

  /** Remember the locked tokens of a text, where there are several: heads are ranked over the pairs of all. */
  remember() {
    const { query, key, first } = this.store.state;
    if (this.trace?.header.sentences.length) this.pairs.set(this.trace.header.trace, { query, key, first });
  }

  /** Release what is locked. */
  release() {
    this.store.set({ query: null, key: null, hover: NO_HOVER });
  }

  draw() {
    const { trace, requests } = this;
    if (!trace || !requests || !this.root.clientWidth) return;
    const { state } = this.store;
    const tile = trace.tile(state.layer, state.head, state.region);
    if (!tile) requests.needTile(state.layer, state.head, state.region);
    this.theme ??= themeOf(this.root);
    const { theme } = this;
    const dark = isDarkColour(toHex(theme.background));
    const palette = state.palette in trace.header.palettes ? state.palette : dark ? "night" : "blues";
    const colours = this.coloursOf(palette, trace.header.defaults.contrasts[state.contrast] ?? 1);
    const thumbnail = trace.thumbnail(state.layer, state.head);
    const scene = { trace, state, focus: focusOf(state), tile, thumbnail, theme, dark, palette, colours };
    for (const part of this.parts) part.draw(scene);
    const { query, key } = scene.focus;
    this.root.dataset.focus = `${query ?? ""} ${key ?? ""}`;
    this.root.dataset.drawn = `${state.layer} ${state.head} ${tile ? "exact" : thumbnail ? "thumbnail" : "nothing"}`;
    if (tile) requests.prefetch(neighbours(state, trace.heads), state.region);
  }

  /**
   * Return the colours of a palette, with a contrast: the colour of a weight is that of weight ** gamma.
   * @param {string} palette
   * @param {number} gamma
   */
  coloursOf(palette, gamma) {
    const trace = /** @type {Trace} */ (this.trace);
    const name = `${palette} ${gamma}`;
    if (this.colours?.[0] === name) return this.colours[1];
    const { strongest } = trace.header.style;
    const start = 768 * Object.keys(trace.header.palettes).indexOf(palette);
    const colours = trace.colours.slice(start, start + 768);
    for (let number = 0; number <= strongest; number++) {
      const source = start + 3 * Math.round(strongest * (number / strongest) ** gamma);
      colours.set(trace.colours.subarray(source, source + 3), 3 * number);
    }
    this.colours = [name, colours];
    return colours;
  }

  end() {
    this.stop();
    this.requests?.end();
    this.root.remove();
  }
}

/**
 * Return a CSS colour as `#rrggbb`, as a canvas gives it back.
 * @param {string} colour
 */
function toHex(colour) {
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  context.fillStyle = colour;
  return context.fillStyle;
}

/**
 * Return the heads that a visitor is likely to choose next: those around the selected one, the nearest first.
 * @param {{ layer: number, head: number }} selected
 * @param {number[]} heads heads of each layer
 * @returns {[layer: number, head: number][]}
 */
export function neighbours({ layer, head }, heads) {
  const distance = (/** @type {[number, number]} */ [l, h]) => Math.abs(l - layer) + Math.abs(h - head);
  /** @type {[number, number][]} */
  const all = heads.flatMap((count, l) =>
    Array.from({ length: count }, (_, h) => /** @type {[number, number]} */ ([l, h])),
  );
  return all
    .filter((each) => distance(each) > 0)
    .sort((one, other) => distance(one) - distance(other))
    .slice(0, 24);
}
