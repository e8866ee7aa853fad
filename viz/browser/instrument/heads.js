// @ts-check
// All heads as thumbnails on one canvas, or the weight of one pair in all heads. A click or the arrow keys select a head.

import { contextOf, element, fit } from "../core/canvas.js";
import { choiceOfKey, clickHead, toggleAllHeads, toggleLayer } from "./head_choice.js";
import { placeNoun } from "./head_name.js";
import { describeGroup } from "./heads_chosen.js";
import { aspectOf, colourThumbnails, paintHeads } from "./heads_drawing.js";
import { HEADS_LEFT, HEADS_TOP, layoutHeads, SMALL_PITCH, sameHead, targetAt } from "./heads_layout.js";
import { drawOverHeads } from "./heads_overlay.js";
import { HeadsProgress } from "./heads_progress.js";
import { HeadsTable } from "./heads_table.js";
import {
  describeChosen,
  describeHead,
  describeHeadInFocus,
  describeHeads,
  describeLegend,
  describeTarget,
  examineHeads,
} from "./heads_words.js";
import { findPair } from "./ranking_numbers.js";

/** @import { Choice } from "./head_choice.js" */
/** @import { HeadPlace, HeadsLayout, Target } from "./heads_layout.js" */
/** @import { FocusedPair, HeadFacts } from "./heads_words.js" */
/** @import { Instrument, Scene } from "./index.js" */
/** @import { Trace } from "./trace.js" */

export class Heads {
  /** @type {Trace | undefined} */
  trace;
  /** @type {HeadsLayout | undefined} */
  layout;
  /** What the painted picture depends on. @type {unknown[]} */
  painted = [];
  /** What the thumbnails' colours depend on. @type {unknown[]} */
  coloured = [];
  legend = "";
  /** @type {HeadFacts} */
  facts = { broken: new Set(), isMasked: false, isHidden: false, isDimmed: false };
  /** The layer number, or the sign of all heads, that the pointer is on. @type {Target | null} */
  target = null;
  /** Whether the selected head was reached by keyboard: a small one is then enlarged. */
  byKeyboard = false;
  /** A file may show all heads without a selected one. */
  isChosen = true;

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.instrument = instrument;
    this.root = element("div", "heads", parent);
    this.title = element("h2", "heads-title", this.root);
    this.canvas = element("canvas", "heads-canvas", this.root);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.name = element("div", "heads-name", this.root);
    this.name.setAttribute("role", "status");
    this.progress = new HeadsProgress(this.root, instrument);
    this.table = new HeadsTable(this.root, instrument);
    this.sheet = document.createElement("canvas");
    this.base = document.createElement("canvas");
    this.listen();
  }

  listen() {
    this.canvas.addEventListener("pointermove", (event) => {
      this.byKeyboard = false;
      this.point(this.targetUnder(event));
    });
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.press(event));
    this.canvas.addEventListener("blur", () => {
      this.byKeyboard = false;
      this.instrument.redraw();
    });
  }

  /** @param {Scene} scene */
  draw(scene) {
    const width = this.root.clientWidth;
    if (!width) return;
    const { trace, state } = scene;
    if (trace !== this.trace) this.show(trace);
    const { header } = trace;
    const scores = header.scores && state.truth ? header.scores : null;
    const pair = this.pairOf(scene);
    const size = { layers: trace.nLayers, heads: trace.nHeads, aspect: aspectOf(trace), scored: Boolean(scores) };
    const layout = layoutHeads(size, width, commonGroups(trace));
    this.layout = layout;
    if (!isSameList(this.coloured, [trace, scene.colours, trace.done])) this.colour(scene);
    const sheet = { sheet: this.sheet, pair: pair?.weight ?? null, broken: this.facts.broken };
    const picture = { scene, layout, ...sheet, scores, scale: trace.header.style.scales[state.scale] };
    this.paint(scene, picture, pair);
    const context = fit(this.canvas, layout.wide, layout.high);
    context.clearRect(0, 0, layout.wide, layout.high);
    context.drawImage(this.base, 0, 0, layout.wide, layout.high);
    const heads = this.headsOf(scene, layout);
    drawOverHeads({ ...picture, context }, heads);
    this.describe(scene, heads, pair, scores);
    this.progress.draw(scene);
    this.table.draw(scene, scores);
  }

  /** @param {Trace} trace */
  show(trace) {
    this.trace = trace;
    const { header, nLayers, nHeads } = trace;
    this.isChosen = /(^|&)layer=/.test(header.opening.selection) || header.parts.length > 1;
    this.title.hidden = header.parts.length === 1;
    const [what, many] = placeNoun(trace);
    const count = many === "layers" ? `${nLayers} layers` : `${nLayers} layers, ${nHeads} heads`;
    this.canvas.setAttribute(
      "aria-label",
      `${header.title}: ${count}. Arrow keys choose a ${what}. Space adds it to the chosen ${many} or removes it. Enter chooses it alone.`,
    );
    this.coloured = [];
    this.painted = [];
  }

  /**
   * Return the focused pair with its weight in all heads, null if there is none or the weights are not here.
   * @param {Scene} scene
   * @returns {FocusedPair | null}
   */
  pairOf({ trace, state, focus: { query, key } }) {
    if (query === null || key === null) return null;
    // The server is not asked for every pair that the pointer passes.
    if (!trace.weights && (query !== state.query || key !== state.key)) return null;
    const found = findPair(trace, this.instrument.requests, query, key);
    return found && { ...found, query, key };
  }

  /**
   * Return the heads that are drawn differently.
   * @param {Scene} scene
   * @param {HeadsLayout} layout
   */
  headsOf({ state, trace }, { pitch }) {
    /** @type {HeadPlace | null} */
    const selected = this.isChosen ? [state.layer, state.head] : null;
    const [layer, head] = state.hover.head ?? [];
    const exists = layer !== undefined && head !== undefined && head < (trace.heads[layer] ?? 0);
    const hovered = exists ? state.hover.head : null;
    const enlarged = pitch >= SMALL_PITCH ? null : (hovered ?? (this.byKeyboard ? selected : null));
    return { selected, hovered, enlarged, target: this.target };
  }

  /**
   * Paint what does not depend on the selection, if it has changed.
   * @param {Scene} scene
   * @param {Omit<import("./heads_drawing.js").HeadsPicture, "context">} picture
   * @param {FocusedPair | null} pair
   */
  paint(scene, picture, pair) {
    const { trace, theme, colours, shade } = scene;
    const { layout, scores } = picture;
    const { wide, high, pitch } = layout;
    const ratio = window.devicePixelRatio;
    const look = [theme.text, theme.faded, theme.panel, theme.font, wide, high, pitch, ratio];
    const wanted = [trace, colours, shade, trace.done, Boolean(scores), pair?.weight, ...look];
    if (isSameList(this.painted, wanted)) return;
    this.painted = wanted;
    this.legend = describeLegend(trace, this.facts, trace.header.palettes[scene.palette].masked, Boolean(scores));
    const context = fit(this.base, wide, high);
    context.clearRect(0, 0, wide, high);
    paintHeads({ ...picture, context });
  }

  /**
   * Colour the thumbnails that are new, or all if the colours are.
   * @param {Scene} scene
   */
  colour({ trace, colours, shade }) {
    const thumbnail = trace.done ? trace.thumbnail(0, 0) : null;
    const [before, beforeColours, beforeDone, beforeShade] = this.coloured;
    const isSame = before === trace && beforeShade === shade;
    const first = isSame && beforeColours === colours ? Number(beforeDone) : 0;
    this.coloured = [trace, colours, trace.done, shade];
    if (!isSame || beforeDone !== trace.done) this.facts = examineHeads(trace, shade);
    if (!thumbnail) return;
    const [wide, high] = [trace.nHeads * thumbnail.columns, trace.nLayers * thumbnail.rows];
    if (first === 0) {
      this.sheet.width = wide;
      this.sheet.height = high;
      contextOf(this.sheet).clearRect(0, 0, wide, high);
    }
    colourThumbnails(this.sheet, trace, colours, first, shade);
  }

  /**
   * @param {Scene} scene
   * @param {ReturnType<Heads["headsOf"]>} heads
   * @param {FocusedPair | null} pair
   * @param {(number | null)[] | null} scores
   */
  describe(scene, { selected, hovered, enlarged, target }, pair, scores) {
    const { trace, state } = scene;
    const layout = /** @type {HeadsLayout} */ (this.layout);
    const shared = selected ? describeGroup(trace, selected) : "";
    const place = selected
      ? `${describeHead(trace, selected, scores)} is selected${shared && ` and ${shared}`}`
      : layout.columns
        ? "Layers in reading order"
        : "Layers down, heads across";
    const chosen = selected && pair ? describeHeadInFocus(trace, selected, pair, scores) : place;
    const all = [chosen, describeChosen(trace, state), this.legend].filter(Boolean).join("; ");
    const pointed = target ? describeTarget(trace, target) : all;
    const said = hovered ? describeHeadInFocus(trace, hovered, pair, scores) : pointed;
    if (this.name.textContent !== said) this.name.textContent = said;
    const title = describeHeads(scene, pair);
    if (this.title.textContent !== title) this.title.textContent = title;
    const shown = this.root.dataset;
    shown.drawn = String(selected ?? "none");
    shown.chosen = state.heads;
    shown.pair = pair ? `${pair.query} ${pair.key}` : "";
    shown.enlarged = String(enlarged ?? "");
    shown.done = String(trace.done);
    shown.scores = (scores ?? []).join(" ");
    shown.place = `${HEADS_LEFT} ${HEADS_TOP} ${layout.pitch} ${layout.pitchY}`;
  }

  /** @param {MouseEvent} event */
  targetUnder(event) {
    if (!this.layout || !this.trace) return null;
    const box = this.canvas.getBoundingClientRect();
    return targetAt(this.layout, this.trace.heads, event.clientX - box.left, event.clientY - box.top);
  }

  /** @param {HeadPlace | null} head */
  hover(head) {
    const { store } = this.instrument;
    if (!sameHead(head, store.state.hover.head)) store.hover(head && { head });
  }

  /** @param {Target | null} target */
  point(target) {
    this.hover(target?.kind === "head" ? target.place : null);
    const beside = target?.kind === "head" ? null : target;
    if (JSON.stringify(beside) === JSON.stringify(this.target)) return;
    this.target = beside;
    this.instrument.redraw();
  }

  /** @param {MouseEvent} event */
  click(event) {
    const target = this.targetUnder(event);
    const { state } = this.instrument.store;
    const heads = this.trace?.heads ?? [];
    const adds = event.ctrlKey || event.metaKey || event.shiftKey;
    if (target?.kind === "head") this.select(clickHead(state, target.place, event, heads));
    else if (target?.kind === "layer") this.select(toggleLayer(state, target.layer, heads, adds));
    else if (target) this.select(toggleAllHeads(state, heads));
  }

  /** @param {Partial<Choice>} choice */
  select(choice) {
    this.isChosen = true;
    this.instrument.store.set(choice);
    this.instrument.redraw();
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const { state } = this.instrument.store;
    const choice = this.trace && choiceOfKey(event, state, this.trace.heads);
    if (!choice) return;
    event.preventDefault();
    this.byKeyboard = true;
    this.hover(null);
    this.select(choice);
  }
}

/**
 * Return the key head of each head, if heads share keys alike in all layers.
 * @param {Trace} trace
 */
function commonGroups({ header }) {
  const [first, ...others] = header.groups ?? [];
  return first && others.every((each) => each.join() === first.join()) ? first : [];
}

/**
 * @param {unknown[]} one
 * @param {unknown[]} other
 */
function isSameList(one, other) {
  return one.length === other.length && one.every((each, place) => each === other[place]);
}
