// @ts-check
// Frames of a training: how they are joined, and which one a step or a moment asks for. No drawing.

import { clamp } from "../core/text.js";

/**
 * @typedef {object} Frame
 * @property {number} step
 * @property {number} loss
 * @property {number} accuracy
 * @property {Float32Array} scores truth score of every head, NaN without a truth
 * @property {Uint8Array} maps weights of every layer, head, query and key, `levels` for a weight of 1
 */

/** @typedef {[layers: number, heads: number, queries: number, keys: number]} Shape */

/**
 * @typedef {object} Update
 * @property {string} key name of the training
 * @property {number} after the step of the frame before, -1 for all frames
 * @property {boolean} live whether more will come
 * @property {Shape} shape
 */

/** @typedef {{ step: Float32Array, loss: Float32Array, accuracy: Float32Array, scores: Float32Array, maps: Uint8Array }} Columns */

/** @typedef {{ shown: number, following: boolean, playing: boolean }} Moment where a visitor is in a training */

/** @typedef {Frame[] & { left?: Moment }} Frames with the moment at which the page removed their picture */

const KEPT_TRAININGS = 3;
// Milliseconds between two frames: of a recording, and between these bounds while a training runs.
const FRAME_MS = 110;
const QUICKEST_MS = 40;
const SLOWEST_MS = 260;
// The waiting frames of a running training are shown within about this time.
const CATCH_UP_MS = 900;

/**
 * Return the frames of a training, and forget those of the trainings that were used least recently.
 * @param {Map<string, Frames>} trainings
 * @param {string} key
 * @returns {Frames}
 */
export function framesOf(trainings, key) {
  const found = trainings.get(key) ?? [];
  trainings.delete(key);
  trainings.set(key, found);
  for (const oldest of trainings.keys()) {
    if (trainings.size <= KEPT_TRAININGS) break;
    trainings.delete(oldest);
  }
  return found;
}

/**
 * Return whether frames between the known ones and an update are missing.
 * @param {Frame[]} frames
 * @param {Update} update
 */
export function hasGap(frames, update) {
  return update.after > lastStep(frames);
}

/**
 * Add the frames of an update that are later than the last known one.
 * @param {Frame[]} frames
 * @param {Update} update
 * @param {Columns} columns
 */
export function append(frames, { shape: [layers, heads, queries, keys] }, { step, loss, accuracy, scores, maps }) {
  const cells = layers * heads * queries * keys;
  const last = lastStep(frames);
  step.forEach((number, place) => {
    if (number <= last) return;
    frames.push({
      step: number,
      loss: loss[place],
      accuracy: accuracy[place],
      scores: scores.slice(place * layers * heads, (place + 1) * layers * heads),
      maps: maps.slice(place * cells, (place + 1) * cells),
    });
  });
}

/** @param {Frame[]} frames */
function lastStep(frames) {
  return frames.at(-1)?.step ?? -1;
}

/**
 * Return the place of the frame that is nearest to a step.
 * @param {Frame[]} frames
 * @param {number} step
 */
export function nearest(frames, step) {
  const distance = (/** @type {Frame} */ frame) => Math.abs(frame.step - step);
  return frames.reduce((best, frame, place) => (distance(frame) < distance(frames[best]) ? place : best), 0);
}

/**
 * Return after how many milliseconds the next frame is shown: the more frames wait, the sooner, so that live stays live.
 * @param {number} waiting frames after the shown one
 * @param {boolean} following whether a running training is followed
 */
export function pauseBefore(waiting, following) {
  return following ? clamp(CATCH_UP_MS / waiting, QUICKEST_MS, SLOWEST_MS) : FRAME_MS;
}

/**
 * Return the index of a weight in a frame's maps.
 * @param {Shape} shape
 * @param {{ layer: number, head: number, query: number, key: number }} cell
 */
export function indexOf([, heads, queries, keys], { layer, head, query, key }) {
  return ((layer * heads + head) * queries + query) * keys + key;
}
