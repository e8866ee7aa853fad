// @ts-check
// Frames of a training. Some arrive every second, and the picture's code and scene need not be sent with them.

import { FRAMES_EVENT, globals } from "../core/globals.js";

/** @param {{ data: Uint8Array }} component */
export default function mount({ data }) {
  if (data === globals.headlightFrames) return;
  globals.headlightFrames = data;
  window.dispatchEvent(new CustomEvent(FRAMES_EVENT, { detail: data }));
}
