// @ts-check
// The text as a row of tokens, each coloured by the attention that it gets from, or gives to, the chosen token. Cross
// attention has two rows: the tokens that are queries, and those that are keys.

import { element } from "../core/canvas.js";
import { contains, exactTile, shownPart, tileOf } from "./part.js";
import { StripRow } from "./strip_row.js";
import { labelOfRow, notesOfTokens, weightsOf } from "./strip_words.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Region, State } from "./store.js" */
/** @import { Tile, Trace } from "./trace.js" */

export class Strip {
  /** @type {StripRow[]} */
  rows = [];
  /** What the rows were built of. @type {unknown[]} */
  built = [];
  /** What was locked in the last frame. @type {[query: number | null, key: number | null]} */
  locked = [null, null];

  /**
   * @param {HTMLElement} parent
   * @param {Instrument} instrument
   */
  constructor(parent, instrument) {
    this.parent = parent;
    this.instrument = instrument;
    this.box = element("div", "strip", parent);
    this.note = element("p", "strip-note", parent);
  }

  /** @param {Scene} scene */
  draw(scene) {
    const { trace, state, focus } = scene;
    const part = partInStrip(trace, state);
    if (this.built[0] !== trace || this.built[1] !== part.join()) this.build(trace, part);
    const tile = this.tileOf(scene, part);
    for (const row of this.rows) {
      const shown = weightsOf(row.side, this.rows.length === 1, focus, tile);
      row.draw(scene, shown, labelOfRow(row.side, shown, scene));
    }
    this.follow(scene.state);
    this.parent.dataset.focus = `${focus.query ?? ""}:${focus.key ?? ""}`;
  }

  /**
   * Bring a token of a long text into view when it has been locked elsewhere. Only the strip scrolls, not the page.
   * @param {State} state
   */
  follow({ query, key }) {
    const [lastQuery, lastKey] = this.locked;
    this.locked = [query, key];
    const position = query !== lastQuery && query !== null ? query : key !== lastKey ? key : null;
    if (position === null || this.box.scrollHeight <= this.box.clientHeight) return;
    const row = position === query ? this.rows[0] : this.rows[this.rows.length - 1];
    const button = row.buttons[position - row.first];
    if (!button) return;
    const [box, own] = [this.box.getBoundingClientRect(), button.getBoundingClientRect()];
    const above = own.top - row.label.offsetHeight - box.top;
    if (above < 0) this.box.scrollTop += above;
    else if (own.bottom > box.bottom) this.box.scrollTop += own.bottom - box.bottom + 4;
  }

  /**
   * Return the exact tile that has the tokens of the strip.
   * @param {Scene} scene
   * @param {Region} part
   * @returns {Tile | null}
   */
  tileOf(scene, part) {
    const { focus, state, trace } = scene;
    if (focus.query === null && focus.key === null) return null;
    const isWhole = part.join() === trace.whole.join();
    const found = isWhole && state.region ? tileOf(this.instrument, null) : exactTile(this.instrument, scene);
    return found && contains(found.region, focus) ? found : null;
  }

  /**
   * @param {Trace} trace
   * @param {Region} part
   */
  build(trace, part) {
    this.built = [trace, part.join()];
    this.box.replaceChildren();
    const [firstQuery, lastQuery, firstKey, lastKey] = part;
    const { store } = this.instrument;
    const cross = trace.header.keys !== null;
    this.rows = [new StripRow(this.box, store, cross ? "query" : null, trace, [firstQuery, lastQuery])];
    if (cross) this.rows.push(new StripRow(this.box, store, "key", trace, [firstKey, lastKey]));
    this.parent.dataset.tokens = String(this.rows[0].buttons.length);
    const isPart = part.join() !== trace.whole.join();
    const notes = [isPart ? describeStripPart(part, cross) : "", ...notesOfTokens(trace)].filter(Boolean);
    this.note.textContent = notes.join(" ");
    this.note.hidden = !notes.length;
  }
}

/**
 * Return the part of the text that the strip shows: all of it, or what the token graph shows of a long one.
 * @param {Trace} trace
 * @param {State} state
 * @returns {Region}
 */
function partInStrip(trace, state) {
  const { whole } = trace;
  const isShort = Math.max(trace.queries.length, trace.keys.length) <= trace.header.readable;
  return isShort ? whole : shownPart(trace, state);
}

/**
 * @param {Region} part
 * @param {boolean} cross
 */
function describeStripPart([firstQuery, lastQuery, firstKey, lastKey], cross) {
  const keys = cross ? `, and keys ${firstKey} to ${lastKey}` : "";
  return `The strip shows tokens ${firstQuery} to ${lastQuery}${keys}: open another region, or lock a token elsewhere.`;
}
