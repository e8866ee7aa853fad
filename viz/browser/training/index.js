// @ts-check
// A training to watch and to scrub through: frames are sent once, as bytes, and everything else happens in the browser.

import { element, oncePerFrame, watch } from "../core/canvas.js";
import { endPicture, pictureIn } from "../core/component.js";
import { FRAMES_EVENT, globals } from "../core/globals.js";
import { clamp } from "../core/text.js";
import { sameBytes, unpack } from "../core/unpack.js";
import { TrainingCurves } from "./curves.js";
import { addControls, fillTable } from "./elements.js";
import { append, framesOf, hasGap, nearest, pauseBefore } from "./frames.js";
import { TrainingMaps } from "./maps.js";
import { describeCell, describeFrame, describeMaps, tableOf } from "./words.js";

/** @import { Component, Send } from "../core/component.js" */
/** @import { Columns, Frame, Frames, Update } from "./frames.js" */
/** @import { Cell, Scene } from "./words.js" */

const ASK_AGAIN_MS = 2000;
const CURVES_HEIGHT = 300;

/** @param {Component<Uint8Array>} component */
export default function mount({ data, parentElement, setTriggerValue }) {
  const picture = pictureIn(parentElement, TrainingPicture);
  picture.send = setTriggerValue;
  picture.open(data);
  return () => endPicture(parentElement);
}

class TrainingPicture {
  /** @type {Send} */
  send = () => {};
  /** @type {Uint8Array | undefined} */
  bytes;
  /** The scene before its frames have come. @type {Omit<Scene, "shape" | "live"> | undefined} */
  about;
  /** @type {Scene | undefined} */
  scene;
  /** @type {Frames} */
  frames = [];
  shown = 0;
  playing = false;
  following = false;
  /** @type {Cell | null} */
  cell = null;
  timer = 0;
  asking = 0;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "training", parent);
    const { button, range, truth } = addControls(this.root);
    this.button = button;
    this.range = range;
    this.truth = truth;
    this.says = element("div", "training-says", this.root);
    const body = element("div", "training-body", this.root);
    this.left = element("div", "training-maps", body);
    this.maps = new TrainingMaps(this.left);
    this.hoverText = element("div", "training-hover", this.left);
    this.right = element("div", "training-side", body);
    this.curves = new TrainingCurves(this.right, (step) => this.scrub(nearest(this.frames, step)));
    this.table = element("table", "training-table", this.right);
    this.redraw = oncePerFrame(() => this.draw());
    // Frames are sent apart from the picture, so that its code and scene are sent once.
    this.follow = (/** @type {Event} */ event) => this.take(/** @type {CustomEvent} */ (event).detail);
    window.addEventListener(FRAMES_EVENT, this.follow);
    this.stopWatching = watch(this.root, this.redraw);
    button.addEventListener("click", () => this.toggle());
    range.addEventListener("input", () => this.scrub(Number(range.value)));
    // At the first frame, Home changes no value. A visitor who presses it wants to stay there, also while it is the last.
    range.addEventListener("keydown", (event) => event.key === "Home" && this.scrub(0, false));
    truth.addEventListener("change", this.redraw);
    for (const kind of /** @type {const} */ (["pointermove", "pointerdown"])) {
      this.maps.canvas.addEventListener(kind, (event) => this.hover(this.maps.under(event)));
    }
    this.maps.canvas.addEventListener("pointerleave", () => this.hover(null));
  }

  get last() {
    return this.frames.length - 1;
  }

  /**
   * Show another training: its scene, and the frames that have arrived for it.
   * @param {Uint8Array} bytes
   */
  open(bytes) {
    if (sameBytes(bytes, this.bytes)) return;
    this.bytes = bytes;
    const { header, arrays } = unpack(bytes);
    this.about = { ...header, ...arrays };
    this.take(globals.headlightFrames);
  }

  /**
   * Take the frames that are later than those of the message before.
   * @param {Uint8Array | undefined} bytes
   */
  take(bytes) {
    if (!bytes || !this.about) return;
    const { header, arrays } = /** @type {{ header: Update, arrays: Columns }} */ (unpack(bytes));
    if (header.key !== this.about.key) return; // Its scene is on the way.
    globals.headlightTrainings ??= new Map();
    const frames = framesOf(globals.headlightTrainings, header.key);
    clearTimeout(this.asking);
    // A message was lost, or this page was opened anew: the server sends all frames again. Frames after the gap are not
    // taken, or nothing earlier than the last of them would be taken from those.
    if (hasGap(frames, header)) this.requestAll(header.key, 1);
    else append(frames, header, arrays);
    if (frames.length) this.adopt(frames, header, this.about);
  }

  /**
   * @param {Frames} frames
   * @param {Update} update
   * @param {Omit<Scene, "shape" | "live">} about
   */
  adopt(frames, { key, live, shape }, about) {
    const before = this.scene;
    const resumed = before?.key === key && live && !before.live && this.shown === this.last;
    this.scene = { ...about, shape, live };
    this.frames = frames;
    if (before?.key !== key) this.begin(this.scene);
    else if (resumed) this.following = true;
    this.root.dataset.frames = String(frames.length);
    this.root.dataset.key = key;
    this.range.max = String(this.last);
    if (this.following && this.shown < this.last) this.play();
    if (!live) this.following = false;
    this.update();
  }

  /**
   * Request all frames, and again if they do not come: a server that is busy with this page may lose the request.
   * @param {string} key
   * @param {number} times
   */
  requestAll(key, times) {
    this.send("lacks", `${key}, asked ${times} times`);
    this.asking = Number(setTimeout(() => this.requestAll(key, times + 1), ASK_AGAIN_MS * times));
  }

  /**
   * Begin another training: a live one is followed, a recorded one plays unless the visitor prefers less motion.
   * @param {Scene} scene
   */
  begin(scene) {
    clearTimeout(this.timer);
    this.playing = false;
    this.following = scene.live;
    this.shown = scene.live ? this.last : 0;
    /** @type {HTMLElement} */ (this.truth.parentElement).hidden = !scene.truth.length;
    this.hover(null);
    const { left } = this.frames;
    delete this.frames.left;
    if (left) {
      // The page removed the picture and brought it back: the visitor is where they were.
      this.shown = Math.min(left.shown, this.last);
      this.following = left.following && scene.live;
      if (left.playing) this.play();
    } else if (!scene.live) {
      if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.shown = this.last;
      else this.play();
    }
  }

  toggle() {
    const live = Boolean(this.scene?.live);
    if (this.playing || this.following) {
      this.playing = false;
      this.following = false;
      clearTimeout(this.timer);
    } else {
      if (this.shown === this.last && !live) this.shown = 0;
      this.following = live && this.shown === this.last;
      this.play();
    }
    this.tell();
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.tick();
  }

  /** Show the next frame after a pause, and so on to the last. */
  tick() {
    clearTimeout(this.timer);
    if (!this.playing) return;
    const waiting = this.last - this.shown;
    if (waiting <= 0) {
      this.playing = false;
      this.following = Boolean(this.scene?.live);
      this.tell();
      return;
    }
    const showNext = () => {
      this.show(this.shown + 1);
      this.tick();
    };
    this.timer = Number(setTimeout(showNext, pauseBefore(waiting, this.following)));
  }

  /**
   * Go to a frame and stay there. A visitor who goes to the last frame of a running training follows it.
   * @param {number} place
   * @param {boolean} [follow]
   */
  scrub(place, follow = Boolean(this.scene?.live) && place === this.last) {
    this.playing = false;
    clearTimeout(this.timer);
    this.following = follow;
    this.show(place);
  }

  /** @param {number} place */
  show(place) {
    this.shown = clamp(place, 0, this.last);
    this.update();
  }

  update() {
    this.tell();
    this.redraw();
  }

  /** Write step and numbers in words, for eyes and for screen readers. */
  tell() {
    const frame = this.frames[this.shown];
    const { scene } = this;
    if (!frame || !scene) return;
    const moving = this.playing || this.following;
    this.button.textContent = moving ? "Pause" : scene.live ? "Follow" : "Play";
    this.range.value = String(this.shown);
    const text = describeFrame(frame, scene);
    this.says.textContent = text;
    this.range.setAttribute("aria-valuetext", text);
    const size = `${scene.shape[0]} layers and ${scene.shape[1]} heads`;
    const maps = `Attention maps of ${size}. ${text}. The table has every head’s figures.`;
    this.maps.canvas.setAttribute("aria-label", maps);
    this.curves.canvas.setAttribute("aria-label", `Loss, accuracy and truth score up to now. ${text}.`);
    Object.assign(this.root.dataset, { step: frame.step, moving, live: scene.live });
    fillTable(this.table, tableOf(frame, scene));
  }

  /** @param {Cell | null} cell */
  hover(cell) {
    this.maps.marked = cell;
    this.cell = cell;
    this.describeHover(this.frames[this.shown]);
    this.redraw();
  }

  /** @param {Frame | undefined} frame */
  describeHover(frame) {
    const { cell, scene } = this;
    this.hoverText.textContent = cell && frame && scene ? describeCell(cell, frame, scene) : describeMaps(scene);
  }

  draw() {
    const frame = this.frames[this.shown];
    if (!frame || !this.scene) return;
    this.maps.draw(this.left.clientWidth, this.scene, frame, this.truth.checked);
    // The pointer rests while the training goes on: its words follow the frame.
    if (this.cell) this.describeHover(frame);
    this.curves.draw(this.right.clientWidth, CURVES_HEIGHT, this.scene, this.frames, this.shown);
    this.root.dataset.drawn = String(frame.step);
  }

  end() {
    this.frames.left = { shown: this.shown, following: this.following, playing: this.playing };
    clearTimeout(this.timer);
    clearTimeout(this.asking);
    this.stopWatching();
    window.removeEventListener(FRAMES_EVENT, this.follow);
    this.root.remove();
  }
}
