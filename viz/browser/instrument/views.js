// @ts-check
// The views of one trace that the browser has: each with what it requests. Views of a trace whose weights are all here
// are computed here; the server sends the others.

import { Requests } from "./requests.js";
import { Trace } from "./trace.js";
import { deriveView, viewQuery } from "./view.js";

/** @import { Transport } from "./requests.js" */
/** @import { State } from "./store.js" */
/** @typedef {{ trace: Trace, requests: Requests }} View */

export class Views {
  /** By `viewQuery`. @type {Map<string, View>} */
  views = new Map();

  /**
   * @param {Trace} base the trace of the message
   * @param {Transport | null} transport
   * @param {() => void} onAnswer
   */
  constructor(base, transport, onAnswer) {
    this.transport = transport;
    this.onAnswer = onAnswer;
    this.base = this.add(base.header.view ?? "", base);
  }

  /**
   * @param {string} query
   * @param {Trace} trace
   * @returns {View}
   */
  add(query, trace) {
    trace.query = query;
    const view = { trace, requests: new Requests(this.transport, trace, this.onAnswer) };
    this.views.set(query, view);
    view.requests.growMaps();
    return view;
  }

  /**
   * Return the view that a selection shows, null until the server has sent it.
   * @param {State} state
   * @returns {View | null}
   */
  of(state) {
    const query = viewQuery(state);
    const known = this.views.get(query);
    if (known) return known;
    const { trace, requests } = this.base;
    if (trace.weights) return this.add(query, deriveView(trace, state));
    const bytes = requests.answer(`view?${query}`, (answer) => answer);
    return bytes && this.add(query, this.read(bytes));
  }

  /**
   * Return the trace of a view that the server has sent; what it opens and where it comes from stay.
   * @param {Uint8Array} bytes
   */
  read(bytes) {
    const trace = new Trace(bytes);
    const { opening, parts, sentences, source, defaults } = this.base.trace.header;
    trace.header = { ...trace.header, opening, parts, sentences, source, defaults };
    return trace;
  }

  /**
   * Return whether a view cannot be had: the server refuses it, or there is no server to ask.
   * @param {State} state
   */
  lacks(state) {
    const query = viewQuery(state);
    const { trace, requests } = this.base;
    if (this.views.has(query) || trace.weights) return false;
    return !requests.transport || requests.answers.has(`view?${query}`);
  }

  end() {
    for (const { requests } of this.views.values()) requests.end();
  }
}
