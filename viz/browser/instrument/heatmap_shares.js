// @ts-check
// How much of the attention special tokens and the first token get, and what happened to the rows.

import { HIDDEN, isCombined, shownHead } from "./shown.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { State } from "./store.js" */
/** @import { Label, Tile } from "./trace.js" */

/** @typedef {[special: number | null, first: number | null]} Shares from 0 to 1; null where there is no such token */

const RENORMALISED = "Each row is divided by what is left of it.";
const NOT_RENORMALISED = "Rows are not renormalised: they sum to less than 1.";

/**
 * Return the shares of special tokens and of the first token, as the mean of all rows that are not hidden.
 * @param {Tile} tile of whole rows, of the attention before tokens are hidden
 * @param {Label[]} keys
 * @param {Uint8Array} shade of the queries: hidden ones are no rows
 * @returns {Shares} NaN where a weight is not a number
 */
export function sharesOf({ cells, shape: [high, wide] }, keys, shade) {
  let [special, sink, count] = [0, 0, 0];
  for (let query = 0; query < high; query++) {
    if (shade[query] === HIDDEN) continue;
    let [ofSpecial, total] = [0, 0];
    for (let key = 0; key < wide; key++) {
      const weight = cells[query * wide + key];
      if (weight === -1) continue;
      total += weight;
      if (keys[key][1]) ofSpecial += weight;
    }
    if (total === 0) continue; // A row whose pairs are all masked has no attention to share.
    special += ofSpecial / total;
    sink += Math.max(0, cells[query * wide]) / total;
    count++;
  }
  const mean = (/** @type {number} */ sum) => (count ? sum / count : Number.NaN);
  return [keys.some(([, isSpecial]) => isSpecial) ? mean(special) : null, mean(sink)];
}

/**
 * Return the sentence about the shares, "" if nothing is known.
 * @param {Shares | null} shares
 * @param {string} whose what they are shares of
 */
export function shareSentence(shares, whose) {
  if (!shares) return "";
  const parts = ["special tokens", "the first token"]
    .map((name, at) => ({ name, share: shares[at] }))
    .filter(({ share }) => share !== null && !Number.isNaN(share))
    .map(({ name, share }, at) => {
      const verb = name.endsWith("s") ? "get" : "gets";
      return `${name} ${verb} ${(100 * Number(share)).toFixed(1)}%${at ? "" : ` of ${whose}`}`;
    });
  const text = parts.join(", ");
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/**
 * Return what is said of the rows while tokens are hidden.
 * @param {Pick<State, "special" | "sink" | "renormalise">} state
 */
export function rowSentence({ special, sink, renormalise }) {
  if (special !== "hide" && sink !== "hide") return "";
  return renormalise ? RENORMALISED : NOT_RENORMALISED;
}

export class SharesOfHead {
  /** What the shares were computed of, and the shares. @type {[made: unknown[], shares: Shares | null]} */
  made = [[], null];

  /** @param {Instrument} instrument */
  constructor(instrument) {
    this.instrument = instrument;
  }

  /**
   * Return the shares of what is shown, computed here if all weights are; else the server's, null until they have come.
   * @param {Scene} scene
   * @returns {Shares | null}
   */
  of({ trace, state, shade }) {
    const { base, views, requests } = this.instrument;
    if (!base?.weights) {
      const found = requests?.detail(shownHead(state), state.region)?.shares ?? null;
      // The server's share is 0 where there is no special token at all.
      return found && [trace.keys.some(([, isSpecial]) => isSpecial) ? found[0] : null, found[1]];
    }
    const made = [trace, shade, shownHead(state).join()];
    if (made.every((each, at) => each === this.made[0][at])) return this.made[1];
    const plain = views?.of({ ...state, special: "show", sink: "show", renormalise: false })?.trace;
    const tile = plain?.tile(shownHead(state), null);
    this.made = [made, plain && tile ? sharesOf(tile, plain.keys, shade.query) : null];
    return this.made[1];
  }

  /** @param {Scene} scene */
  describe(scene) {
    const [one, several] = scene.trace.header.style.whole;
    const whose = isCombined(scene.state) ? several : one;
    return `${shareSentence(this.of(scene), whose)} ${rowSentence(scene.state)}`.trim();
  }
}
