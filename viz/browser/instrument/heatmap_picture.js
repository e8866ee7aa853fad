// @ts-check
// The picture of the heatmap: three canvases, each redrawn only when what it shows has changed.

import { contextOf, element, fit } from "../core/canvas.js";
import { imageOf, partOf } from "./heatmap_cells.js";
import { drawMarks } from "./heatmap_drawing.js";
import { drawLabels, labelsOf, labelText } from "./heatmap_labels.js";
import { placeHeatmap } from "./heatmap_layout.js";
import { drawShade } from "./heatmap_shade.js";

/** @import { CellImage } from "./heatmap_cells.js" */
/** @import { HeatmapPlace } from "./heatmap_layout.js" */
/** @import { Scene } from "./index.js" */

export class HeatmapPicture {
  /** @type {HeatmapPlace | null} */
  place = null;
  /** @type {CellImage | null} */
  image = null;
  /** Which looks of tokens occur. */
  looks = { dimmed: false, hidden: false };
  /** What each canvas shows. @type {{ labels: unknown[], cells: unknown[], marks: unknown[] }} */
  shown = { labels: [], cells: [], marks: [] };
  /** The cells, one pixel each. */
  sheet = document.createElement("canvas");

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.parent = parent;
    this.root = element("div", "heatmap-picture", parent);
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    const [labels, cells, marks] = ["labels", "cells", "marks"].map((name) =>
      element("canvas", `heatmap-${name}`, this.root),
    );
    for (const canvas of [labels, cells, marks]) canvas.setAttribute("aria-hidden", "true");
    this.canvases = { labels, cells, marks };
  }

  /**
   * @param {Scene} scene
   * @param {[query: number, key: number] | null} cell the block under the pointer
   * @param {[x: number, y: number][] | null} box that is being drawn
   * @returns {HeatmapPlace | null} null without a place on the page
   */
  draw(scene, cell, box) {
    // Plotly may stand in its place: the picture is then drawn out of sight.
    const wide = this.parent.clientWidth;
    if (!wide) return null;
    const { trace, state, theme, tile, thumbnail, colours, focus, shade } = scene;
    const look = `${theme.text} ${theme.background} ${theme.accent} ${theme.font}`;
    const region = state.region ?? trace.whole;
    if (this.isNew("labels", [trace, region.join(), wide, look, shade])) this.drawLabels(scene, wide);
    const place = /** @type {HeatmapPlace} */ (this.place);
    if (this.isNew("cells", [place, tile ?? thumbnail, colours])) this.drawCells(scene, place);
    const locked = `${focus.query} ${focus.key} ${state.query} ${state.key}`;
    if (this.isNew("marks", [place, locked, state.truth, String(cell), String(box)])) {
      drawMarks(fit(this.canvases.marks, place.wide, place.high), { scene, place, cell, box });
    }
    return place;
  }

  /**
   * Return whether a canvas has to be drawn anew.
   * @param {"labels" | "cells" | "marks"} canvas
   * @param {unknown[]} shows
   */
  isNew(canvas, shows) {
    const before = this.shown[canvas];
    this.shown[canvas] = shows;
    return shows.some((each, at) => each !== before[at]);
  }

  /**
   * @param {Scene} scene
   * @param {number} wide
   */
  drawLabels(scene, wide) {
    const { trace, state, theme } = scene;
    const region = state.region ?? trace.whole;
    const context = contextOf(this.canvases.labels);
    const blocks = [0, 1].map((side) =>
      Math.ceil((region[2 * side + 1] - region[2 * side] + 1) / trace.header.readable),
    );
    this.place = placeHeatmap(wide, region, trace.header.readable, (side, every, font) => {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.font = `${font}px ${theme.font}`;
      let widest = 0;
      for (let position = region[2 * side]; position <= region[2 * side + 1]; position += every) {
        const text = labelText(labelsOf(trace, side)[position], position, blocks[side]);
        widest = Math.max(widest, context.measureText(text).width);
      }
      return widest;
    });
    this.root.style.height = `${this.place.high}px`;
    drawLabels(fit(this.canvases.labels, this.place.wide, this.place.high), scene, this.place);
  }

  /**
   * @param {Scene} scene
   * @param {HeatmapPlace} place
   */
  drawCells(scene, place) {
    const { left, top, width, height, region } = place;
    const canvas = this.canvases.cells;
    const context = fit(canvas, width, height);
    canvas.style.left = `${left}px`;
    canvas.style.top = `${top}px`;
    this.image = imageOf(scene);
    this.looks = { dimmed: false, hidden: false };
    if (!this.image) {
      // Nothing is known of the head yet: unlike any weight.
      context.fillStyle = scene.theme.panel;
      context.fillRect(0, 0, width, height);
      return;
    }
    const { rows, columns, pixels } = this.image;
    if (this.sheet.width !== columns) this.sheet.width = columns;
    if (this.sheet.height !== rows) this.sheet.height = rows;
    contextOf(this.sheet).putImageData(new ImageData(pixels, columns, rows), 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.sheet, ...partOf(this.image, region), 0, 0, width, height);
    this.looks = drawShade(context, scene.theme, place, scene.shade);
  }
}
