// Loss, accuracy and the best head's truth score over the steps, with a cursor at the shown one.

const CURVE_LEFT = 46, CURVE_RIGHT = 12, CURVE_GAP = 44, CURVE_TOP = 22;

class TrainingCurves {
  constructor(parent, onStep) {
    this.canvas = element("canvas", "training-curves-canvas", parent);
    this.canvas.setAttribute("role", "img");
    const move = (event) => {
      if (event.buttons && this.steps) onStep(this.stepUnder(event));
    };
    this.canvas.addEventListener("pointerdown", move);
    this.canvas.addEventListener("pointermove", move);
  }

  stepUnder(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left - CURVE_LEFT;
    return Math.max(0, Math.min(1, x / this.span)) * this.steps;
  }

  draw(width, height, scene, frames, shown) {
    if (!width) return;
    const theme = themeOf(this.canvas);
    const context = fit(this.canvas, width, height);
    context.clearRect(0, 0, width, height);
    this.steps = scene.steps;
    this.span = width - CURVE_LEFT - CURVE_RIGHT;
    const panel = (height - CURVE_TOP - CURVE_GAP - 22) / 2;
    const best = frames.map((frame) => Math.max(...frame.scores));
    this.panel(context, theme, CURVE_TOP, panel, frames, shown, this.losses(frames), [
      { name: "loss (log)", colour: theme.text, values: frames.map((frame) => frame.loss) },
    ]);
    const shares = [{ name: "accuracy", colour: theme.accent, values: frames.map((frame) => frame.accuracy) }];
    if (!best.some(Number.isNaN)) {
      shares.push({ name: "best head’s truth score", colour: scene.outline, values: best, dashed: true });
    }
    const scale = { ticks: [0, 0.5, 1].map((value) => [value, String(value)]), height: (value) => value };
    this.panel(context, theme, CURVE_TOP + panel + CURVE_GAP, panel, frames, shown, scale, shares);
    context.fillStyle = theme.faded;
    context.textBaseline = "top";
    for (const share of [0, 0.5, 1]) {
      context.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
      const text = `${share ? "" : "step "}${Math.round(share * scene.steps).toLocaleString("en")}`;
      context.fillText(text, CURVE_LEFT + share * this.span, height - 16);
    }
  }

  /** A log axis from below the least to above the largest loss; ticks at powers of ten, between them too if these are few. */
  losses(frames) {
    const found = frames.map((frame) => frame.loss).filter((loss) => loss > 0);
    const highest = Math.max(...found, 1e-6) * 1.25;
    // At least half a power of ten, so that the noise of the first steps does not fill the axis.
    const low = Math.log10(Math.max(1e-6, Math.min(...found, highest / 4) * 0.8)), high = Math.log10(highest);
    const ticks = [];
    for (let power = Math.floor(low); power <= high; power++) {
      for (const digit of high - low > 1.6 ? [1] : [1, 2, 5]) {
        const value = digit * 10 ** power;
        if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push([value, String(+value.toPrecision(1))]);
      }
    }
    return { ticks, height: (value) => (Math.log10(Math.max(value, 1e-6)) - low) / (high - low) };
  }

  panel(context, theme, top, height, frames, shown, scale, lines) {
    const x = (step) => CURVE_LEFT + (step / this.steps) * this.span;
    const y = (value) => top + (1 - scale.height(value)) * height;
    context.font = `11px ${theme.font}`;
    context.lineWidth = 1;
    for (const [value, text] of scale.ticks) {
      context.strokeStyle = theme.panel;
      context.beginPath();
      context.moveTo(CURVE_LEFT, y(value));
      context.lineTo(CURVE_LEFT + this.span, y(value));
      context.stroke();
      context.fillStyle = theme.faded;
      context.textAlign = "right";
      context.textBaseline = "middle";
      context.fillText(text, CURVE_LEFT - 6, y(value));
    }
    let title = CURVE_LEFT;
    for (const { name, colour, values, dashed } of lines) {
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.setLineDash(dashed ? [5, 3] : []);
      context.beginPath();
      context.moveTo(title, top - 12);
      context.lineTo(title + 18, top - 12);
      context.stroke();
      context.font = `12px ${theme.font}`;
      context.fillStyle = theme.text;
      context.textAlign = "left";
      context.fillText(name, title + 23, top - 12);
      title += 41 + context.measureText(name).width;
      // What is later than the shown step is known, and faint.
      for (const [from, to, opacity] of [[0, shown, 1], [shown, frames.length - 1, 0.3]]) {
        context.globalAlpha = opacity;
        context.beginPath();
        for (let place = from; place <= to; place++) {
          if (Number.isFinite(values[place])) context.lineTo(x(frames[place].step), y(values[place]));
        }
        context.stroke();
      }
      context.globalAlpha = 1;
      context.setLineDash([]);
      if (Number.isFinite(values[shown])) {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(x(frames[shown].step), y(values[shown]), 3.5, 0, 7);
        context.fill();
      }
    }
    context.strokeStyle = theme.faded;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x(frames[shown].step), top);
    context.lineTo(x(frames[shown].step), top + height);
    context.stroke();
  }
}
