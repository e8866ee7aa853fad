// @ts-check
// The lines of several heads as a table, for everybody who cannot see the picture. It is built when it is open.

import { element } from "../core/canvas.js";
import { overlayRows } from "./graph_overlay_words.js";

/** @import { Overlay } from "./graph_overlay.js" */
/** @import { Instrument } from "./index.js" */

const MOST_ROWS = 40;

export class GraphTable {
  /** What the table was made of. */
  made = "";

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.root = element("details", "graph-table", parent);
    this.root.hidden = true;
    element("summary", "graph-summary", this.root).textContent = "Lines of the chosen heads";
    this.space = element("div", "graph-table-space", this.root);
    this.space.tabIndex = 0;
    this.space.setAttribute("role", "region");
    this.space.setAttribute("aria-label", "Lines of the chosen heads");
    this.root.addEventListener("toggle", () => instrument.redraw());
  }

  /**
   * @param {Overlay | null} overlay
   * @param {number[] | null} lines that are drawn, weakest first; null for all
   * @param {string} version changes with the lines
   */
  draw(overlay, lines, version) {
    this.root.hidden = !overlay;
    if (!overlay || !this.root.open || version === this.made) return;
    this.made = version;
    const count = lines?.length ?? overlay.graph.lines.weight.length;
    const rows = overlayRows(overlay, lines, MOST_ROWS);
    const table = document.createElement("table");
    element("caption", "graph-caption-of-table", table).textContent =
      count > rows.length ? `The ${rows.length} strongest of ${count} lines` : `${count} lines, the strongest first`;
    const titles = element("tr", "", element("thead", "", table));
    for (const title of ["Head", "Query", "Key", "Weight"]) {
      const cell = element("th", "", titles);
      cell.scope = "col";
      cell.textContent = title;
    }
    const body = element("tbody", "", table);
    for (const [head, ...cells] of rows) {
      const row = element("tr", "", body);
      const name = element("th", "", row);
      name.scope = "row";
      name.textContent = head;
      for (const cell of cells) element("td", "", row).textContent = cell;
    }
    this.space.replaceChildren(table);
  }
}
