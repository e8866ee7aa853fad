// @ts-check
// The maps of one frame of a training: layers down, heads across, each with its truth score below.

import { contextOf, element, fit } from "../core/canvas.js";
import { isDark, themeOf } from "../core/theme.js";
import { indexOf } from "./frames.js";
import { boxOf, cellAt, colourMaps, layoutOf, SIGNAL_HEIGHT, shortName } from "./maps_layout.js";
import { describeScore } from "./words.js";

/** @import { Theme } from "../core/theme.js" */
/** @import { Frame } from "./frames.js" */
/** @import { Layout } from "./maps_layout.js" */
/** @import { Cell, Name, Scene } from "./words.js" */
/** @typedef {{ context: CanvasRenderingContext2D, theme: Theme, scene: Scene, layout: Layout, frame: Frame }} Drawing */

// Where cells are smaller than this, a whole frame would hide the weight that it outlines.
const SMALL_CELL = 7;

export class TrainingMaps {
  /** @type {{ scene: Scene, layout: Layout } | undefined} */
  drawn;
  /** The cell under the pointer. @type {Cell | null} */
  marked = null;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.canvas = element("canvas", "training-maps-canvas", parent);
    this.canvas.setAttribute("role", "img");
    this.sheet = document.createElement("canvas");
  }

  /**
   * @param {number} width
   * @param {Scene} scene
   * @param {Frame} frame
   * @param {boolean} truth whether the right cells are outlined
   */
  draw(width, scene, frame, truth) {
    if (!width) return;
    const theme = themeOf(this.canvas);
    const layout = layoutOf(scene, width);
    this.drawn = { scene, layout };
    const context = fit(this.canvas, layout.width, layout.height);
    context.clearRect(0, 0, layout.width, layout.height);
    const drawing = { context, theme, scene, layout, frame };
    this.paint(drawing);
    writeTitles(drawing);
    const [layers, heads] = scene.shape;
    for (let layer = 0; layer < layers; layer++) {
      if (scene.form === "picture") drawPicture(drawing, layer);
      for (let head = 0; head < heads; head++) {
        this.drawMap(drawing, layer, head);
        if (truth) outlineTruth(drawing, layer, head);
        drawScore(drawing, layer, head);
      }
    }
    writeNames(drawing);
    if (scene.form === "signal") drawSignals(drawing, this.marked?.query ?? scene.queries.length - 1);
  }

  /**
   * Colour all maps at their own resolution.
   * @param {Drawing} drawing
   */
  paint({ context, theme, scene, layout, frame }) {
    const [layers, heads] = scene.shape;
    this.sheet.width = heads * layout.cells[0];
    this.sheet.height = layers * layout.cells[1];
    const sheet = contextOf(this.sheet);
    const image = sheet.createImageData(this.sheet.width, this.sheet.height);
    colourMaps(image.data, frame, scene, layout.cells, isDark(context, theme) ? scene.dark : scene.light);
    sheet.putImageData(image, 0, 0);
  }

  /**
   * @param {Drawing} drawing
   * @param {number} layer
   * @param {number} head
   */
  drawMap({ context, theme, layout }, layer, head) {
    const [columns, rows] = layout.cells;
    const box = boxOf(layout, layer, head);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.sheet, head * columns, layer * rows, columns, rows, ...box);
    context.strokeStyle = theme.faded;
    context.lineWidth = 0.5;
    context.strokeRect(...box);
  }

  /**
   * Return the cell under the pointer, null beside the maps.
   * @param {MouseEvent} event
   */
  under(event) {
    if (!this.drawn) return null;
    const bounds = this.canvas.getBoundingClientRect();
    return cellAt(this.drawn.layout, this.drawn.scene, event.clientX - bounds.left, event.clientY - bounds.top);
  }
}

/**
 * Write the numbers of heads and layers, with the word where there is room.
 * @param {Drawing} drawing
 */
function writeTitles({ context, theme, scene, layout }) {
  const [layers, heads] = scene.shape;
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.text;
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (let head = 0; head < heads; head++) {
    const [x, , width] = boxOf(layout, 0, head);
    context.fillText(width > 44 ? `head ${head}` : String(head), x + width / 2, 8);
  }
  if (scene.form === "picture") context.fillText("picture", layout.left + layout.mapWidth / 2, 8);
  for (let layer = 0; layer < layers; layer++) {
    const [, y, , height] = boxOf(layout, layer, 0);
    context.save();
    context.translate(8, y + height / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(height > 44 ? `layer ${layer}` : String(layer), 0, 0);
    context.restore();
  }
}

/**
 * Write tokens beside the first column and above the first row, where a cell has room for a letter.
 * @param {Drawing} drawing
 */
function writeNames(drawing) {
  const { context, theme, scene, layout } = drawing;
  const [layers, heads] = scene.shape;
  const { keys, queries } = scene;
  const fontOf = (/** @type {number} */ cell) => `${Math.round(Math.min(13, Math.max(9, cell)))}px ${theme.font}`;
  context.textBaseline = "middle";
  context.font = fontOf(layout.mapWidth / keys.length);
  for (let head = 0; layout.named.keys && head < heads; head++) {
    const [x, y, width] = boxOf(layout, 0, head);
    const cell = width / keys.length;
    const align = layout.wordy.keys ? "left" : "center";
    keys.forEach((key, place) => {
      writeName(drawing, key, x + (place + 0.5) * cell, y - 8, align, layout.wordy.keys);
    });
  }
  context.font = fontOf(layout.mapHeight / queries.length);
  for (let layer = 0; layout.named.queries && layer < layers; layer++) {
    const [x, y, , height] = boxOf(layout, layer, 0);
    const cell = height / queries.length;
    queries.forEach((query, place) => {
      writeName(drawing, query, x - 5, y + (place + 0.5) * cell, "right", false);
    });
  }
}

/**
 * @param {Drawing} drawing
 * @param {Name} name
 * @param {number} x
 * @param {number} y
 * @param {CanvasTextAlign} align
 * @param {boolean} turned whether the name runs upwards
 */
function writeName({ context, theme }, name, x, y, align, turned) {
  context.fillStyle = name[1] ? theme.faded : theme.text;
  context.save();
  context.translate(x, y);
  if (turned) context.rotate(-Math.PI / 2);
  context.textAlign = align;
  context.fillText(shortName(name), 0, 0);
  context.restore();
}

/**
 * Frame the cells where a head that solves the task looks.
 * @param {Drawing} drawing
 * @param {number} layer
 * @param {number} head
 */
function outlineTruth({ context, scene, layout }, layer, head) {
  const [x, y, width, height] = boxOf(layout, layer, head);
  const across = width / layout.cells[0];
  const down = height / layout.cells[1];
  const small = Math.min(across, down) < SMALL_CELL;
  const inset = small ? 0 : 0.5;
  context.strokeStyle = scene.outline;
  context.lineWidth = small ? 0.6 : 1.5;
  for (const [row, column] of scene.truth) {
    const corner = /** @type {const} */ ([x + column * across + inset, y + row * down + inset]);
    context.strokeRect(...corner, across - 2 * inset, down - 2 * inset);
  }
}

/**
 * Draw a head's truth score as a bar with a tick at chance, and as a number; without a truth, its weight on itself.
 * @param {Drawing} drawing
 * @param {number} layer
 * @param {number} head
 */
function drawScore({ context, theme, scene, layout, frame }, layer, head) {
  const [x, y, width, height] = boxOf(layout, layer, head);
  const value = frame.scores[layer * scene.shape[1] + head];
  const below = y + height + 5;
  context.font = `12px ${theme.font}`;
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillStyle = theme.text;
  if (Number.isNaN(value)) {
    const own = frame.maps[indexOf(scene.shape, { layer, head, query: 0, key: 0 })] / scene.levels;
    if (width > 60) context.fillText(`on itself ${own.toFixed(2)}`, x, below + 1);
    return;
  }
  const solves = value >= scene.solves;
  context.fillStyle = theme.panel;
  context.fillRect(x, below, width, 5);
  context.fillStyle = solves ? scene.outline : theme.accent;
  context.fillRect(x, below, width * value, 5);
  context.fillStyle = theme.text;
  if (scene.chance !== null) context.fillRect(x + width * scene.chance - 0.75, below - 2, 1.5, 9);
  if (solves) context.font = `600 12px ${theme.font}`;
  context.fillText(describeScore(value, scene.solves) + (solves && width > 70 ? " solves" : ""), x, below + 9);
}

/**
 * Draw the picture that the model reads, left of a layer's maps.
 * @param {Drawing} drawing
 * @param {number} layer
 */
function drawPicture({ context, theme, scene, layout }, layer) {
  const { picture = [], side = 1 } = scene;
  const cell = layout.mapWidth / side;
  const y = boxOf(layout, layer, 0)[1];
  picture.forEach((grey, place) => {
    context.fillStyle = `rgb(${255 - grey} ${255 - grey} ${255 - grey})`;
    const row = Math.floor(place / side);
    context.fillRect(layout.left + (place % side) * cell, y + row * cell, cell + 0.5, cell + 0.5);
  });
  context.strokeStyle = theme.faded;
  context.lineWidth = 0.5;
  context.strokeRect(layout.left, y, layout.mapWidth, layout.mapHeight);
}

/**
 * Draw the signal above each column, over its keys, and without its noise where that is known; with a dot at a query,
 * and at the keys that are right for it.
 * @param {Drawing} drawing
 * @param {number} query
 */
function drawSignals({ context, theme, scene, layout }, query) {
  const { signal = [], clean = [], keys, outline } = scene;
  const y = (/** @type {number} */ value) => layout.above - 10 - (value / 99) * SIGNAL_HEIGHT;
  for (let head = 0; head < scene.shape[1]; head++) {
    const [left, , width] = boxOf(layout, 0, head);
    const x = (/** @type {number} */ place) => left + ((place + 0.5) * width) / keys.length;
    for (const [values, colour, thickness, dash] of /** @type {const} */ ([
      [clean, theme.faded, 1, [2, 2]],
      [signal, theme.text, 1.2, []],
    ])) {
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.setLineDash([...dash]);
      context.beginPath();
      values.forEach((value, place) => {
        if (value !== null) context.lineTo(x(place), y(value));
      });
      context.stroke();
    }
    context.setLineDash([]);
    drawDot(context, theme.text, x(query), y(signal[query] ?? 0));
    for (const [row, key] of scene.truth) if (row === query) drawDot(context, outline, x(key), y(signal[key] ?? 0));
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @param {number} x
 * @param {number} y
 */
function drawDot(context, colour, x, y) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, 2.5, 0, 7);
  context.fill();
}
