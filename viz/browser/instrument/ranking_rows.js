// @ts-check
// The rows of the ranked heads: which head an event is on, and what clicks and keys on it choose.

import { element } from "../core/canvas.js";
import { chosenHeads, clickHead, toggleHead } from "./head_choice.js";
import { chosenName, headTitle, writeHeads } from "./head_set.js";

/** @import { Instrument } from "./index.js" */
/** @import { HeadPlace } from "./ranking_numbers.js" */
/** @import { State } from "./store.js" */
/** @import { Trace } from "./trace.js" */

/**
 * Listen to the rows of a list. A click chooses a head, with Ctrl it adds the head to the chosen ones.
 * @param {HTMLElement} list
 * @param {Instrument} instrument
 * @param {() => HTMLButtonElement[]} rows
 */
export function listenToRows(list, instrument, rows) {
  const { store } = instrument;
  const heads = () => instrument.trace?.heads ?? [];
  list.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (place) store.set(clickHead(store.state, place, event, heads()));
  });
  list.addEventListener("pointerover", (event) => store.hover({ head: placeOf(event) }));
  list.addEventListener("pointerleave", () => store.hover(null));
  list.addEventListener("focusin", (event) => store.hover({ head: placeOf(event) }));
  list.addEventListener("focusout", () => store.hover(null));
  list.addEventListener("keydown", (event) => {
    const place = placeOf(event);
    if (place && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      store.set(toggleHead(store.state, place, heads()));
      return;
    }
    // One tab stop: the arrow keys move between the rows.
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const here = rows().indexOf(/** @type {HTMLButtonElement} */ (event.target));
    if (!step || here < 0) return;
    event.preventDefault();
    rows()[here + step]?.focus();
  });
}

/**
 * Add the row of a head to a list.
 * @param {HTMLElement} list
 * @param {Trace} trace
 * @param {HeadPlace} place
 * @param {string} figures
 */
export function addRow(list, trace, place, figures) {
  const row = element("button", "ranking-row", element("li", "", list));
  row.type = "button";
  row.dataset.head = String(place);
  row.title = "Ctrl click adds this head to the chosen ones";
  row.textContent = `${headTitle(trace, place)}: ${figures}`;
  return row;
}

/**
 * Return the change that chooses some heads: the first of them becomes the current one.
 * @param {HeadPlace[]} places
 * @param {number[]} heads heads of each layer
 */
export function chooseHeads(places, heads) {
  const [[layer, head]] = places;
  return { layer, head, heads: writeHeads(places, heads) };
}

/**
 * Mark the rows of the chosen heads.
 * @param {HTMLButtonElement[]} rows
 * @param {State} state
 * @param {number[]} heads heads of each layer
 */
export function markChosen(rows, state, heads) {
  const chosen = new Set(chosenHeads(state, heads).map(chosenName));
  for (const row of rows) {
    const isChosen = chosen.has((row.dataset.head ?? "").replace(",", "."));
    if (row.classList.contains("ranking-chosen") === isChosen) continue;
    row.classList.toggle("ranking-chosen", isChosen);
    row.setAttribute("aria-description", isChosen ? "chosen" : "");
  }
}

/**
 * Return the head of the row that an event is on.
 * @param {Event} event
 * @returns {HeadPlace | null}
 */
export function placeOf(event) {
  const row = /** @type {HTMLElement} */ (event.target).closest("[data-head]");
  return row ? /** @type {HeadPlace} */ (/** @type {HTMLElement} */ (row).dataset.head?.split(",").map(Number)) : null;
}
