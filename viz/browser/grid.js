// All heads as thumbnails on one canvas. Hover names a head; a click or the arrow keys select it and tell the page.

const MARGIN_LEFT = 46, MARGIN_TOP = 20, LARGEST = 104, SCORE = 15, SCALE = 26, STRONGEST = 254;
// After so many milliseconds without an answer the page has lost what was chosen: the outline returns to what it shows.
const PATIENCE = 6000;

export default function ({ data, parentElement, setTriggerValue }) {
  const picture = parentElement.gridPicture ?? (parentElement.gridPicture = new Grid(parentElement));
  picture.send = setTriggerValue;
  picture.show(data);
  return () => {
    picture.end();
    delete parentElement.gridPicture;
  };
}

class Grid {
  constructor(parent) {
    this.root = element("div", "grid", parent);
    this.canvas = element("canvas", "grid-canvas", this.root);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.name = element("div", "grid-name", this.root);
    this.name.setAttribute("role", "status");
    this.hovered = null;
    this.selected = null;
    this.confirmed = null;
    this.waiting = 0;
    this.redraw = oncePerFrame(() => this.draw());
    this.stop = watch(this.root, this.redraw);
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.at(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => this.select(this.at(event)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    // Layer and head also have ordinary controls; what they choose arrives here without the maps being sent again.
    this.follow = (event) => this.answered(event.detail);
    window.addEventListener("headlight-selection", this.follow);
  }

  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = unpack(bytes);
    this.header = header;
    this.arrays = arrays;
    this.paint();
    this.canvas.setAttribute("aria-label",
      `${header.title}: ${header.shape[0]} layers, ${header.shape[1]} heads. Arrow keys choose a head.`);
    if (header.selected) this.mark(header.selected);
    else if (window.headlightSelection) this.answered(window.headlightSelection);
    // Growing maps give way to complete ones: what was picked in the grid that is gone, and is not answered, may be lost.
    const left = window.headlightPick;
    if (left && !this.waiting && performance.now() - left.at < PATIENCE) this.select(left.place);
    this.redraw();
  }

  /** The page shows a head: the answer to our pick of that number, or to an ordinary control. Whoever moves on with the
   * arrow keys is ahead of the page, and answers to earlier picks must not take the outline back. */
  answered([layer, head, pick]) {
    this.confirmed = [layer, head];
    if (pick === window.headlightPick?.number) window.headlightPick.at = -PATIENCE;
    else if (this.waiting) return;
    this.settle();
  }

  settle() {
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.mark(this.confirmed);
  }

  /** Colour all maps once, at their own resolution, into one image that every redraw scales from. */
  paint() {
    const [, heads, rows, columns] = this.header.shape;
    const layers = this.header.done;
    this.sheet = document.createElement("canvas");
    this.sheet.width = heads * columns;
    this.sheet.height = Math.max(1, layers * rows);
    const image = new ImageData(this.sheet.width, this.sheet.height);
    const { maps, colours } = this.arrays;
    let source = 0;
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        for (let row = 0; row < rows; row++) {
          let target = 4 * ((layer * rows + row) * this.sheet.width + head * columns);
          for (let column = 0; column < columns; column++, target += 4) {
            const colour = 3 * maps[source++];
            image.data[target] = colours[colour];
            image.data[target + 1] = colours[colour + 1];
            image.data[target + 2] = colours[colour + 2];
            image.data[target + 3] = 255;
          }
        }
      }
    }
    this.sheet.getContext("2d").putImageData(image, 0, 0);
  }

  draw() {
    const width = this.root.clientWidth;
    if (!width || !this.header) return;
    const [layers, heads, rows, columns] = this.header.shape;
    this.pitch = Math.min(LARGEST, (width - MARGIN_LEFT) / heads);
    const below = this.header.scores ? SCORE : 0;
    this.pitchY = Math.max(14, this.pitch * this.header.aspect) + below;
    const gap = this.pitch > 40 ? 5 : 3;
    const bottom = MARGIN_TOP + this.pitchY * layers;
    // The scale has its place also where heads are few.
    const wide = Math.min(width, Math.max(MARGIN_LEFT + this.pitch * heads, 320));
    const context = fit(this.canvas, wide, bottom + SCALE);
    const theme = themeOf(this.root);
    this.followTheme(context, theme);
    context.clearRect(0, 0, width, this.canvas.height);
    context.font = `12px ${theme.font}`;
    context.textBaseline = "middle";
    context.imageSmoothingEnabled = false;
    for (let layer = 0; layer < layers; layer++) {
      const y = MARGIN_TOP + layer * this.pitchY;
      this.label(context, theme, String(layer), MARGIN_LEFT - 8, y + this.pitchY / 2, "right", this.selected?.[0] === layer);
      for (let head = 0; head < this.header.heads[layer]; head++) {
        const x = MARGIN_LEFT + head * this.pitch;
        const box = [x + gap / 2, y + gap / 2, this.pitch - gap, this.pitchY - gap - below];
        if (layer < this.header.done) {
          context.drawImage(this.sheet, head * columns, layer * rows, columns, rows, ...box);
        } else {
          // Not computed yet: unlike any weight.
          context.fillStyle = theme.panel;
          context.fillRect(...box);
        }
        if (below) this.score(context, theme, box, this.header.scores[layer * heads + head]);
        const broken = this.arrays.broken[layer * heads + head];
        this.frame(context, box, broken ? this.header.bad : theme.faded, broken ? 2 : 0.5);
        if (this.selected?.[0] === layer && this.selected[1] === head) this.frame(context, box, this.header.outline, 3);
        else if (this.hovered?.[0] === layer && this.hovered[1] === head) this.frame(context, box, theme.text, 2);
      }
    }
    const every = Math.ceil(22 / this.pitch);
    for (let head = 0; head < heads; head += every) {
      const x = MARGIN_LEFT + (head + 0.5) * this.pitch;
      this.label(context, theme, String(head), x, MARGIN_TOP / 2, "center", this.selected?.[1] === head);
    }
    this.axes(context, theme, (MARGIN_TOP + bottom) / 2);
    this.scale(context, theme, bottom);
    this.root.dataset.drawn = this.root.dataset.selected;
    this.root.dataset.done = this.header.done;
    this.root.dataset.scores = (this.header.scores ?? []).join(" ");
    this.root.dataset.place = `${MARGIN_LEFT} ${MARGIN_TOP} ${this.pitch} ${this.pitchY}`;
  }

  /** Tell the page when it turns dark or light: its palette may follow, and only a run of the page finds out. */
  followTheme(context, theme) {
    context.fillStyle = theme.background; // read back as #rrggbb
    const dark = [1, 3, 5].reduce((sum, at) => sum + parseInt(context.fillStyle.slice(at, at + 2), 16), 0) < 384;
    if (this.dark !== undefined && dark !== this.dark) this.send("themed", dark);
    this.dark = dark;
  }

  /** Name what the numbers count: heads across, layers down. */
  axes(context, theme, middle) {
    this.label(context, theme, "head", MARGIN_LEFT - 4, MARGIN_TOP / 2, "right");
    context.save();
    context.translate(10, middle);
    context.rotate(-Math.PI / 2);
    this.label(context, theme, "layer", 0, 0, "center");
    context.restore();
  }

  /** Draw a head's truth score below its map: a bar, and the number where there is room. */
  score(context, theme, [x, y, width, height], score) {
    if (score === null) return;
    const top = y + height + 3, room = this.pitch > 64 ? 30 : 0;
    context.fillStyle = theme.panel;
    context.fillRect(x, top + 3, width - room, 5);
    context.fillStyle = this.header.truth;
    context.fillRect(x, top + 3, (width - room) * score, 5);
    if (room) {
      context.font = `10px ${theme.font}`;
      context.fillStyle = theme.text;
      context.textAlign = "right";
      context.fillText(`${Math.round(100 * score)}%`, x + width, top + 6);
      context.font = `12px ${theme.font}`;
    }
  }

  /** Draw what the colours mean: those of the weights 0 to 1 between these two numbers, and the name of the contrast. */
  scale(context, theme, top) {
    const left = MARGIN_LEFT + 12, long = 90, middle = top + SCALE / 2 + 2, { colours } = this.arrays;
    for (let x = 0; x < long; x++) {
      const colour = 3 * Math.round((x / (long - 1)) * STRONGEST);
      context.fillStyle = `rgb(${colours[colour]}, ${colours[colour + 1]}, ${colours[colour + 2]})`;
      context.fillRect(left + x, middle - 5, 1, 10);
    }
    this.frame(context, [left, middle - 5, long, 10], theme.faded, 0.5);
    context.font = `12px ${theme.font}`;
    this.label(context, theme, "0", left - 5, middle, "right");
    this.label(context, theme, `1  ${this.header.scale}`, left + long + 5, middle, "left");
  }

  label(context, theme, text, x, y, align, strong) {
    context.fillStyle = strong ? this.header.outline : theme.faded;
    context.textAlign = align;
    context.fillText(text, x, y);
  }

  frame(context, [x, y, width, height], colour, thickness) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(x - thickness / 2, y - thickness / 2, width + thickness, height + thickness);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const head = Math.floor((event.clientX - box.left - MARGIN_LEFT) / this.pitch);
    const layer = Math.floor((event.clientY - box.top - MARGIN_TOP) / this.pitchY);
    return layer >= 0 && head >= 0 && head < (this.header.heads[layer] ?? 0) ? [layer, head] : null;
  }

  hover(place) {
    if (String(place) === String(this.hovered)) return;
    this.hovered = place;
    if (place) this.name.textContent = `Layer ${place[0]}, head ${place[1]}${this.scoreOf(place)}`;
    else this.tellSelected();
    this.redraw();
  }

  mark(place) {
    if (!place || place[1] >= (this.header?.heads[place[0]] ?? 0)) return;
    this.selected = place;
    this.root.dataset.selected = String(place);
    this.tellSelected();
    this.redraw();
  }

  scoreOf([layer, head]) {
    const score = this.header.scores?.[layer * this.header.shape[1] + head] ?? null;
    return score === null ? "" : `, looks at the true key ${Math.round(100 * score)}% of the time`;
  }

  tellSelected() {
    const selected = this.selected
      ? `Layer ${this.selected[0]}, head ${this.selected[1]} is selected`
      : "Layers down, heads across";
    this.name.textContent = this.header.note ? `${selected}; ${this.header.note}` : selected;
  }

  select(place) {
    if (!place || (String(place) === String(this.selected) && String(place) === String(this.confirmed ?? place))) return;
    this.mark(place);
    clearTimeout(this.waiting);
    this.waiting = this.confirmed && setTimeout(() => this.settle(), PATIENCE); // an exported file has nobody to answer
    const number = (window.headlightPick?.number ?? 0) + 1;
    window.headlightPick = { place, number, at: performance.now() };
    this.send("picked", [...place, number]);
  }

  key(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [layer, head] = this.selected ?? [0, 0];
    const next = Math.max(0, Math.min(this.header.heads.length - 1, layer + step[0]));
    this.select([next, Math.max(0, Math.min(this.header.heads[next] - 1, head + step[1]))]);
  }

  end() {
    this.stop();
    clearTimeout(this.waiting);
    window.removeEventListener("headlight-selection", this.follow);
    this.root.remove();
  }
}
