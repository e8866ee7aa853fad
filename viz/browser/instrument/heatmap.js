// @ts-check
// The selected head as a heatmap. Hover, lock and regions are changes of the store.

import { element } from "../core/canvas.js";
import { HeatmapBar } from "./heatmap_bar.js";
import { openRegion, pairAfter, readableAround } from "./heatmap_choice.js";
import { setText } from "./heatmap_facts.js";
import { HeatmapLegend } from "./heatmap_legend.js";
import { HeatmapPicture } from "./heatmap_picture.js";
import { HeatmapPlotly } from "./heatmap_plotly.js";
import { HeatmapPointer } from "./heatmap_pointer.js";
import { describeFocus, nameHeatmap } from "./heatmap_words.js";
import { Minimap } from "./minimap.js";
import { RoleLegend } from "./roles.js";
import { shownHead } from "./shown.js";
import { togglePair, toggleToken } from "./store.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Spot } from "./heatmap_pointer.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { Region } from "./store.js" */

export class Heatmap {
  /** The block that the pointer or the arrow keys are on, as a pair in it. @type {[number, number] | null} */
  cell = null;
  /** Two corners of the box that is being drawn. @type {[number, number][] | null} */
  box = null;
  isPlotly = false;

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "heatmap", parent);
    const open = (/** @type {Region | null} */ region) => this.open(region);
    this.bar = new HeatmapBar(this.root, instrument, open, () => this.toggle());
    this.picture = new HeatmapPicture(this.root);
    this.plotly = new HeatmapPlotly(this.root, open);
    this.legend = new HeatmapLegend(this.root);
    this.roles = new RoleLegend(this.root);
    this.status = element("p", "heatmap-status", this.root);
    this.status.setAttribute("role", "status");
    this.minimap = new Minimap(this.root, instrument, open);
    this.pointer = new HeatmapPointer(this.picture.root, {
      place: () => this.picture.place,
      hover: (spot) => this.hover(spot),
      click: (spot) => this.choose(spot),
      stretch: (box) => this.stretch(box),
      open,
    });
    this.picture.root.addEventListener("keydown", (event) => this.press(event));
    this.picture.root.addEventListener("blur", () => this.hover(null));
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { requests } = this.instrument;
    const canAsk = Boolean(requests?.transport);
    const isPlotly = this.isPlotly && canAsk;
    this.dropCell(scene.state.region ?? scene.trace.whole);
    const place = this.picture.draw(scene, this.cell, this.box);
    this.bar.draw(scene, place, canAsk, isPlotly);
    if (requests && isPlotly) this.plotly.draw(scene, requests, place?.high ?? 0);
    if (!place) return;
    this.legend.draw(scene, this.picture, place.block);
    this.roles.draw(scene);
    setText(this.status, describeFocus(scene, place, this.cell));
    const name = nameHeatmap(scene);
    if (this.picture.root.ariaLabel !== name) this.picture.root.ariaLabel = name;
    this.minimap.draw(scene);
    this.write(scene, place);
  }

  /**
   * Forget the block under the pointer if another text or region does not have it.
   * @param {Region} region
   */
  dropCell([firstQuery, lastQuery, firstKey, lastKey]) {
    const [query, key] = this.cell ?? [-1, -1];
    if (query < firstQuery || query > lastQuery || key < firstKey || key > lastKey) this.cell = null;
  }

  /**
   * Write down what is shown.
   * @param {Scene} scene
   * @param {HeatmapPlace} place
   */
  write({ state, tile, thumbnail, focus }, place) {
    const shown = this.root.dataset;
    const { left, top, width, height, region, block } = place;
    const facts = {
      head: shownHead(state).join(" "),
      cells: tile ? "tile" : thumbnail ? "thumbnail" : "nothing",
      box: `${left} ${top} ${width} ${height}`,
      region: region.join(" "),
      block: block.join(" "),
      looks: looksOf(this.picture),
      focus: `${focus.query ?? ""} ${focus.key ?? ""}`,
      locked: `${state.query ?? ""} ${state.key ?? ""}`,
    };
    for (const [name, value] of Object.entries(facts)) if (shown[name] !== value) shown[name] = value;
  }

  get isPooled() {
    return Math.max(...(this.picture.place?.block ?? [1])) > 1;
  }

  /** @param {Spot | null} spot */
  hover(spot) {
    const isCell = spot !== null && spot.query !== null && spot.key !== null;
    const cell = /** @type {[number, number] | null} */ (isCell && this.isPooled ? [spot.query, spot.key] : null);
    if (String(cell) !== String(this.cell)) {
      this.cell = cell;
      this.instrument.redraw();
    }
    const isNothing = !spot || cell || (spot.query === null && spot.key === null);
    this.instrument.store.hover(isNothing ? null : spot);
  }

  /** @param {Spot} spot */
  choose({ query, key }) {
    const { store, trace } = this.instrument;
    if (query !== null && key !== null) {
      if (!this.isPooled || !trace) store.set(togglePair(store.state, query, key));
      else this.open(readableAround(store.state.region ?? trace.whole, query, key, trace.header.readable));
    } else if (query !== null) store.set(toggleToken(store.state, "query", query));
    else if (key !== null) store.set(toggleToken(store.state, "key", key));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const { place } = this.picture;
    const { store } = this.instrument;
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && this.pointer.cancel()) return event.preventDefault();
    const { hover, query, key } = store.state;
    const hovered = hover.query !== null && hover.key !== null ? hover : null;
    const at = this.cell ? { query: this.cell[0], key: this.cell[1] } : (hovered ?? { query, key });
    const pair = pairAfter(event.key, at, place);
    if (pair) this.hover({ query: pair[0], key: pair[1] });
    else if (event.key === "Enter" || event.key === " ") this.choose(at);
    else return;
    event.preventDefault();
  }

  /** @param {[number, number][] | null} box */
  stretch(box) {
    this.box = box;
    this.instrument.redraw();
  }

  /** @param {Region | null} region */
  open(region) {
    const { store, trace } = this.instrument;
    this.cell = null;
    if (trace)
      store.set({ ...openRegion(store.state, region, trace.whole), hover: { query: null, key: null, head: null } });
  }

  toggle() {
    this.isPlotly = !this.isPlotly;
    this.picture.root.hidden = this.isPlotly;
    this.legend.root.hidden = this.isPlotly;
    this.plotly.root.hidden = !this.isPlotly;
    this.instrument.redraw();
  }
}

/**
 * Return the looks that occur beside weights.
 * @param {HeatmapPicture} picture
 */
function looksOf({ image, looks }) {
  const occurs = { masked: image?.masked, broken: image?.broken, ...looks };
  return Object.entries(occurs)
    .filter(([, does]) => does)
    .map(([name]) => name)
    .join(" ");
}
