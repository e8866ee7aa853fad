// The maps of one frame of a training: layers down, heads across, each with its truth score below.

const MAP_GAP = 14, SCORE_HEIGHT = 30, SIGNAL_HEIGHT = 44, LARGEST_MAP = 230, LARGEST_OF_MANY = 168, READABLE_CELL = 9;

class TrainingMaps {
  constructor(parent) {
    this.canvas = element("canvas", "training-maps-canvas", parent);
    this.canvas.setAttribute("role", "img");
    this.sheet = document.createElement("canvas");
  }

  draw(width, scene, frame, truth) {
    if (!width) return;
    const theme = themeOf(this.canvas);
    this.scene = scene;
    this.place(width);
    const context = fit(this.canvas, this.width, this.height);
    context.clearRect(0, 0, this.width, this.height);
    this.paint(frame, isDark(theme));
    const [layers, heads] = scene.shape;
    this.titles(context, theme, layers, heads);
    for (let layer = 0; layer < layers; layer++) {
      if (scene.form === "picture") this.digit(context, theme, layer);
      for (let head = 0; head < heads; head++) {
        const box = this.box(layer, head);
        const [columns, rows] = this.cells;
        context.imageSmoothingEnabled = false;
        context.drawImage(this.sheet, head * columns, layer * rows, columns, rows, ...box);
        context.strokeStyle = theme.faded;
        context.lineWidth = 0.5;
        context.strokeRect(...box);
        if (truth) this.outline(context, box);
        this.score(context, theme, frame, layer, head, box);
      }
    }
    this.labels(context, theme);
    if (scene.form === "signal") this.signal(context, theme, heads);
  }

  /** Where everything stands: the maps fill the width, their shape follows the number of queries and keys. */
  place(width) {
    const { form, shape, queries, keys } = this.scene;
    const [layers, heads, rows, columns] = shape;
    const wordy = (names) => names.some(([name, special]) => !special && name.length > 2);
    const patches = Math.round(Math.sqrt(columns - 1));
    this.cells = form === "picture" ? [patches, patches] : [columns, rows];
    this.wordy = { queries: wordy(queries), keys: wordy(keys) };
    const columnsShown = heads + (form === "picture" ? 1 : 0);
    const largest = layers > 2 ? LARGEST_OF_MANY : LARGEST_MAP;
    const room = (left) => Math.min(largest, (width - left) / columnsShown - MAP_GAP);
    this.left = 22;
    this.mapWidth = room(this.left);
    const aspect = this.cells[1] / this.cells[0];
    const height = () => Math.max(18, this.mapWidth * Math.min(2, aspect));
    this.names = { queries: false, keys: false };
    if (form === "maps" && height() / rows >= READABLE_CELL) {
      const left = this.left + (this.wordy.queries ? 62 : 16);
      if ((room(left) * Math.min(2, aspect)) / rows >= READABLE_CELL) {
        this.names.queries = true;
        this.left = left;
        this.mapWidth = room(left);
      }
    }
    if (form === "maps") this.names.keys = this.mapWidth / columns >= READABLE_CELL;
    this.mapHeight = height();
    this.above = 20 + (this.names.keys ? (this.wordy.keys ? 62 : 16) : 0) + (form === "signal" ? SIGNAL_HEIGHT + 8 : 0);
    this.pitchX = this.mapWidth + MAP_GAP;
    this.pitchY = this.mapHeight + SCORE_HEIGHT + MAP_GAP / 2;
    this.firstMap = this.left + (form === "picture" ? this.pitchX : 0);
    this.width = this.left + columnsShown * this.pitchX;
    this.height = this.above + layers * this.pitchY;
  }

  box(layer, head) {
    return [this.firstMap + head * this.pitchX, this.above + layer * this.pitchY, this.mapWidth, this.mapHeight];
  }

  /** Colour all maps at their own resolution; the class token's own weight, a picture's first key, is no patch. */
  paint(frame, dark) {
    const [layers, heads, rows, columns] = this.scene.shape;
    const [across, down] = this.cells, skip = this.scene.form === "picture" ? 1 : 0;
    this.sheet.width = heads * across;
    this.sheet.height = layers * down;
    const context = this.sheet.getContext("2d");
    const image = context.createImageData(this.sheet.width, this.sheet.height);
    const colours = dark ? this.scene.dark : this.scene.light, gain = 1 / this.scene.darkest;
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const start = (layer * heads + head) * rows * columns + skip;
        for (let cell = 0; cell < across * down; cell++) {
          const row = Math.floor(cell / across), column = cell % across;
          const colour = 3 * Math.min(255, Math.round(frame.maps[start + cell] * gain));
          const target = 4 * ((layer * down + row) * this.sheet.width + head * across + column);
          image.data.set([colours[colour], colours[colour + 1], colours[colour + 2], 255], target);
        }
      }
    }
    context.putImageData(image, 0, 0);
  }

  titles(context, theme, layers, heads) {
    context.font = `12px ${theme.font}`;
    context.fillStyle = theme.text;
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (let head = 0; head < heads; head++) {
      const [x, , width] = this.box(0, head);
      context.fillText(width > 44 ? `head ${head}` : String(head), x + width / 2, 8);
    }
    if (this.scene.form === "picture") context.fillText("picture", this.left + this.mapWidth / 2, 8);
    for (let layer = 0; layer < layers; layer++) {
      const [, y, , height] = this.box(layer, 0);
      context.save();
      context.translate(8, y + height / 2);
      context.rotate(-Math.PI / 2);
      context.fillText(height > 44 ? `layer ${layer}` : String(layer), 0, 0);
      context.restore();
    }
  }

  /** Tokens beside the first column and above the first row, where a cell has room for a letter. */
  labels(context, theme) {
    const { queries, keys, shape } = this.scene;
    const [layers, heads] = shape;
    context.textBaseline = "middle";
    const write = ([name, special], x, y, turned, wordy) => {
      context.fillStyle = special ? theme.faded : theme.text;
      const shown = special ? "·" : name.length > 9 ? `${name.slice(0, 8)}…` : name;
      context.save();
      context.translate(x, y);
      if (turned && wordy) context.rotate(-Math.PI / 2);
      context.textAlign = turned ? (wordy ? "left" : "center") : "right";
      context.fillText(shown === " " ? "␣" : shown, 0, 0);
      context.restore();
    };
    context.font = `${Math.round(Math.min(13, Math.max(9, this.mapWidth / keys.length)))}px ${theme.font}`;
    for (let head = 0; this.names.keys && head < heads; head++) {
      const [x, y, width] = this.box(0, head), cell = width / keys.length;
      keys.forEach((key, place) => write(key, x + (place + 0.5) * cell, y - 8, true, this.wordy.keys));
    }
    context.font = `${Math.round(Math.min(13, Math.max(9, this.mapHeight / queries.length)))}px ${theme.font}`;
    for (let layer = 0; this.names.queries && layer < layers; layer++) {
      const [x, y, , height] = this.box(layer, 0), cell = height / queries.length;
      queries.forEach((query, place) => write(query, x - 5, y + (place + 0.5) * cell, false));
    }
  }

  /** Frame the cells where a head that solves the task looks. */
  outline(context, [x, y, width, height]) {
    const [columns, rows] = this.cells, across = width / columns, down = height / rows;
    context.strokeStyle = this.scene.outline;
    // Where cells are as small as here, a whole frame would hide what it shows.
    const small = Math.min(across, down) < 7;
    context.lineWidth = small ? 0.6 : 1.5;
    for (const [row, column] of this.scene.truth) {
      if (small) {
        context.strokeRect(x + column * across, y + row * down, across, down);
        continue;
      }
      context.strokeRect(x + column * across + 0.5, y + row * down + 0.5, across - 1, down - 1);
    }
  }

  score(context, theme, frame, layer, head, [x, y, width, height]) {
    const value = frame.scores[layer * this.scene.shape[1] + head];
    const below = y + height + 5;
    context.font = `12px ${theme.font}`;
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillStyle = theme.text;
    if (Number.isNaN(value)) {
      const own = frame.maps[this.at(layer, head, 0, 0)] / 255;
      if (width > 60) context.fillText(`on itself ${own.toFixed(2)}`, x, below + 1);
      return;
    }
    const solves = value >= this.scene.solves;
    context.fillStyle = theme.panel;
    context.fillRect(x, below, width, 5);
    context.fillStyle = solves ? this.scene.outline : theme.accent;
    context.fillRect(x, below, width * value, 5);
    if (this.scene.chance !== null) {
      context.fillStyle = theme.text;
      context.fillRect(x + width * this.scene.chance - 0.75, below - 2, 1.5, 9);
    }
    context.fillStyle = theme.text;
    if (solves) context.font = `600 12px ${theme.font}`;
    context.fillText(share(value, this.scene.solves) + (solves && width > 70 ? " solves" : ""), x, below + 9);
  }

  digit(context, theme, layer) {
    const side = this.scene.side, cell = this.mapWidth / side;
    const y = this.box(layer, 0)[1];
    this.scene.picture.forEach((grey, place) => {
      context.fillStyle = `rgb(${255 - grey} ${255 - grey} ${255 - grey})`;
      const row = Math.floor(place / side), column = place % side;
      context.fillRect(this.left + column * cell, y + row * cell, cell + 0.5, cell + 0.5);
    });
    context.strokeStyle = theme.faded;
    context.lineWidth = 0.5;
    context.strokeRect(this.left, y, this.mapWidth, this.mapHeight);
  }

  /** The signal above each column, over its keys, and without its noise as far as that can be known. */
  signal(context, theme, heads) {
    const { signal, clean, keys, outline } = this.scene;
    const height = (value) => this.above - 10 - (value / 99) * SIGNAL_HEIGHT;
    for (let head = 0; head < heads; head++) {
      const [x, , width] = this.box(0, head), cell = width / keys.length;
      const across = (place) => x + (place + 0.5) * cell;
      for (const [values, colour, thickness] of [[clean, theme.faded, 1], [signal, theme.text, 1.2]]) {
        context.strokeStyle = colour;
        context.lineWidth = thickness;
        context.setLineDash(values === clean ? [2, 2] : []);
        context.beginPath();
        values.forEach((value, place) => value !== null && context.lineTo(across(place), height(value)));
        context.stroke();
      }
      context.setLineDash([]);
      const query = this.marked?.query ?? this.scene.queries.length - 1;
      this.dot(context, theme.text, across(query), height(signal[query] ?? 0));
      for (const key of this.rightKeys(query)) this.dot(context, outline, across(key), height(signal[key] ?? 0));
    }
  }

  dot(context, colour, x, y) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, 2.5, 0, 7);
    context.fill();
  }

  rightKeys(query) {
    return this.scene.truth.filter(([row]) => row === query).map(([, key]) => key);
  }

  at(layer, head, query, key) {
    const [, heads, rows, columns] = this.scene.shape;
    return ((layer * heads + head) * rows + query) * columns + key;
  }

  /** The cell under the pointer: layer, head, query and key; null beside the maps. */
  under(event) {
    if (!this.scene) return null;
    const bounds = this.canvas.getBoundingClientRect();
    const x = event.clientX - bounds.left - this.firstMap, y = event.clientY - bounds.top - this.above;
    const head = Math.floor(x / this.pitchX), layer = Math.floor(y / this.pitchY);
    const column = Math.floor(((x - head * this.pitchX) / this.mapWidth) * this.cells[0]);
    const row = Math.floor(((y - layer * this.pitchY) / this.mapHeight) * this.cells[1]);
    const inside = layer >= 0 && layer < this.scene.shape[0] && head >= 0 && head < this.scene.shape[1] &&
      column >= 0 && column < this.cells[0] && row >= 0 && row < this.cells[1];
    if (!inside) return null;
    const picture = this.scene.form === "picture";
    return { layer, head, query: picture ? 0 : row, key: picture ? 1 + row * this.cells[0] + column : column };
  }
}

/** A truth score with two digits, cut off where rounding would lift it over the mark that it misses. */
function share(value, mark) {
  const rounded = value.toFixed(2);
  return value < mark && Number(rounded) >= mark ? (Math.floor(value * 100) / 100).toFixed(2) : rounded;
}

function isDark(theme) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = theme.background;
  const colour = parseInt(probe.fillStyle.slice(1), 16);
  return ((colour >> 16) & 255) + ((colour >> 8) & 255) + (colour & 255) < 384;
}
