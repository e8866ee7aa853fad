// @ts-check
// The controls of a training and its table.

import { element } from "../core/canvas.js";

/**
 * Add the button, the slider and the checkbox above a training.
 * @param {HTMLElement} parent
 */
export function addControls(parent) {
  const controls = element("div", "training-controls", parent);
  const button = element("button", "training-play", controls);
  button.type = "button";
  const range = element("input", "training-range", controls);
  range.type = "range";
  range.min = "0";
  range.setAttribute("aria-label", "Training step");
  const label = element("label", "training-truth", controls);
  const truth = element("input", "", label);
  truth.type = "checkbox";
  truth.checked = true;
  element("span", "", label).textContent = "outline the right cells";
  return { button, range, truth };
}

/**
 * Fill a table whose cells keep their elements, so that a new frame only changes text.
 * @param {HTMLTableElement} table
 * @param {{ title: string, head: string[], rows: string[][] }} content
 */
export function fillTable(table, { title, head, rows }) {
  const shape = `${rows.length} ${head.length}`;
  if (table.dataset.shape !== shape) {
    table.dataset.shape = shape;
    build(table, head.length, rows.length);
  }
  if (table.caption) table.caption.textContent = title;
  [head, ...rows].forEach((row, number) => {
    row.forEach((text, place) => {
      const cell = table.rows[number].cells[place];
      if (cell.textContent !== text) cell.textContent = text;
      cell.classList.toggle("solves", text.endsWith("solves"));
    });
  });
}

/**
 * @param {HTMLTableElement} table
 * @param {number} nColumns
 * @param {number} nRows rows below the first
 */
function build(table, nColumns, nRows) {
  table.replaceChildren();
  element("caption", "", table);
  for (let row = 0; row <= nRows; row++) {
    const line = element("tr", "", table);
    for (let column = 0; column < nColumns; column++) {
      const cell = element(row && column ? "td" : "th", "", line);
      if (!row) cell.scope = "col";
      else if (!column) cell.scope = "row";
    }
  }
}
