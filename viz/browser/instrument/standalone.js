// @ts-check
// The instrument in an exported file, which has no server to ask.

import { endPicture, pictureIn } from "../core/component.js";
import { Instrument } from "./index.js";

/** @param {{ data: Uint8Array, parentElement: HTMLElement }} component */
export default function mount({ data, parentElement }) {
  pictureIn(parentElement, Instrument).show(data);
  return () => endPicture(parentElement);
}
