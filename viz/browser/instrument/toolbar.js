// @ts-check
// Ordinary controls of what the pictures show: head, look, direction, release, help and copies.

import { element } from "../core/canvas.js";
import { CopyButton } from "./toolbar_copy.js";
import { HeadControls } from "./toolbar_heads.js";
import { Caveats, Guidance } from "./toolbar_help.js";
import { pythonLines } from "./toolbar_python.js";
import { addGroup, addHelp, TokenControls } from "./toolbar_tokens.js";
import { ViewStatus } from "./toolbar_view.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Side } from "./store.js" */
/** @import { Trace } from "./trace.js" */

/** @type {Record<string, string>} */
const SCALE_NAMES = { linear: "linear", root: "square root", log: "logarithmic" };
const SCALE_HELP = "Square root and logarithm show weak attention. The numbers stay weights.";
// A narrower toolbar folds its controls.
const NARROW = 640;

export class Toolbar {
  /** @type {Trace | undefined} */
  trace;
  /** Whether the controls fold away. @type {boolean | undefined} */
  isNarrow;
  palette = "blues";

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "toolbar", parent);
    this.fold = element("details", "toolbar-fold", this.root);
    element("summary", "toolbar-summary", this.fold).textContent = "Controls";
    this.row = element("div", "toolbar-row", this.fold);
    this.buildHeads();
    this.several = new HeadControls(this.addPanel("Heads"), instrument);
    this.tokens = new TokenControls(this.addPanel("Tokens"), instrument);
    this.buildLook();
    this.sides = element("div", "toolbar-sides", this.row);
    this.sides.setAttribute("role", "group");
    this.sides.setAttribute("aria-label", "What a token of the text shows");
    this.release = this.addButton("Release", () => instrument.release());
    this.release.title = "Release the locked tokens (Escape)";
    this.caveats = new Caveats(this.row, this.root);
    this.link = new CopyButton(this.row, "Copy link", () => location.href);
    this.python = new CopyButton(this.row, "Copy as Python", () => this.writePython());
    this.view = new ViewStatus(this.root, instrument, this.tokens);
    this.guidance = new Guidance(this.root);
  }

  buildHeads() {
    this.layer = this.addSelect(this.row, "Layer", (value) => {
      const heads = this.trace?.heads[Number(value)] ?? 1;
      const head = Math.min(this.instrument.store.state.head, heads - 1);
      this.instrument.store.set({ layer: Number(value), head });
    });
    this.head = this.addSelect(this.row, "Head", (value) => this.instrument.store.set({ head: Number(value) }));
  }

  buildLook() {
    const { store } = this.instrument;
    const panel = this.addPanel("Look");
    const colours = addGroup(panel, "Colours of weights");
    this.colours = this.addSelect(colours, "Colours", (palette) => store.set({ palette }));
    this.scale = this.addSelect(colours, "Scale", (scale) => store.set({ scale }));
    addHelp(colours, SCALE_HELP);
    const lines = addGroup(panel, "Lines of the token graph");
    const threshold = this.addLabel(lines, "Threshold");
    this.threshold = element("input", "toolbar-range", threshold);
    Object.assign(this.threshold, { type: "range", min: "0", max: "1", step: "0.01" });
    this.threshold.ariaLabel = "Threshold of the token graph";
    this.thresholdValue = element("output", "toolbar-value", threshold);
    this.threshold.addEventListener("input", () => store.set({ threshold: Number(this.threshold?.value) }));
    addHelp(lines, "Lines of smaller weights are not drawn.");
    this.truthLabel = this.addLabel(panel, "Right answers");
    this.truth = element("input", "toolbar-check", this.truthLabel);
    this.truth.type = "checkbox";
    this.truth.addEventListener("change", () => store.set({ truth: Boolean(this.truth?.checked) }));
  }

  /**
   * Add a button that opens a panel, and return the panel.
   * @param {string} name
   */
  addPanel(name) {
    const fold = element("details", "toolbar-look", this.row);
    element("summary", "toolbar-summary", fold).textContent = name;
    // Escape closes the panel, and must not release the locked tokens too.
    fold.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !fold.open) return;
      event.stopPropagation();
      fold.open = false;
      fold.querySelector("summary")?.focus();
    });
    // A press on a picture closes the panel that covers it; on a phone the panel covers nothing.
    this.instrument.root.addEventListener("pointerdown", ({ target }) => {
      if (!this.isNarrow && !fold.contains(/** @type {Node} */ (target))) fold.open = false;
    });
    fold.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !fold.contains(relatedTarget)) fold.open = false;
    });
    return element("div", "toolbar-panel", fold);
  }

  /**
   * @param {HTMLElement} parent
   * @param {string} name
   */
  addLabel(parent, name) {
    const label = element("label", "toolbar-label", parent);
    element("span", "toolbar-name", label).textContent = name;
    return label;
  }

  /**
   * @param {HTMLElement} parent
   * @param {string} name
   * @param {(value: string) => void} choose
   */
  addSelect(parent, name, choose) {
    const select = element("select", "toolbar-select", this.addLabel(parent, name));
    select.ariaLabel = name; // The label's own text contains that of all options.
    select.addEventListener("change", () => choose(select.value));
    return select;
  }

  /**
   * @param {string} name
   * @param {() => void} press
   * @param {HTMLElement} [parent]
   */
  addButton(name, press, parent) {
    const button = element("button", "toolbar-button", parent ?? this.row);
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", press);
    return button;
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { trace, state } = scene;
    this.palette = scene.palette;
    if (trace !== this.trace) this.show(trace);
    this.foldIfNarrow();
    setOptions(this.head, trace.heads[state.layer]);
    // A map that goes down from a layer has one head, and no name for it.
    const label = this.head?.closest("label");
    if (label) label.hidden = !trace.header.style.place.includes("{head}");
    setValue(this.layer, String(state.layer));
    setValue(this.head, String(state.head));
    setValue(this.threshold, String(state.threshold));
    setValue(this.colours, state.palette);
    setValue(this.scale, state.scale);
    if (this.truth && this.truth.checked !== state.truth) this.truth.checked = state.truth;
    const shown = state.threshold.toFixed(2);
    if (this.thresholdValue && this.thresholdValue.textContent !== shown) this.thresholdValue.textContent = shown;
    for (const button of this.sides.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.side === state.side));
    }
    this.release.disabled = state.query === null && state.key === null;
    this.several.draw(scene);
    this.tokens.draw(scene);
    this.guidance.draw(scene);
  }

  /** @param {Trace} trace */
  show(trace) {
    this.trace = trace;
    const { header } = trace;
    setOptions(this.layer, trace.nLayers);
    setOptions(this.head, trace.heads[this.instrument.store.state.layer]);
    const palettes = ["automatic", ...Object.keys(header.palettes)];
    setOptions(this.colours, palettes.length, palettes);
    const { scales } = header.defaults;
    const names = scales.map((name) => SCALE_NAMES[name] ?? name);
    setOptions(this.scale, scales.length, names, scales);
    if (this.truthLabel) this.truthLabel.hidden = !header.truth;
    this.link.root.hidden = !location.protocol.startsWith("http");
    this.sides.replaceChildren();
    for (const side of /** @type {Side[]} */ (["query", "key"])) {
      const button = this.addButton(
        header.style.words.verbs[side],
        () => this.instrument.store.set({ side }),
        this.sides,
      );
      button.dataset.side = side;
    }
  }

  /** On a phone the controls fold away, until a visitor unfolds them. */
  foldIfNarrow() {
    const width = this.root.clientWidth;
    const isNarrow = width > 0 && width < NARROW;
    if (isNarrow === this.isNarrow) return;
    this.isNarrow = isNarrow;
    this.root.dataset.narrow = String(isNarrow);
    this.fold.open = !isNarrow;
  }

  writePython() {
    const { trace, palette } = this;
    if (!trace) return "";
    const { source, kind, method } = trace.header;
    return pythonLines(source, kind, { ...this.instrument.store.state, palette }, method);
  }
}

/**
 * @param {HTMLSelectElement | HTMLInputElement | undefined} control
 * @param {string} value
 */
function setValue(control, value) {
  if (control && control.value !== value) control.value = value;
}

/**
 * Give a select box its options, if their number is another: by default the numbers from 0 on.
 * @param {HTMLSelectElement | undefined} select
 * @param {number} count
 * @param {string[]} [names]
 * @param {string[]} [values]
 */
function setOptions(select, count, names, values) {
  if (!select || select.options.length === count) return;
  select.replaceChildren();
  for (let number = 0; number < count; number++) {
    const name = names?.[number] ?? String(number);
    select.add(new Option(name, values?.[number] ?? name));
  }
}
