// @ts-check
// The selected head, for the grid. The grid's maps are bytes and would be sent again with every selection, so the
// selection is sent apart from them.

import { globals, SELECTION_EVENT } from "../core/globals.js";

/** @param {{ data: [number, number, number] }} component layer, head, and the number of the pick that this answers */
export default function mount({ data }) {
  globals.headlightShown = data;
  window.dispatchEvent(new CustomEvent(SELECTION_EVENT, { detail: data }));
}
