// @ts-check
// What a pointer does to the heatmap: it hovers, clicks, and draws a box with the mouse.

import { regionOfBox, spotAt } from "./heatmap_layout.js";

/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Region } from "./store.js" */
/** @typedef {{ query: number | null, key: number | null }} Spot */

/**
 * @typedef {object} HeatmapActions
 * @property {() => HeatmapPlace | null} place
 * @property {(spot: Spot | null) => void} hover
 * @property {(spot: Spot) => void} click
 * @property {(box: [x: number, y: number][] | null) => void} stretch a box is being drawn, or no longer
 * @property {(region: Region) => void} open
 */

// Pixels that a pressed mouse may move before it draws a box.
const BOX_THRESHOLD = 5;

export class HeatmapPointer {
  /** Where the mouse was pressed. @type {[number, number] | null} */
  start = null;
  isDrawing = false;
  /** Whether the click that follows belongs to a box. */
  hasDrawn = false;

  /**
   * @param {HTMLElement} root
   * @param {HeatmapActions} actions
   */
  constructor(root, actions) {
    this.root = root;
    this.actions = actions;
    root.addEventListener("pointermove", (event) => this.move(event));
    root.addEventListener("pointerleave", () => this.isDrawing || actions.hover(null));
    root.addEventListener("pointerdown", (event) => this.press(event));
    root.addEventListener("pointerup", (event) => this.release(event));
    root.addEventListener("pointercancel", () => this.cancel());
    root.addEventListener("click", (event) => this.click(event));
  }

  /**
   * @param {MouseEvent} event
   * @returns {[number, number]}
   */
  pointOf(event) {
    const box = this.root.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @param {MouseEvent} event */
  spotOf(event) {
    const place = this.actions.place();
    return place && spotAt(place, ...this.pointOf(event));
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.hasDrawn = false;
    const spot = this.spotOf(event);
    const isCell = spot && spot.query !== null && spot.key !== null;
    // A finger scrolls.
    if (event.pointerType === "mouse" && event.button === 0 && isCell) this.start = this.pointOf(event);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (event.pointerType === "touch") return;
    if (!this.start) return this.actions.hover(this.spotOf(event));
    const point = this.pointOf(event);
    const moved = Math.hypot(point[0] - this.start[0], point[1] - this.start[1]);
    if (!this.isDrawing && moved > BOX_THRESHOLD) {
      this.isDrawing = true;
      this.root.setPointerCapture(event.pointerId);
      this.actions.hover(null);
    }
    if (this.isDrawing) this.actions.stretch([this.start, point]);
    else this.actions.hover(this.spotOf(event));
  }

  /** @param {PointerEvent} event */
  release(event) {
    const place = this.actions.place();
    const [start, end] = [this.start, this.pointOf(event)];
    this.hasDrawn = this.isDrawing;
    this.cancel();
    if (this.hasDrawn && start && place) this.actions.open(regionOfBox(place, start, end));
  }

  /** Forget the box. Returns whether there was one. */
  cancel() {
    const was = this.isDrawing;
    this.start = null;
    this.isDrawing = false;
    if (was) {
      this.hasDrawn = true;
      this.actions.stretch(null);
    }
    return was;
  }

  /** @param {MouseEvent} event */
  click(event) {
    const spot = this.spotOf(event);
    if (!this.hasDrawn && spot && (spot.query !== null || spot.key !== null)) this.actions.click(spot);
    this.hasDrawn = false;
  }
}
