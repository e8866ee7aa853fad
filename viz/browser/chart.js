// A Plotly chart that stays: another figure changes the chart that is there, so that a head switch neither blinks nor
// builds everything anew, and what a visitor has zoomed to stays as long as the figure's `uirevision` does.

const EXPAND = "M0 0h350v120H120v230H0zM1000 0v350H880V120H650V0zM0 1000V650h120v230h230v120zM1000 1000H650V880h230V650h120z";

export default function ({ data, parentElement, setTriggerValue }) {
  const chart = parentElement.chart ?? (parentElement.chart = new Chart(parentElement));
  chart.send = setTriggerValue;
  chart.show(data);
  return () => {
    chart.end();
    delete parentElement.chart;
  };
}

const COLOUR_BAR = 66, UNDER_LABELS = 34;

/** The first line is the heading, what follows are notes. */
function heading(text) {
  const [first, ...notes] = text.split("<br>");
  return [`<b>${first}</b>`, ...notes].join("<br>");
}

/** Load Plotly once a page, from the address beside the app's own scripts that has this version (ui/server). */
function plotly(version) {
  window.headlightPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const app = document.querySelector('script[src*="/static/js/"]')?.src ?? new URL("static/js/app.js", document.baseURI);
    script.src = new URL(`../../vendor/plotly-${version}.min.js`, app);
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.headlightPlotly = null;
      reject(new Error(`${script.src} did not load`));
    };
    document.head.append(script);
  });
  return window.headlightPlotly;
}

class Chart {
  constructor(parent) {
    this.root = element("div", "chart", parent);
    this.root.setAttribute("role", "figure");
    this.plot = element("div", "chart-plot", this.root);
    this.stop = watch(this.root, () => this.follow());
  }

  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    this.figure = JSON.parse(new TextDecoder().decode(bytes));
    this.root.setAttribute("aria-label", this.figure.alt);
    this.root.style.minHeight = `${this.figure.layout.height}px`;
    this.draw();
  }

  /** Draw again if the page has changed around the chart: its width, its theme, or the whole screen given to it. */
  follow() {
    if (this.surroundings() !== this.drawnIn) this.draw();
  }

  surroundings() {
    return JSON.stringify([this.root.clientWidth, document.fullscreenElement === this.root, themeOf(this.root)]);
  }

  async draw() {
    const Plotly = window.Plotly ?? (await plotly(this.figure.plotly).catch((error) => this.fail(error)));
    if (!Plotly || !this.figure || !this.root.clientWidth || this.ended) return;
    this.drawnIn = this.surroundings();
    const { data, layout } = this.figure;
    // Plotly would begin anew with another config, and a button's function made again is another.
    this.config ??= { ...this.figure.config, modeBarButtonsToAdd: this.buttons(Plotly) };
    this.drawing = Plotly.react(this.plot, data, { ...layout, ...this.look(layout), ...this.room(layout) }, this.config);
    await this.drawing;
    if (this.listens || this.ended) return;
    this.listens = true;
    this.plot.on("plotly_selected", (event) => this.selected(Plotly, event));
  }

  /** Theme, and what a finger does: only the browser knows. */
  look(layout) {
    const theme = themeOf(this.root);
    return {
      font: { ...layout.font, family: theme.font, color: theme.text },
      // Like the page's other headings: at the left, and as large as they are.
      title: { ...layout.title, text: heading(layout.title.text), x: 0, xanchor: "left", xref: "container", font: { size: 18 } },
      hoverlabel: { ...layout.hoverlabel, bgcolor: theme.panel, bordercolor: theme.faded, font: { size: 13, color: theme.text } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.faded, activecolor: theme.accent },
      // A finger that moves over the chart scrolls the page; a region is opened by its numbers there.
      ...(matchMedia("(pointer: coarse)").matches ? { dragmode: false } : {}),
    };
  }

  /** Width and height: key labels that would meet stand upright, and where even these would, the chart scrolls. */
  room(layout) {
    const whole = document.fullscreenElement === this.root;
    const alone = this.root.parentElement.classList.contains("standalone");
    const { l, r, b } = layout.margin;
    const axis = Object.entries(layout).find(([name, each]) => /^xaxis/.test(name) && each.ticktext && each.showticklabels !== false)?.[1];
    const size = axis?.tickfont?.size ?? 0, least = (axis?.ticktext.length ?? 0) * size * 1.15 + l + r + COLOUR_BAR;
    const width = Math.max(this.root.clientWidth, axis ? least : 0);
    const height = whole ? this.root.clientHeight : alone ? Math.max(layout.height, Math.min(window.innerHeight - 24, width)) : layout.height;
    if (axis?.tickangle !== -45 || width > least * 1.35) return { width, height };
    const more = (b - UNDER_LABELS) / 3; // upright, labels are 1 / 0.75 times as long as slanted (viz/figures/heatmap.py)
    return {
      width,
      height: whole ? height : height + more,
      margin: { ...layout.margin, b: b + more },
      xaxis: { ...axis, tickangle: -90 },
    };
  }

  buttons(Plotly) {
    const select = () => Plotly.relayout(this.plot, { dragmode: "select" });
    const expand = () => (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
    const icon = { width: 1000, height: 1000, path: EXPAND };
    // Plotly has this button for points alone, and a visitor who zooms needs the way back to boxes.
    const box = { name: "Open a box", icon: Plotly.Icons.selectbox, attr: "dragmode", val: "select", click: select };
    const whole = { name: "Fullscreen", icon, click: expand };
    return this.figure.layout.dragmode === "select" ? [box, whole] : [whole];
  }

  /** Tell the page which box was drawn, and take the box away: it is a gesture, no part of the picture. */
  selected(Plotly, event) {
    const box = event?.selections?.at(-1);
    if (box?.type !== "rect") return;
    Plotly.relayout(this.plot, { selections: [] });
    this.send("box", { x: [box.x0, box.x1], y: [box.y0, box.y1] });
  }

  fail(error) {
    console.error(error);
    this.plot.textContent = "The chart could not be loaded: reload the page.";
  }

  end() {
    this.ended = true;
    this.stop();
    this.root.remove();
    // Plotly still tells a chart that it is drawn, which one that was purged cannot hear.
    Promise.resolve(this.drawing).finally(() => window.Plotly?.purge(this.plot));
  }
}
