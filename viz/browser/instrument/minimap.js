// @ts-check
// A small map of the whole head with the region as a box, which moves the region. It is shown while a part is open.

import { contextOf, element, fit } from "../core/canvas.js";
import { paintNumbers, paintWeights } from "./heatmap_cells.js";
import { isWhole } from "./heatmap_choice.js";
import { drawShade } from "./heatmap_shade.js";
import { boxOnMap, mapSize, moveRegion, pairOnMap, regionAround, regionFrom, resizeRegion } from "./minimap_layout.js";
import { isCombined, shownHead } from "./shown.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { MapSize } from "./minimap_layout.js" */
/** @import { Region } from "./store.js" */

/** @type {Record<string, [down: number, across: number]>} */
const MAP_STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LARGER = ["+", "="];
const MAP_HINT = "Drag the box or click the map to move the region. Arrow keys move it, + and - resize it.";

export class Minimap {
  /** @type {Scene | undefined} */
  scene;
  /** @type {MapSize} */
  size = { width: 1, height: 1 };
  /** The region while its box is being dragged. @type {Region | null} */
  dragged = null;
  /** The pair under the pointer, from the first pair of the box. @type {[query: number, key: number]} */
  grip = [0, 0];
  /** What the map shows. @type {unknown[]} */
  drawn = [];
  sheet = document.createElement("canvas");

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   * @param {(region: Region | null) => void} open
   */
  constructor(parent, instrument, open) {
    this.instrument = instrument;
    this.open = open;
    this.root = element("div", "heatmap-minimap", parent);
    this.root.hidden = true;
    this.map = element("div", "heatmap-map", this.root);
    this.map.tabIndex = 0;
    this.map.setAttribute("role", "application");
    this.canvas = element("canvas", "heatmap-map-canvas", this.map);
    this.canvas.setAttribute("aria-hidden", "true");
    const side = element("div", "heatmap-map-side", this.root);
    element("p", "heatmap-map-hint", side).textContent = MAP_HINT;
    this.addButtons(element("div", "heatmap-map-buttons", side));
    this.map.addEventListener("pointerdown", (event) => this.press(event));
    this.map.addEventListener("pointermove", (event) => this.move(event));
    this.map.addEventListener("pointerup", () => this.drop(true));
    this.map.addEventListener("pointercancel", () => this.drop(false));
    this.map.addEventListener("keydown", (event) => this.type(event));
  }

  /** @param {HTMLElement} parent */
  addButtons(parent) {
    const add = (/** @type {string} */ name, /** @type {string} */ text, /** @type {() => void} */ press) => {
      const button = element("button", "heatmap-button", parent);
      button.type = "button";
      button.textContent = text;
      button.ariaLabel = name;
      button.addEventListener("click", press);
    };
    add("Larger region", "+", () => this.resize(1));
    add("Smaller region", "−", () => this.resize(-1));
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { trace, state, shade, theme, colours, thumbnail } = scene;
    this.scene = scene;
    const region = this.dragged ?? state.region;
    this.root.hidden = !region || isWhole(region, trace.whole);
    if (this.root.hidden || !region) return;
    const whole = isCombined(state) ? trace.tile(shownHead(state), null) : null;
    const drawn = [trace, shade, thumbnail ?? whole, colours, region.join(), theme.accent, theme.background];
    if (drawn.every((each, at) => each === this.drawn[at])) return;
    this.drawn = drawn;
    this.size = mapSize(trace.whole);
    const { width, height } = this.size;
    const context = fit(this.canvas, width, height);
    context.fillStyle = theme.panel;
    context.fillRect(0, 0, width, height);
    this.drawCells(context, scene);
    const box = boxOnMap(region, trace.whole, this.size);
    this.drawBox(context, scene, [box.x, box.y, Math.max(3, box.width), Math.max(3, box.height)]);
    const [firstQuery, lastQuery, firstKey, lastKey] = region;
    const words = `queries ${firstQuery} to ${lastQuery}, keys ${firstKey} to ${lastKey}`;
    this.map.setAttribute("aria-label", `Map of the whole head; the box is the region: ${words}. ${MAP_HINT}`);
    this.root.dataset.region = region.join(" ");
    this.root.dataset.box = [box.x, box.y, box.width, box.height].map((each) => each.toFixed(1)).join(" ");
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Scene} scene
   */
  drawCells(context, { trace, state, shade, theme, colours, thumbnail }) {
    const { style, defaults } = trace.header;
    const tile = thumbnail ? null : trace.tile(shownHead(state), null);
    if (!thumbnail && !tile) return; // Of a map of several heads the tokens' axes remain.
    const rows = thumbnail?.rows ?? tile?.shape[0] ?? 1;
    const columns = thumbnail?.columns ?? tile?.shape[1] ?? 1;
    const { pixels } = thumbnail
      ? paintNumbers(thumbnail.cells, colours, style.masked)
      : paintWeights(/** @type {Float32Array} */ (tile?.cells), colours, style, defaults.bad);
    this.sheet.width = columns;
    this.sheet.height = rows;
    contextOf(this.sheet).putImageData(new ImageData(pixels, columns, rows), 0, 0);
    context.imageSmoothingEnabled = false;
    const { width, height } = this.size;
    context.drawImage(this.sheet, 0, 0, width, height);
    const counts = /** @type {[number, number]} */ ([trace.queries.length, trace.keys.length]);
    const pitch = /** @type {[number, number]} */ ([height / counts[0], width / counts[1]]);
    drawShade(context, theme, { region: trace.whole, block: [1, 1], pitch, counts, width, height }, shade);
  }

  /**
   * Draw the box; what is outside of it is faint.
   * @param {CanvasRenderingContext2D} context
   * @param {Scene} scene
   * @param {[x: number, y: number, width: number, height: number]} box
   */
  drawBox(context, { theme }, box) {
    const [x, y, wide, high] = box;
    context.beginPath();
    context.rect(0, 0, this.size.width, this.size.height);
    context.rect(x, y, wide, high);
    context.globalAlpha = 0.45;
    context.fillStyle = theme.background;
    context.fill("evenodd");
    context.globalAlpha = 1;
    context.strokeStyle = theme.accent;
    context.lineWidth = 2;
    context.strokeRect(x + 1, y + 1, Math.max(1, wide - 2), Math.max(1, high - 2));
  }

  /**
   * @param {PointerEvent} event
   * @returns {[query: number, key: number]}
   */
  pairAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const whole = /** @type {Scene} */ (this.scene).trace.whole;
    return pairOnMap(event.clientX - box.left, event.clientY - box.top, whole, this.size);
  }

  /** @param {PointerEvent} event */
  press(event) {
    const region = this.scene?.state.region;
    if (!this.scene || !region || event.button !== 0) return;
    const [query, key] = this.pairAt(event);
    const isInside = query >= region[0] && query <= region[1] + 1 && key >= region[2] && key <= region[3] + 1;
    this.dragged = isInside ? region : regionAround(region, this.scene.trace.whole, query, key);
    this.grip = [query - this.dragged[0], key - this.dragged[2]];
    this.map.setPointerCapture(event.pointerId);
    this.instrument.redraw();
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (!this.dragged || !this.scene) return;
    const { trace } = this.scene;
    const [query, key] = this.pairAt(event);
    this.dragged = regionFrom(this.dragged, trace.whole, query - this.grip[0], key - this.grip[1]);
    // The browser has all weights of a small trace. Those of a large one are requested when the box is dropped.
    if (trace.weights) this.open(this.dragged);
    else this.instrument.redraw();
  }

  /** @param {boolean} isDone whether the region moves to the box */
  drop(isDone) {
    const { dragged } = this;
    this.dragged = null;
    if (dragged && isDone) this.open(dragged);
    this.instrument.redraw();
  }

  /** @param {KeyboardEvent} event */
  type(event) {
    const region = this.scene?.state.region;
    if (!this.scene || !region || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = MAP_STEPS[event.key];
    if (step) this.open(moveRegion(region, this.scene.trace.whole, ...step));
    else if (LARGER.includes(event.key)) this.resize(1);
    else if (event.key === "-") this.resize(-1);
    else return;
    event.preventDefault();
  }

  /** @param {1 | -1} direction */
  resize(direction) {
    const region = this.scene?.state.region;
    if (this.scene && region) this.open(resizeRegion(region, this.scene.trace.whole, direction));
  }
}
