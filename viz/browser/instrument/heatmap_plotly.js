// @ts-check
// The figure of Plotly in the heatmap's place, made by the server for the same selection.

import { element } from "../core/canvas.js";
import { Chart } from "../core/chart.js";
import { writeRegion } from "./link.js";
import { shownHead } from "./shown.js";

/** @import { Scene } from "./index.js" */
/** @import { Requests } from "./requests.js" */
/** @import { Region } from "./store.js" */

const PLOTLY_HEIGHT = 400;
const PLOTLY_REFUSED = "The server did not draw this figure.";

/**
 * Return the request for the figure of a selection.
 * @param {Scene} scene
 */
export function plotlyPath({ state, palette }) {
  const region = state.region ? `/${writeRegion(state.region)}` : "";
  const look = new URLSearchParams({ palette, scale: state.scale, truth: state.truth ? "True" : "False" });
  return `plotly/${shownHead(state).join("/")}${region}?${look}`;
}

export class HeatmapPlotly {
  /** @type {Chart | null} */
  chart = null;
  height = PLOTLY_HEIGHT;

  /**
   * @param {HTMLElement} parent
   * @param {(region: Region) => void} open
   */
  constructor(parent, open) {
    this.root = element("div", "heatmap-plotly", parent);
    this.root.hidden = true;
    this.open = open;
    this.message = element("p", "heatmap-help", this.root);
    this.message.setAttribute("role", "status");
  }

  /**
   * Show the figure of the selection; until it has come, the one before.
   * @param {Scene} scene
   * @param {Requests} requests
   * @param {number} height of the picture that it replaces
   */
  draw(scene, requests, height) {
    const path = plotlyPath(scene);
    const bytes = requests.answer(path, (answer) => answer);
    const isRefused = !bytes && requests.answers.has(path);
    this.message.textContent = isRefused ? PLOTLY_REFUSED : bytes || this.chart ? "" : "The server draws the figure…";
    this.root.dataset.shown = bytes ? path : (this.root.dataset.shown ?? "");
    this.height = Math.max(PLOTLY_HEIGHT, height);
    if (bytes) this.build().show(bytes);
    this.chart?.follow();
  }

  build() {
    if (this.chart) return this.chart;
    const chart = new Chart(this.root);
    // The instrument redraws when its size or the theme changes, and may end without telling its parts.
    chart.stop();
    // Beside the buttons of Plotly there is little room.
    chart.titleSize = 13;
    chart.adapt = (figure) => {
      figure.layout.height = this.height;
      const config = /** @type {any} */ (figure.config);
      const removed = config.modeBarButtonsToRemove ?? [];
      config.modeBarButtonsToRemove = removed.filter((/** @type {string} */ name) => name !== "toImage");
      config.toImageButtonOptions = { format: "svg", filename: "attention-head" };
    };
    this.chart = chart;
    return chart;
  }
}
