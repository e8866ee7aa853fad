// @ts-check
// A Plotly chart that stays: another figure changes the chart that is there, so that a head switch neither blinks nor
// builds everything anew, and a visitor's zoom stays as long as the figure's `uirevision` does.

import { element, watch } from "./canvas.js";
import { globals } from "./globals.js";
import { themeOf } from "./theme.js";
import { sameBytes } from "./unpack.js";

/** @import { Send } from "./component.js" */
/** @typedef {any} Plotly the library has no types of its own */
/** @typedef {{ under_labels: number, slanted_height: number }} Style described in viz/style.py */
/** @typedef {{ data: object[], layout: any, config: object, alt: string, plotly: string, style: Style, clicks?: boolean }} Figure */
/** @typedef {{ width: number, height: number, whole: boolean, alone: boolean, screen: number }} Surroundings */

const EXPAND_ICON =
  "M0 0h350v120H120v230H0zM1000 0v350H880V120H650V0zM0 1000V650h120v230h230v120zM1000 1000H650V880h230V650h120z";
const COLOUR_BAR_WIDTH = 66;
const SLANTED = -45;

/**
 * Return a title whose first line is the heading; the other lines are notes.
 * @param {string} text
 */
export function chartHeading(text) {
  const [first, ...notes] = text.split("<br>");
  return [`<b>${first}</b>`, ...notes].join("<br>");
}

/**
 * Return width and height of a chart: key labels that would overlap are turned upright, and the chart scrolls where even
 * these would overlap.
 * @param {any} layout
 * @param {Style} style
 * @param {Surroundings} surroundings width and height of the element, whether it has the whole screen, whether it is
 *   alone in a file, and the height of the screen
 */
export function chartSize(layout, style, { width: available, height: whole, whole: isWhole, alone, screen }) {
  const { l, r, b } = layout.margin;
  const isLabelled = (/** @type {[string, any]} */ [name, axis]) =>
    name.startsWith("xaxis") && axis.ticktext && axis.showticklabels !== false;
  const axis = Object.entries(layout).find(isLabelled)?.[1];
  const least = axis ? axis.ticktext.length * (axis.tickfont?.size ?? 0) * 1.15 + l + r + COLOUR_BAR_WIDTH : 0;
  const width = Math.max(available, least);
  const inFile = Math.max(layout.height, Math.min(screen - 24, width));
  const height = isWhole ? whole : alone ? inFile : layout.height;
  if (axis?.tickangle !== SLANTED || width > least * 1.35) return { width, height };
  const more = (b - style.under_labels) * (1 / style.slanted_height - 1);
  return {
    width,
    height: isWhole ? height : height + more,
    margin: { ...layout.margin, b: b + more },
    xaxis: { ...axis, tickangle: -90 },
  };
}

/**
 * Load Plotly once for a page, from the address beside the app's own scripts that has this version (ui/server).
 * @param {string} version
 * @returns {Promise<Plotly>}
 */
function loadPlotly(version) {
  globals.headlightPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const app = /** @type {HTMLScriptElement | null} */ (document.querySelector('script[src*="/static/js/"]'));
    const beside = app?.src ?? new URL("static/js/app.js", document.baseURI);
    script.src = new URL(`../../vendor/plotly-${version}.min.js`, beside).href;
    script.onload = () => resolve(globals.Plotly);
    script.onerror = () => {
      globals.headlightPlotly = null;
      reject(new Error(`${script.src} did not load`));
    };
    document.head.append(script);
  });
  return globals.headlightPlotly;
}

export class Chart {
  /** @type {Send} */
  send = () => {};
  /**
   * Changes a figure before it is drawn: height and buttons depend on where the chart stands.
   * @type {(figure: Figure) => void}
   */
  adapt = () => {};
  /** @type {Uint8Array | undefined} */
  bytes;
  /** @type {Figure | undefined} */
  figure;
  /** @type {object | undefined} */
  config;
  /** @type {Promise<unknown> | undefined} */
  drawing;
  drawnIn = "";
  titleSize = 18;
  listens = false;
  ended = false;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "chart", parent);
    this.root.setAttribute("role", "figure");
    this.plot = /** @type {HTMLDivElement & { on: Function }} */ (element("div", "chart-plot", this.root));
    this.stop = watch(this.root, () => this.follow());
  }

  /** @param {Uint8Array} bytes */
  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    /** @type {Figure} */
    const figure = JSON.parse(new TextDecoder().decode(bytes));
    this.adapt(figure);
    this.figure = figure;
    this.root.setAttribute("aria-label", figure.alt);
    this.root.classList.toggle("chart-clicks", Boolean(figure.clicks));
    this.root.style.minHeight = `${figure.layout.height}px`;
    this.draw(figure);
  }

  /** Draw again if the page has changed around the chart: its width, its theme, or whether it has the whole screen. */
  follow() {
    if (this.figure && this.surroundings() !== this.drawnIn) this.draw(this.figure);
  }

  get isWhole() {
    return document.fullscreenElement === this.root;
  }

  surroundings() {
    return JSON.stringify([this.root.clientWidth, this.isWhole, themeOf(this.root)]);
  }

  /** @param {Figure} requested the figure may be another one when Plotly has loaded */
  async draw(requested) {
    const Plotly = globals.Plotly ?? (await loadPlotly(requested.plotly).catch((error) => this.fail(error)));
    if (!Plotly || !this.figure || !this.root.clientWidth || this.ended) return;
    this.drawnIn = this.surroundings();
    const { data, layout, config, style } = this.figure;
    // Plotly would begin anew with another config, and each button's function is a new one.
    this.config ??= { ...config, modeBarButtonsToAdd: this.buttons(Plotly, layout) };
    const size = chartSize(layout, style, {
      width: this.root.clientWidth,
      height: this.root.clientHeight,
      whole: this.isWhole,
      alone: Boolean(this.root.parentElement?.classList.contains("standalone")),
      screen: window.innerHeight,
    });
    this.drawing = Plotly.react(this.plot, data, { ...layout, ...this.look(layout), ...size }, this.config);
    await this.drawing;
    if (this.listens || this.ended) return;
    this.listens = true;
    this.plot.on("plotly_selected", (/** @type {any} */ event) => this.selected(Plotly, event));
    this.plot.on("plotly_click", (/** @type {any} */ event) => this.clicked(event));
  }

  /**
   * Return the theme, and what a finger does: only the browser knows them.
   * @param {any} layout
   */
  look(layout) {
    const theme = themeOf(this.root);
    return {
      font: { ...layout.font, family: theme.font, color: theme.text },
      // Like the page's other headings: at the left, and as large as they are.
      title: {
        ...layout.title,
        text: chartHeading(layout.title.text),
        x: 0,
        xanchor: "left",
        xref: "container",
        font: { size: this.titleSize },
      },
      hoverlabel: {
        ...layout.hoverlabel,
        bgcolor: theme.panel,
        bordercolor: theme.faded,
        font: { size: 13, color: theme.text },
      },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.faded, activecolor: theme.accent },
      // A finger that moves over the chart scrolls the page; a region is opened by its numbers there.
      ...(matchMedia("(pointer: coarse)").matches ? { dragmode: false } : {}),
    };
  }

  /**
   * @param {Plotly} Plotly
   * @param {any} layout
   */
  buttons(Plotly, layout) {
    const select = () => Plotly.relayout(this.plot, { dragmode: "select" });
    const expand = () => (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
    const icon = { width: 1000, height: 1000, path: EXPAND_ICON };
    // Plotly has this button for points alone, and a visitor who zooms needs the way back to boxes.
    const box = { name: "Open a box", icon: Plotly.Icons.selectbox, attr: "dragmode", val: "select", click: select };
    const whole = { name: "Fullscreen", icon, click: expand };
    return layout.dragmode === "select" ? [box, whole] : [whole];
  }

  /**
   * Inform the server of the box that was drawn, and remove the box: it is a gesture, not part of the picture.
   * @param {Plotly} Plotly
   * @param {any} event
   */
  selected(Plotly, event) {
    const box = event?.selections?.at(-1);
    if (box?.type !== "rect") return;
    Plotly.relayout(this.plot, { selections: [] });
    this.send("box", { x: [box.x0, box.x1], y: [box.y0, box.y1] });
  }

  /**
   * Inform the server of the point that was clicked, if points can be clicked.
   * @param {any} event
   */
  clicked(event) {
    const point = event?.points?.find((/** @type {any} */ each) => each.customdata);
    if (this.figure?.clicks && point) this.send("point", point.customdata);
  }

  /** @param {unknown} error */
  fail(error) {
    console.error(error);
    this.plot.textContent = "The chart could not be loaded: reload the page.";
  }

  end() {
    this.ended = true;
    this.stop();
    this.root.remove();
    // Plotly still informs a chart that it is drawn, which fails once the chart was purged.
    Promise.resolve(this.drawing).finally(() => globals.Plotly?.purge(this.plot));
  }
}
