// @ts-check
// The part of a head that single tokens are shown of: the whole region, or a readable part of it where it is long.

import { shownHead } from "./shown.js";

/** @import { Instrument, Scene } from "./index.js" */
/** @import { Region, State } from "./store.js" */
/** @import { Tile, Trace } from "./trace.js" */
/** @typedef {{ query: number | null, key: number | null }} Locked */

/** The region and the part of it that was shown last. @type {WeakMap<Trace, { region: string, part: Region }>} */
const lastParts = new WeakMap();

/**
 * Return at most `readable` queries and keys of a region: its beginning, or those around a locked token, as
 * `Region.readable_part` in analysis/selection.py. In a long region with a picture, the part of a token after the picture begins there. In self-attention both sides move to the token, because neighbours
 * attend to each other; with a locked pair, each side moves to its own.
 * @param {Region} region
 * @param {Locked} locked
 * @param {{ readable: number, cross: boolean, begins?: number }} limits
 * @returns {Region}
 */
export function readablePart(
  [firstQuery, lastQuery, firstKey, lastKey],
  { query, key },
  { readable, cross, begins = 0 },
) {
  const side = (/** @type {number} */ first, /** @type {number} */ last, /** @type {number | null} */ locked) => {
    const hasPicture = last - first >= readable && begins > first && begins <= last;
    const least = hasPicture && (locked ?? begins) >= begins ? begins : first;
    const wanted = (locked ?? least) - Math.floor(readable / 2);
    const start = Math.max(least, Math.min(wanted, last + 1 - readable));
    return [start, Math.min(start + readable - 1, last)];
  };
  const queries = side(firstQuery, lastQuery, query ?? (cross ? null : key));
  const keys = side(firstKey, lastKey, key ?? (cross ? null : query));
  return /** @type {Region} */ ([...queries, ...keys]);
}

/**
 * Return the part of the selected region whose tokens are shown. It moves only when a token outside of it is locked:
 * else the tokens would move away below the pointer that locks one.
 * @param {Trace} trace
 * @param {State} state
 * @returns {Region}
 */
export function shownPart(trace, state) {
  const region = state.region ?? trace.whole;
  const last = lastParts.get(trace);
  if (last?.region === region.join() && contains(last.part, state)) return last.part;
  const limits = { readable: trace.header.readable, cross: trace.header.kind === "cross", begins: trace.header.begins };
  const part = readablePart(region, state, limits);
  lastParts.set(trace, { region: region.join(), part });
  return part;
}

/**
 * Return whether a region has the positions that are not null.
 * @param {Region} region
 * @param {Locked} positions
 */
export function contains([firstQuery, lastQuery, firstKey, lastKey], { query, key }) {
  return (
    (query === null || (query >= firstQuery && query <= lastQuery)) &&
    (key === null || (key >= firstKey && key <= lastKey))
  );
}

/**
 * Return whether every cell of a tile is one pair.
 * @param {Tile} tile
 */
export function isExact({ block: [high, wide] }) {
  return high === 1 && wide === 1;
}

/**
 * Return the exact tile of the part that is shown, null until it has come.
 * @param {Instrument} instrument
 * @param {Scene} scene
 * @returns {Tile | null}
 */
export function exactTile(instrument, { trace, state, tile }) {
  if (tile && isExact(tile)) return tile;
  const part = shownPart(trace, state);
  if (part.join() === (state.region ?? trace.whole).join()) return null; // The instrument has asked for it.
  return tileOf(instrument, part);
}

/**
 * Return a tile of the selected head, null until it has come.
 * @param {Instrument} instrument
 * @param {Region | null} region
 * @returns {Tile | null}
 */
export function tileOf({ trace, requests, store }, region) {
  const shown = shownHead(store.state);
  const found = trace?.tile(shown, region) ?? null;
  if (!found) requests?.needTile(shown, region);
  return found;
}
