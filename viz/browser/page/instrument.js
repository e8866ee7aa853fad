// @ts-check
// The instrument on the page: tiles come from a route of the server, and the selection goes to the server and the URL.

import { endPicture, pictureIn } from "../core/component.js";
import { globals } from "../core/globals.js";
import { Instrument } from "../instrument/index.js";
import { addressBar } from "./address_bar.js";

/** @import { State } from "../instrument/store.js" */
/** @import { Trace } from "../instrument/trace.js" */

/**
 * @typedef {object} Mounted what Streamlit gives to a component, and the address of the server
 * @property {Uint8Array} data
 * @property {HTMLElement} parentElement
 * @property {(name: string, value: unknown) => void} setStateValue
 * @property {string} server
 */

/** @typedef {{ state: State, number: number, chosen: number, opened: string, published: number,
 *   trace: Trace | undefined, leftHead: number | null }} Remembered */

// The server needs the selection for exports alone, so it hears of it when the visitor pauses.
const PAUSE_MS = 300;

/** @param {Mounted} mounted */
export default function mount({ data, parentElement, setStateValue, server }) {
  const host = /** @type {HTMLElement & { headlightReport?: Report }} */ (parentElement);
  const instrument = pictureIn(parentElement, Instrument);
  if (!host.headlightReport) {
    restore(instrument, globals.headlightSelected);
    host.headlightReport = new Report(instrument);
    instrument.host = { transport: { get: (trace, path) => ask(`${server}instrument/${trace}/${path}`) } };
    instrument.host.onSelection = (text, number) => host.headlightReport?.select(text, number);
  }
  host.headlightReport.send = (value) => setStateValue("selection", value);
  instrument.show(data);
  host.headlightReport.follow();
  return () => {
    host.headlightReport?.end();
    delete host.headlightReport;
    endPicture(parentElement);
  };
}

/** @param {string} url */
async function ask(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/**
 * Go on with what an earlier instrument of this tab showed: Streamlit may remove a component and bring it back.
 * @param {Instrument} instrument
 * @param {Remembered | undefined} remembered
 */
function restore(instrument, remembered) {
  if (!remembered) return;
  instrument.store.state = remembered.state;
  instrument.store.number = remembered.number;
  instrument.store.chosen = remembered.chosen;
  instrument.opened = remembered.opened;
  instrument.published = remembered.published;
  // Another text keeps a locked token only if it is the same token.
  instrument.trace = remembered.trace;
  instrument.leftHead = remembered.leftHead;
}

/** Tells the server and the URL what is selected. */
class Report {
  /** @type {(value: { text: string, number: number }) => void} */
  send = () => {};
  /** The selection that the server has not heard of. @type {{ text: string, number: number } | null} */
  waiting = null;
  timer = 0;

  /** @param {Instrument} instrument */
  constructor(instrument) {
    this.instrument = instrument;
    // What a visitor does elsewhere on the page, such as opening the export, must know the selection.
    this.flushOutside = (/** @type {Event} */ event) => {
      if (!event.composedPath().includes(instrument.root)) this.flush();
    };
    for (const name of ["pointerdown", "keydown"]) window.addEventListener(name, this.flushOutside, true);
    // Else the server would take the selection for a later choice than Back.
    addressBar().beforeGoing = () => this.flush();
  }

  /**
   * @param {string} text
   * @param {number} number
   */
  select(text, number) {
    this.waiting = { text, number };
    clearTimeout(this.timer);
    this.timer = Number(setTimeout(() => this.flush(), PAUSE_MS));
    this.follow();
  }

  /** Write the selection into the URL, and keep it for the next instrument of this tab. */
  follow() {
    const { store, opened, published, trace, leftHead } = this.instrument;
    const { state, number, chosen } = store;
    globals.headlightSelected = { state, number, chosen, opened, published, trace, leftHead };
    addressBar().select(this.instrument.text, store.number);
  }

  flush() {
    clearTimeout(this.timer);
    if (this.waiting) this.send(this.waiting);
    this.waiting = null;
  }

  end() {
    this.flush();
    addressBar().beforeGoing = () => {};
    for (const name of ["pointerdown", "keydown"]) window.removeEventListener(name, this.flushOutside, true);
  }
}
