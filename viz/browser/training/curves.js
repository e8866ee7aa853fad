// @ts-check
// Loss, accuracy and the best head's truth score over the steps, with a cursor at the shown one.

import { element, fit } from "../core/canvas.js";
import { clamp } from "../core/text.js";
import { themeOf } from "../core/theme.js";
import { lossScale, SHARES } from "./scale.js";
import { withCommas } from "./words.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { Frame } from "./frames.js" */
/** @import { Scale } from "./scale.js" */
/** @import { Scene } from "./words.js" */
/** @typedef {{ name: string, colour: string, values: number[], dashed?: boolean }} Line */
/** @typedef {{ context: CanvasRenderingContext2D, theme: Theme, frames: Frame[], shown: number }} Drawing */

const CURVE_LEFT = 46;
const CURVE_RIGHT = 12;
const CURVE_GAP = 44;
const CURVE_TOP = 22;
// Opacity of the part of a curve that is later than the shown step.
const LATER = 0.3;

export class TrainingCurves {
  steps = 0;
  /** Pixels of all steps. */
  span = 0;

  /**
   * @param {HTMLElement} parent
   * @param {(step: number) => void} onStep called with the step under a pressed pointer
   */
  constructor(parent, onStep) {
    this.canvas = element("canvas", "training-curves-canvas", parent);
    this.canvas.setAttribute("role", "img");
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.buttons && this.steps) onStep(this.stepUnder(event));
    };
    this.canvas.addEventListener("pointerdown", move);
    this.canvas.addEventListener("pointermove", move);
  }

  /** @param {PointerEvent} event */
  stepUnder(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left - CURVE_LEFT;
    return clamp(x / this.span, 0, 1) * this.steps;
  }

  /** @param {number} step */
  x(step) {
    return CURVE_LEFT + (step / this.steps) * this.span;
  }

  /**
   * @param {number} width
   * @param {number} height
   * @param {Scene} scene
   * @param {Frame[]} frames
   * @param {number} shown
   */
  draw(width, height, scene, frames, shown) {
    if (!width) return;
    const theme = themeOf(this.canvas);
    const context = fit(this.canvas, width, height);
    context.clearRect(0, 0, width, height);
    this.steps = scene.steps;
    this.span = width - CURVE_LEFT - CURVE_RIGHT;
    const drawing = { context, theme, frames, shown };
    const panel = (height - CURVE_TOP - CURVE_GAP - 22) / 2;
    const losses = frames.map((frame) => frame.loss);
    const best = frames.map((frame) => Math.max(...frame.scores));
    const loss = { name: "loss (log)", colour: theme.text, values: losses };
    this.panel(drawing, CURVE_TOP, panel, lossScale(losses), [loss]);
    /** @type {Line[]} */
    const shares = [{ name: "accuracy", colour: theme.accent, values: frames.map((frame) => frame.accuracy) }];
    if (!best.some(Number.isNaN)) {
      shares.push({ name: "best head’s truth score", colour: scene.outline, values: best, dashed: true });
    }
    this.panel(drawing, CURVE_TOP + panel + CURVE_GAP, panel, SHARES, shares);
    this.writeSteps(drawing, height);
  }

  /**
   * @param {Drawing} drawing
   * @param {number} height
   */
  writeSteps({ context, theme }, height) {
    context.fillStyle = theme.faded;
    context.textBaseline = "top";
    for (const share of [0, 0.5, 1]) {
      context.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
      const text = `${share ? "" : "step "}${withCommas(Math.round(share * this.steps))}`;
      context.fillText(text, CURVE_LEFT + share * this.span, height - 16);
    }
  }

  /**
   * @param {Drawing} drawing
   * @param {number} top
   * @param {number} height
   * @param {Scale} scale
   * @param {Line[]} lines
   */
  panel(drawing, top, height, scale, lines) {
    const { context, theme, frames, shown } = drawing;
    const y = (/** @type {number} */ value) => top + (1 - scale.height(value)) * height;
    context.font = `11px ${theme.font}`;
    context.lineWidth = 1;
    for (const [value, text] of scale.ticks) {
      context.strokeStyle = theme.panel;
      stroke(context, [CURVE_LEFT, y(value)], [CURVE_LEFT + this.span, y(value)]);
      context.fillStyle = theme.faded;
      context.textAlign = "right";
      context.textBaseline = "middle";
      context.fillText(text, CURVE_LEFT - 6, y(value));
    }
    let left = CURVE_LEFT;
    for (const line of lines) {
      context.strokeStyle = line.colour;
      context.lineWidth = 2;
      context.setLineDash(line.dashed ? [5, 3] : []);
      left += this.writeName(drawing, line, left, top - 12);
      this.curve(drawing, line, y);
    }
    context.strokeStyle = theme.faded;
    context.lineWidth = 1;
    stroke(context, [this.x(frames[shown].step), top], [this.x(frames[shown].step), top + height]);
  }

  /**
   * Write a line's name beside a piece of it, and return the width that both take.
   * @param {Drawing} drawing
   * @param {Line} line
   * @param {number} left
   * @param {number} y
   */
  writeName({ context, theme }, { name }, left, y) {
    stroke(context, [left, y], [left + 18, y]);
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.text;
    context.textAlign = "left";
    context.fillText(name, left + 23, y);
    return 41 + context.measureText(name).width;
  }

  /**
   * @param {Drawing} drawing
   * @param {Line} line
   * @param {(value: number) => number} y
   */
  curve({ context, frames, shown }, { colour, values }, y) {
    for (const [from, to, opacity] of [
      [0, shown, 1],
      [shown, frames.length - 1, LATER],
    ]) {
      context.globalAlpha = opacity;
      context.beginPath();
      for (let place = from; place <= to; place++) {
        if (Number.isFinite(values[place])) context.lineTo(this.x(frames[place].step), y(values[place]));
      }
      context.stroke();
    }
    context.globalAlpha = 1;
    context.setLineDash([]);
    if (!Number.isFinite(values[shown])) return;
    context.fillStyle = colour;
    context.beginPath();
    context.arc(this.x(frames[shown].step), y(values[shown]), 3.5, 0, 7);
    context.fill();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[x: number, y: number]} from
 * @param {[x: number, y: number]} to
 */
function stroke(context, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}
