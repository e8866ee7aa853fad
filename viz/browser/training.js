// A training to watch and to scrub through: frames come once, as bytes, and everything else happens here.

const FRAME_MS = 110, SLOWEST_MS = 260, ASK_AGAIN_MS = 2000, KEPT_TRAININGS = 3;

export default function ({ data, parentElement, setTriggerValue }) {
  const picture = parentElement.trainingPicture ?? (parentElement.trainingPicture = new TrainingPicture(parentElement));
  picture.ask = (what) => setTriggerValue("lacks", what);
  picture.open(data);
  return () => {
    picture.end();
    delete parentElement.trainingPicture;
  };
}

/** The frames of a training by its name; they outlive the picture, which the page may take away and bring back. */
function framesOf(key) {
  const kept = (window.headlightTrainings ??= new Map());
  const found = kept.get(key) ?? [];
  kept.delete(key);
  kept.set(key, found);
  while (kept.size > KEPT_TRAININGS) kept.delete(kept.keys().next().value);
  return found;
}

class TrainingPicture {
  constructor(parent) {
    this.root = element("div", "training", parent);
    const controls = element("div", "training-controls", this.root);
    this.button = element("button", "training-play", controls);
    this.button.type = "button";
    this.range = element("input", "training-range", controls);
    this.range.type = "range";
    this.range.min = 0;
    this.range.setAttribute("aria-label", "Training step");
    const label = element("label", "training-truth", controls);
    this.truth = element("input", "", label);
    this.truth.type = "checkbox";
    this.truth.checked = true;
    this.truthName = element("span", "", label);
    this.truthName.textContent = "outline the right cells";
    this.says = element("div", "training-says", this.root);
    const body = element("div", "training-body", this.root);
    this.left = element("div", "training-maps", body);
    this.maps = new TrainingMaps(this.left);
    this.hovered = element("div", "training-hover", this.left);
    this.right = element("div", "training-side", body);
    this.curves = new TrainingCurves(this.right, (step) => this.scrub(this.nearest(step)));
    this.table = element("table", "training-table", this.right);
    this.frames = [];
    this.shown = 0;
    this.playing = false;
    this.following = false;
    this.redraw = oncePerFrame(() => this.draw());
    // Frames arrive apart from the picture (ui/components), so that its code and scene are sent once.
    this.follow = (event) => this.take(event.detail);
    window.addEventListener("headlight-frames", this.follow);
    this.stopWatching = watch(this.root, this.redraw);
    this.button.addEventListener("click", () => this.toggle());
    this.range.addEventListener("input", () => this.scrub(Number(this.range.value)));
    // At the beginning already, Home changes no value; who presses it means to stay, also while the first frame is the last.
    this.range.addEventListener("keydown", (event) => event.key === "Home" && this.scrub(0, false));
    this.truth.addEventListener("change", this.redraw);
    this.maps.canvas.addEventListener("pointermove", (event) => this.hover(this.maps.under(event)));
    this.maps.canvas.addEventListener("pointerdown", (event) => this.hover(this.maps.under(event)));
    this.maps.canvas.addEventListener("pointerleave", () => this.hover(null));
  }

  /** Show another training: its scene, and the frames that have come for it. */
  open(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = unpack(bytes);
    this.about = { ...header, ...arrays };
    this.take(window.headlightFrames);
  }

  /** Take the frames that are later than those of the message before. */
  take(bytes) {
    if (!bytes) return;
    const { header, arrays } = unpack(bytes);
    if (header.key !== this.about?.key) return; // its scene is on the way
    const frames = framesOf(header.key);
    // A message was lost, or this page was opened anew: the server sends the whole again.
    clearTimeout(this.asking);
    // What comes after a gap waits for the whole, in which nothing earlier than the last frame would be taken.
    if (header.after > (frames.at(-1)?.step ?? -1)) this.lack(header.key, 1);
    else this.append(frames, header, arrays);
    if (!frames.length) return;
    const before = this.scene;
    const resumed = before?.key === header.key && header.live && !before.live && this.shown === this.frames.length - 1;
    this.scene = { ...this.about, shape: header.shape, live: header.live };
    this.frames = frames;
    if (before?.key !== header.key) this.begin();
    else if (resumed) this.following = true;
    this.root.dataset.frames = frames.length;
    this.root.dataset.key = header.key;
    this.range.max = frames.length - 1;
    if (this.following && this.shown < frames.length - 1) this.play();
    if (!header.live) this.following = false;
    this.tell();
    this.redraw();
  }

  /** Ask for all frames, and again if they do not come: a server that is busy with this page may lose the question. */
  lack(key, times) {
    this.ask(`${key}, asked ${times} times`);
    this.asking = setTimeout(() => this.lack(key, times + 1), ASK_AGAIN_MS * times);
  }

  append(frames, header, { step, loss, accuracy, scores, maps }) {
    const [layers, heads, rows, columns] = header.shape, cells = layers * heads * rows * columns;
    const last = frames.at(-1)?.step ?? -1;
    for (let place = 0; place < step.length; place++) {
      if (step[place] <= last) continue;
      frames.push({
        step: step[place],
        loss: loss[place],
        accuracy: accuracy[place],
        scores: scores.slice(place * layers * heads, (place + 1) * layers * heads),
        maps: maps.slice(place * cells, (place + 1) * cells),
      });
    }
  }

  /** Another training: a live one is followed, a recorded one plays, unless the visitor asked for less motion. */
  begin() {
    clearTimeout(this.timer);
    this.playing = false;
    this.following = this.scene.live;
    this.shown = this.scene.live ? this.frames.length - 1 : 0;
    this.truth.parentElement.hidden = !this.scene.truth.length;
    this.hover(null);
    const left = this.frames.left;
    delete this.frames.left;
    if (left) {
      // The page took the picture away and brought it back: the visitor is where they were.
      this.shown = Math.min(left.shown, this.frames.length - 1);
      this.following = left.following && this.scene.live;
      if (left.playing) this.play();
      return;
    }
    if (this.scene.live) return;
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.shown = this.frames.length - 1;
    else this.play();
  }

  toggle() {
    if (this.playing || this.following) {
      this.playing = this.following = false;
      clearTimeout(this.timer);
    } else {
      if (this.shown === this.frames.length - 1 && !this.scene.live) this.shown = 0;
      this.following = this.scene.live && this.shown === this.frames.length - 1;
      this.play();
    }
    this.tell();
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.tick();
  }

  /** Show the next frame; the newer the frames that wait, the quicker, so that live stays live. */
  tick() {
    clearTimeout(this.timer);
    const waiting = this.frames.length - 1 - this.shown;
    if (!this.playing) return;
    if (waiting <= 0) {
      this.playing = false;
      this.following = this.scene.live;
      this.tell();
      return;
    }
    const wait = this.following ? Math.max(40, Math.min(SLOWEST_MS, 900 / waiting)) : FRAME_MS;
    this.timer = setTimeout(() => {
      this.show(this.shown + 1);
      this.tick();
    }, wait);
  }

  /** Go to a frame and stay there; who goes to the last of a training that runs follows it. */
  scrub(place, follow = this.scene?.live && place === this.frames.length - 1) {
    this.playing = false;
    clearTimeout(this.timer);
    this.following = follow;
    this.show(place);
  }

  show(place) {
    this.shown = Math.max(0, Math.min(this.frames.length - 1, place));
    this.tell();
    this.redraw();
  }

  nearest(step) {
    const distance = (frame) => Math.abs(frame.step - step);
    return this.frames.reduce((best, frame, place) => (distance(frame) < distance(this.frames[best]) ? place : best), 0);
  }

  /** Step and numbers in words, for eyes and for screen readers. */
  tell() {
    const frame = this.frames[this.shown], scene = this.scene;
    if (!frame) return;
    const moving = this.playing || this.following;
    this.button.textContent = moving ? "Pause" : this.scene.live ? "Follow" : "Play";
    this.range.value = this.shown;
    const heads = scene.shape[1];
    const parts = [`Step ${frame.step.toLocaleString("en")} of ${scene.steps.toLocaleString("en")}`];
    if (Number.isFinite(frame.loss)) parts.push(`loss ${Number(frame.loss.toPrecision(3))}`);
    parts.push(`${Math.round(100 * frame.accuracy)}% of unseen samples right`);
    const best = frame.scores.indexOf(Math.max(...frame.scores));
    if (best >= 0) {
      const found = `layer ${Math.floor(best / heads)}, head ${best % heads}`;
      parts.push(`best head: ${found}, truth score ${share(frame.scores[best], scene.solves)}`);
    }
    const text = parts.join(" · ");
    this.says.textContent = text;
    this.range.setAttribute("aria-valuetext", text);
    this.maps.canvas.setAttribute("aria-label",
      `Attention maps of ${scene.shape[0]} layers and ${heads} heads. ${text}. The table has every head’s figures.`);
    this.curves.canvas.setAttribute("aria-label", `Loss, accuracy and truth score up to now. ${text}.`);
    this.root.dataset.step = frame.step;
    this.root.dataset.moving = moving;
    this.root.dataset.live = scene.live;
    this.tabulate(frame);
  }

  tabulate(frame) {
    const [layers, heads, , columns] = this.scene.shape;
    const scored = !Number.isNaN(frame.scores[0]);
    const rows = [];
    for (let layer = 0; layer < layers; layer++) {
      const cells = [`layer ${layer}`];
      for (let head = 0; head < heads; head++) {
        const own = layer * heads + head;
        if (scored) cells.push(share(frame.scores[own], this.scene.solves) + (frame.scores[own] >= this.scene.solves ? " solves" : ""));
        else {
          const weights = frame.maps.subarray(own * columns + 1, (own + 1) * columns);
          const strongest = weights.indexOf(Math.max(...weights));
          cells.push(`${this.scene.keys[strongest + 1][0]}: ${(weights[strongest] / 255).toFixed(2)}`);
        }
      }
      rows.push(cells);
    }
    const name = scored ? "Truth score" : "Strongest patch";
    fillTable(this.table, `${name} of every head at step ${frame.step.toLocaleString("en")}`,
      ["", ...Array.from({ length: heads }, (_, head) => `head ${head}`)], rows);
  }

  hover(cell) {
    const frame = this.frames[this.shown];
    this.maps.marked = cell;
    this.cell = cell;
    if (cell && frame) {
      const { layer, head, query, key } = cell;
      const name = ([text, special], place) => (special ? text : this.scene.form === "picture" ? text : `“${text}” (${place})`);
      const weight = frame.maps[this.maps.at(layer, head, query, key)] / 255;
      const right = this.scene.truth.some(([row, column]) => row === query && column === key);
      this.hovered.textContent = `Layer ${layer}, head ${head}: ${name(this.scene.queries[query], query)} looks at ` +
        `${name(this.scene.keys[key], key)} with weight ${weight.toFixed(2)}${right ? ", a right place" : ""}`;
    } else {
      const chance = this.scene?.chance;
      const dark = this.scene ? `darkest: weight ${this.scene.darkest}${this.scene.darkest < 1 ? " and above" : ""}` : "";
      this.hovered.textContent = chance == null
        ? `Rows look at columns; ${dark}.`.replace("Rows look at columns; d", "D")
        : `Rows look at columns; the bar is the head’s truth score, the tick chance (${chance.toFixed(2)}).`;
    }
    this.redraw();
  }

  draw() {
    const frame = this.frames[this.shown];
    if (!frame || !this.scene) return;
    this.maps.draw(this.left.clientWidth, this.scene, frame, this.truth.checked);
    if (this.cell) this.keepHover(frame);
    this.curves.draw(this.right.clientWidth, 300, this.scene, this.frames, this.shown);
    this.root.dataset.drawn = frame.step;
  }

  /** The pointer rests while the training goes on: its words follow the frame. */
  keepHover(frame) {
    const { layer, head, query, key } = this.cell;
    const weight = frame.maps[this.maps.at(layer, head, query, key)] / 255;
    this.hovered.textContent = this.hovered.textContent.replace(/weight [\d.]+/, `weight ${weight.toFixed(2)}`);
  }

  end() {
    this.frames.left = { shown: this.shown, following: this.following, playing: this.playing };
    clearTimeout(this.timer);
    clearTimeout(this.asking);
    this.stopWatching();
    window.removeEventListener("headlight-frames", this.follow);
    this.root.remove();
  }
}

/** Write a table; cells keep their elements, so that a frame changes text alone. */
function fillTable(table, title, head, rows) {
  const shape = `${rows.length} ${head.length}`;
  if (table.dataset.shape !== shape) {
    table.dataset.shape = shape;
    table.replaceChildren();
    element("caption", "", table);
    for (const row of [head, ...rows]) {
      const line = element("tr", "", table);
      row.forEach((_, place) => {
        const cell = element(row === head || !place ? "th" : "td", "", line);
        if (row === head) cell.scope = "col";
        else if (!place) cell.scope = "row";
      });
    }
  }
  table.caption.textContent = title;
  [head, ...rows].forEach((row, number) => row.forEach((text, place) => {
    const cell = table.rows[number].cells[place];
    if (cell.textContent !== text) cell.textContent = text;
    cell.classList.toggle("solves", text.endsWith("solves"));
  }));
}
