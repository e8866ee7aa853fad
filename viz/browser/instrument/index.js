// @ts-check
// The instrument: linked pictures of one trace that share one store. It knows nothing of its host (docs/decisions/0019).

import { element, oncePerFrame, watch } from "../core/canvas.js";
import { isDarkColour, themeOf } from "../core/theme.js";
import { sameBytes } from "../core/unpack.js";
import { Figures } from "./figures.js";
import { fitSelection, keepHead } from "./fit.js";
import { Graph } from "./graph.js";
import { Heads } from "./heads.js";
import { Heatmap } from "./heatmap.js";
import { formatSelection, parseSelection } from "./link.js";
import { Pairs } from "./pairs.js";
import { Palette, toHex } from "./palette.js";
import { Ranking } from "./ranking.js";
import { neighbours } from "./requests.js";
import { isCombined, nameShown, shadeOf, shownHead } from "./shown.js";
import { focusOf, NO_HOVER, Store } from "./store.js";
import { Strip } from "./strip.js";
import { Toolbar } from "./toolbar.js";
import { Trace } from "./trace.js";
import { convertUnit, groupsOf, viewQuery } from "./view.js";
import { Views } from "./views.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { Focus, State, Treatment } from "./store.js" */
/** @import { Shade } from "./shown.js" */
/** @import { Thumbnail, Tile } from "./trace.js" */
/** @import { Requests, Transport } from "./requests.js" */
/** @import { View } from "./views.js" */

/**
 * @typedef {object} Scene what every part draws
 * @property {Trace} trace the view of the trace: words instead of pieces, without hidden tokens
 * @property {State} state
 * @property {Shade} shade which tokens are dimmed or hidden
 * @property {string} name of what is shown: "Layer 2, head 5" or "Mean of layer 2"
 * @property {Focus} focus positions to emphasise
 * @property {Tile | null} tile the exact cells of what is shown, in the selected region; null until they have come
 * @property {Thumbnail | null} thumbnail of the selected head; null for a map of several heads
 * @property {Theme} theme
 * @property {boolean} dark
 * @property {string} palette the palette in use: never "automatic"
 * @property {Uint8Array} colours red, green and blue of its 256 colour numbers, with the scale
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
  /** The trace of the message. @type {Trace | undefined} */
  base;
  /** The view of it that is shown. @type {Trace | undefined} */
  trace;
  /** @type {Requests | undefined} */
  requests;
  /** The views of it. @type {Views | undefined} */
  views;
  /** The shade that was computed last, and what it depends on. @type {[made: unknown[], shade: Shade] | undefined} */
  shade;
  /** @type {Part[]} */
  parts = [];
  /** The opening that the store has adopted. */
  opened = "";
  /** The number of the selection that the host knows. */
  published = 0;
  /** The head that a map with one head for each layer has no place for. @type {number | null} */
  leftHead = null;
  palette = new Palette();
  /** The locked tokens of each text, by the name of its trace. @type {Map<string, Pick<State, "query" | "key" | "first" | "unit">>} */
  pairs = new Map();
  /** @type {Theme | undefined} */
  theme;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "instrument", parent);
    this.grid = element("div", "instrument-grid", this.root);
    this.store = new Store({
      ...parseSelection("", { threshold: 0, scale: "linear", palette: "automatic" }),
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
    const base = new Trace(bytes);
    this.base = base;
    this.views?.end();
    this.views = new Views(base, this.host.transport, this.redraw);
    const isFirst = !this.parts.length;
    if (isFirst) this.build();
    this.adopt(base, before);
    this.root.dataset.trace = base.header.trace;
    this.root.dataset.drawn = "";
    // A first visitor waits for the pictures: they are on the screen with the frame that mounts them.
    if (isFirst) this.draw();
    this.redraw();
  }

  /**
   * Select what the message opens, unless the visitor has selected something since; else what is left of the present
   * selection in this trace.
   * @param {Trace} base
   * @param {Trace | undefined} before
   */
  adopt(base, before) {
    const { opening, defaults } = base.header;
    const { store } = this;
    const adopts = opening.id !== this.opened && store.chosen <= opening.after;
    this.opened = opening.id;
    if (!adopts) {
      const pair = this.pairs.get(base.header.trace);
      store.fit({
        ...this.fit(store.state, before),
        ...(pair?.unit === store.state.unit ? pair : {}),
        hover: NO_HOVER,
      });
      return;
    }
    // The server knows this selection, so that it is not reported, unless what was left of the one before is: the last
    // report counts.
    const reported = store.number;
    this.published = Number.POSITIVE_INFINITY;
    store.fit({ ...this.fit({ ...store.state, ...parseSelection(opening.selection, defaults) }), hover: NO_HOVER });
    store.chosen = opening.after;
    this.published = Math.max(reported, opening.after);
    store.number = this.published + Number(reported > opening.after);
    this.remember();
    this.changed();
  }

  /**
   * Return the nearest selection that the present trace has, and show its view as soon as it is there.
   * @param {State} state
   * @param {Trace} [before]
   */
  fit(state, before) {
    const views = /** @type {Views} */ (this.views);
    const view = views.of(state);
    ({ trace: this.trace, requests: this.requests } = view ?? views.base);
    ({ state, left: this.leftHead } = keepHead(state, this.trace, before, this.leftHead));
    if (view) return fitSelection(state, view.trace, before);
    // The positions are fitted when the view has come.
    return before ? { ...state, query: null, key: null, region: null } : state;
  }

  /**
   * Count words or pieces from now on; locked tokens and the region stay on the same text.
   * @param {"pieces" | "words"} unit
   */
  setUnit(unit) {
    const { state } = this.store;
    if (this.base) this.store.set({ ...convertUnit(state, unit, groupsOf(this.base)), hover: NO_HOVER });
  }

  build() {
    const names = /** @type {(keyof typeof PARTS)[]} */ (this.base?.header.parts ?? []);
    this.root.dataset.parts = names.join(" ");
    if (names.length > 1) this.parts.push(new Toolbar(element("div", "part-toolbar", this.grid), this));
    for (const name of names) this.parts.push(new PARTS[name](element("section", `part-${name}`, this.grid), this));
  }

  /** The selection as a link writes it. */
  get text() {
    return this.base ? formatSelection(this.store.state, this.base.header.defaults) : "";
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
    const { query, key, first, unit } = this.store.state;
    if (this.base?.header.sentences.length) this.pairs.set(this.base.header.trace, { query, key, first, unit });
  }

  /** Release what is locked. */
  release() {
    this.store.set({ query: null, key: null, hover: NO_HOVER });
  }

  draw() {
    if (!this.base || !this.root.clientWidth || !this.followView()) return;
    const { trace, requests } = /** @type {View} */ (this);
    const { state } = this.store;
    const shown = shownHead(state);
    const tile = trace.tile(shown, state.region);
    if (!tile) requests.needTile(shown, state.region);
    this.theme ??= themeOf(this.root);
    const { theme } = this;
    const dark = isDarkColour(toHex(theme.background));
    const palette = state.palette in trace.header.palettes ? state.palette : dark ? "night" : "blues";
    const colours = this.palette.coloursOf(trace, palette, state.scale);
    const thumbnail = isCombined(state) ? null : trace.thumbnail(state.layer, state.head);
    const [focus, shade, name] = [focusOf(state), this.shadeOf(trace, state), nameShown(trace, state)];
    const scene = { trace, state, focus, shade, name, tile, thumbnail, theme, dark, palette, colours };
    for (const part of this.parts) part.draw(scene);
    const { query, key } = scene.focus;
    this.root.dataset.focus = `${query ?? ""} ${key ?? ""}`;
    this.root.dataset.view = trace.query;
    this.root.dataset.drawn = `${shown.join(" ")} ${tile ? "exact" : thumbnail ? "thumbnail" : "nothing"}`;
    if (tile && !isCombined(state)) requests.prefetch(neighbours(state, trace.heads), state.region);
  }

  /**
   * Show the view of the selection. Returns whether it is there; until it has come, the last picture stays.
   */
  followView() {
    const { state } = this.store;
    const view = this.views?.of(state);
    this.root.dataset.waits = view ? "" : "view";
    if (!view && this.views?.lacks(state)) this.returnToTrace();
    if (!view) return !this.root.dataset.drawn && viewQuery(this.store.state) === this.base?.query;
    if (view.trace !== this.trace) {
      ({ trace: this.trace, requests: this.requests } = view);
      this.store.fit(fitSelection(state, view.trace));
    }
    return true;
  }

  /** Show the trace as the message has it: the view cannot be had. */
  returnToTrace() {
    const { query } = /** @type {Views} */ (this.views).base.trace;
    const { unit, special, sink, renormalise } = parseSelection(
      query,
      /** @type {Trace} */ (this.base).header.defaults,
    );
    const { state } = this.store;
    const treatment = (/** @type {Treatment} */ had, /** @type {Treatment} */ wanted) =>
      had === "hide" || wanted !== "hide" ? had : "dim";
    this.setUnit(unit);
    const tokens = { special: treatment(special, state.special), sink: treatment(sink, state.sink) };
    this.store.set({ ...tokens, renormalise });
    this.root.dataset.lacks = "view";
  }

  /**
   * @param {Trace} trace
   * @param {State} state
   */
  shadeOf(trace, state) {
    const made = [trace, state.special, state.sink];
    if (!this.shade || made.some((each, at) => each !== this.shade?.[0][at]))
      this.shade = [made, shadeOf(trace, state)];
    return this.shade[1];
  }

  end() {
    this.stop();
    this.views?.end();
    this.root.remove();
  }
}
