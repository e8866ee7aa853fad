// Token-to-token flow of one head: queries left, keys right. Hovering or focusing a token isolates its lines, a click
// or Enter locks it. Everything here happens in the browser: no message goes to the server.

const LEFT = 0, RIGHT = 1, TOP = 26, STRENGTHS = 24;

export default function ({ data, parentElement, setTriggerValue }) {
  const picture = parentElement.flowPicture ?? (parentElement.flowPicture = new Flow(parentElement));
  picture.send = setTriggerValue;
  picture.show(data);
  return () => {
    picture.end();
    delete parentElement.flowPicture;
  };
}

class Flow {
  constructor(parent) {
    this.root = element("div", "flow", parent);
    this.status = element("div", "flow-status", this.root);
    this.status.setAttribute("role", "status");
    this.scroll = element("div", "flow-scroll", this.root);
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "application");
    this.space = element("div", "flow-space", this.scroll);
    this.canvas = element("canvas", "flow-canvas", this.scroll);
    this.hovered = null;
    this.locked = null;
    this.redraw = oncePerFrame(() => this.draw());
    this.stop = watch(this.root, this.redraw);
    this.scroll.addEventListener("scroll", this.redraw);
    this.scroll.addEventListener("pointermove", (event) => this.hover(this.at(event)));
    for (const leaves of ["pointerleave", "blur"]) this.scroll.addEventListener(leaves, () => this.hover(null));
    this.scroll.addEventListener("click", (event) => this.lock(this.at(event)));
    this.scroll.addEventListener("keydown", (event) => this.key(event));
  }

  show(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = unpack(bytes);
    const sameTokens = this.header && JSON.stringify([this.header.first, this.header.queries, this.header.keys]) ===
      JSON.stringify([header.first, header.queries, header.keys]);
    this.header = header;
    this.lines = arrays;
    this.sides = [header.queries, header.keys];
    if (!sameTokens) this.hovered = null;
    // A locked token stays locked from head to head, so that heads can be compared on it.
    this.locked = header.locked ? this.tokenOf(header.locked) : null;
    this.byToken = this.sides.map((tokens) => tokens.map(() => []));
    for (let line = arrays.weight.length - 1; line >= 0; line--) {
      this.byToken[LEFT][arrays.query[line]].push(line);
      this.byToken[RIGHT][arrays.key[line]].push(line);
    }
    this.rows = Math.max(header.queries.length, header.keys.length);
    this.rowHeight = this.rows <= 24 ? 24 : this.rows <= 64 ? 20 : 16;
    this.scroll.setAttribute("aria-label",
      `${header.title}: ${header.summary}. Arrow keys choose a token, Enter locks it.`);
    this.root.dataset.rowHeight = this.rowHeight;
    this.root.dataset.lines = arrays.weight.length;
    this.tell();
    this.redraw();
  }

  /** Rows are those of the picture; names and the page count positions in the whole text, of which this is a part. */
  tokenOf([name, position]) {
    const side = name === "query" ? LEFT : RIGHT;
    return { side, row: position - this.header.first[side] };
  }

  nameOf(token) {
    return `${token.side === LEFT ? "query" : "key"}:${this.positionOf(token)}`;
  }

  positionOf(token) {
    return token.row + this.header.first[token.side];
  }

  get focus() {
    return this.hovered ?? this.locked;
  }

  at(event) {
    const box = this.scroll.getBoundingClientRect();
    const x = event.clientX - box.left;
    const row = Math.floor((event.clientY - box.top + this.scroll.scrollTop - TOP) / this.rowHeight);
    const reach = (this.right - this.left) * 0.2;
    const side = x < this.left + reach ? LEFT : x > this.right - reach ? RIGHT : null;
    return side !== null && row >= 0 && row < this.sides[side].length ? { side, row } : null;
  }

  hover(token) {
    if (token?.side === this.hovered?.side && token?.row === this.hovered?.row) return;
    this.hovered = token;
    this.tell();
    this.redraw();
  }

  isLocked(token) {
    return token && token.side === this.locked?.side && token.row === this.locked.row;
  }

  lock(token) {
    this.setLock(this.isLocked(token) ? null : token);
  }

  /** A token as the reader knows it: by its position too, where its text stands there more than once. */
  calledOf(side, row) {
    const text = this.sides[side][row][0];
    const once = this.sides[side].filter(([each]) => each === text).length === 1;
    return once ? text : `${text} (${this.positionOf({ side, row })})`;
  }

  /** Lock a token or none. The page is told, so that its link and its exports show the same lines. */
  setLock(token) {
    if (token || this.locked) this.send("locked", token ? this.nameOf(token) : "");
    this.locked = token;
    this.tell();
    this.redraw();
  }

  key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const now = this.focus ?? { side: LEFT, row: -1 };
    if (step) this.hover({ side: now.side, row: clamp(now.row + step, 0, this.sides[now.side].length - 1) });
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const side = event.key === "ArrowLeft" ? LEFT : RIGHT;
      this.hover({ side, row: clamp(now.row, 0, this.sides[side].length - 1) });
    } else if (event.key === "Enter" || event.key === " ") this.lock(this.focus);
    else if (event.key === "Escape") {
      this.hovered = null;
      this.setLock(null);
    } else return;
    event.preventDefault();
    const focus = this.focus;
    if (focus) {
      const y = TOP + focus.row * this.rowHeight;
      if (y < this.scroll.scrollTop) this.scroll.scrollTop = y;
      const below = y + this.rowHeight - this.scroll.clientHeight;
      if (below > this.scroll.scrollTop) this.scroll.scrollTop = below;
    }
  }

  tell() {
    const focus = this.focus;
    this.root.dataset.focus = focus ? this.nameOf(focus) : "";
    this.root.dataset.locked = this.locked ? "yes" : "";
    if (!focus) {
      this.status.textContent = this.header.summary[0].toUpperCase() + this.header.summary.slice(1) + ".";
      return;
    }
    const ends = focus.side === LEFT ? this.lines.key : this.lines.query;
    const lines = this.byToken[focus.side][focus.row];
    const named = lines.slice(0, 6).map((line) =>
      `${this.calledOf(1 - focus.side, ends[line])} ${this.lines.weight[line].toFixed(3)}`);
    const verb = focus.side === LEFT ? "attends to" : "is attended to by";
    const more = lines.length > 6 ? ` and ${lines.length - 6} more` : "";
    // A row sums to 1, so what a query's lines hold is a share; what a key gets has no such whole.
    const held = lines.reduce((sum, line) => sum + this.lines.weight[line], 0);
    const share = focus.side === LEFT && held >= 0 ? `; lines shown hold ${Math.round(100 * held)}% of its attention` : "";
    const lock = this.isLocked(focus) ? " (locked)" : "";
    this.status.textContent =
      `${this.sides[focus.side][focus.row][0]} (${this.positionOf(focus)})${lock} ${verb} ${named.join(", ") || "nothing shown"}${more}${share}`;
  }

  draw() {
    const width = this.scroll.clientWidth;
    if (!width || !this.header) return;
    const total = TOP + this.rows * this.rowHeight + 8;
    const limit = Math.max(320, Math.min(640, window.innerHeight * 0.75));
    const height = Math.min(total, limit);
    this.scroll.style.height = `${height}px`;
    this.space.style.height = `${total}px`;
    const context = fit(this.canvas, width, height);
    const theme = themeOf(this.root);
    const size = Math.min(14, this.rowHeight - 5);
    context.font = `${size}px ${theme.font}`;
    if (this.measured !== `${width} ${context.font}` || this.measuredOf !== this.header) {
      this.measured = `${width} ${context.font}`;
      this.measuredOf = this.header;
      const widest = (tokens) => Math.max(30, ...tokens.map(([text]) => context.measureText(text).width));
      this.left = Math.min(widest(this.sides[LEFT]) + 18, width * 0.34);
      this.right = width - Math.min(widest(this.sides[RIGHT]) + 18, width * 0.34);
    }
    context.clearRect(0, 0, width, height);
    const shift = TOP - this.scroll.scrollTop + this.rowHeight / 2;
    const y = (row) => shift + row * this.rowHeight;
    const focus = this.focus;
    const drawn = focus ? this.byToken[focus.side][focus.row].slice().reverse() : null;
    this.drawLines(context, drawn, y, height);
    this.drawTokens(context, drawn, y, height, theme, width);
    context.globalAlpha = 1;
    context.fillStyle = theme.background;
    context.fillRect(0, 0, width, 20);
    context.fillStyle = theme.faded;
    context.font = `12px ${theme.font}`;
    context.textAlign = "right";
    context.fillText("query", this.left - 10, 13);
    context.textAlign = "left";
    context.fillText("key", this.right + 10, 13);
    this.root.dataset.drawn = this.root.dataset.focus;
  }

  /** Draw lines in bundles of equal strength, one stroke each: thousands of strokes would take several frames. */
  drawLines(context, chosen, y, height) {
    const { query, key, weight } = this.lines;
    const middle = (this.left + this.right) / 2;
    const bundles = Array.from({ length: STRENGTHS + 1 }, () => []);
    const count = chosen ? chosen.length : weight.length;
    for (let number = 0; number < count; number++) {
      const line = chosen ? chosen[number] : number;
      const from = y(query[line]), to = y(key[line]);
      if (Math.max(from, to) < 0 || Math.min(from, to) > height) continue;
      const bad = Number.isNaN(weight[line]);
      bundles[bad ? STRENGTHS : Math.min(STRENGTHS - 1, Math.floor(weight[line] * STRENGTHS))].push(from, to);
    }
    bundles.forEach((ends, level) => {
      if (!ends.length) return;
      const strength = Math.min(1, (level + 0.5) / STRENGTHS);
      context.globalAlpha = 0.06 + 0.94 * strength ** this.header.gamma;
      context.strokeStyle = level === STRENGTHS ? this.header.bad : this.header.line;
      context.lineWidth = 0.6 + 4.4 * strength;
      context.beginPath();
      for (let end = 0; end < ends.length; end += 2) {
        context.moveTo(this.left, ends[end]);
        context.bezierCurveTo(middle, ends[end], middle, ends[end + 1], this.right, ends[end + 1]);
      }
      context.stroke();
    });
  }

  drawTokens(context, chosen, y, height, theme, width) {
    const focus = this.focus;
    const reached = new Map();
    if (chosen) {
      const ends = focus.side === LEFT ? this.lines.key : this.lines.query;
      for (const line of chosen) reached.set(ends[line], this.lines.weight[line]);
    }
    context.textBaseline = "middle";
    this.sides.forEach((tokens, side) => {
      const edge = side === LEFT ? this.left - 10 : this.right + 10;
      const room = side === LEFT ? this.left - 12 : width - this.right - 12;
      context.textAlign = side === LEFT ? "right" : "left";
      const first = Math.max(0, Math.floor((this.scroll.scrollTop - TOP) / this.rowHeight));
      for (let row = first; row < tokens.length && y(row) < height + this.rowHeight; row++) {
        const [text, special] = tokens[row];
        const isFocus = focus && focus.side === side && focus.row === row;
        const weight = focus && focus.side !== side ? reached.get(row) : undefined;
        context.globalAlpha = 1;
        if (isFocus || weight !== undefined) {
          context.globalAlpha = isFocus ? 0.22 : 0.08 + 0.5 * (Number.isNaN(weight) ? 1 : weight);
          context.fillStyle = isFocus ? theme.accent : this.header.line;
          const x = side === LEFT ? 0 : this.right + 4;
          context.fillRect(x, y(row) - this.rowHeight / 2 + 1, side === LEFT ? this.left - 4 : width - x, this.rowHeight - 2);
        }
        context.globalAlpha = !focus || isFocus || weight !== undefined ? 1 : 0.35;
        context.fillStyle = special ? theme.faded : theme.text;
        context.fillText(text, edge, y(row), room);
        context.globalAlpha = 0.55;
        if (this.header.cuts[side].includes(row)) {
          const top = y(row) - this.rowHeight / 2;
          context.fillStyle = theme.faded;
          context.fillRect(side === LEFT ? 0 : this.right, top, side === LEFT ? this.left : width - this.right, 1);
        }
        context.beginPath();
        context.arc(side === LEFT ? this.left - 3 : this.right + 3, y(row), 1.8, 0, 7);
        context.fill();
      }
    });
  }

  end() {
    this.stop();
    this.root.remove();
  }
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
