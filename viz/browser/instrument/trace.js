// @ts-check
// The data of a trace in the browser: tokens, weights, tiles and thumbnails, from the bytes of viz/wire/instrument.py.

import { unpack } from "../core/unpack.js";
import { expandHeads } from "./head_set.js";
import { writeRegion } from "./link.js";
import { joined, shrink, THUMBNAIL } from "./thumbnails.js";

/** @import { Shown } from "./shown.js" */
/** @import { Region } from "./store.js" */
/** @import { Style } from "./token_graph_words.js" */
/** @typedef {[text: string, special: boolean, generated?: boolean, role?: string]} Label special tokens are those that the
 * tokenizer added, generated ones those that the model itself wrote; the role is that of the message in a conversation */
/** @typedef {{ labels: Label[], starts: number[] }} Words of a side, each with the position of its first piece */

/**
 * @typedef {object} Tile the cells of one head's region
 * @property {Region} region
 * @property {[high: number, wide: number]} block queries and keys of a cell
 * @property {[rows: number, columns: number]} shape
 * @property {Float32Array} cells -1 where masked, NaN where a weight is not a number
 * @property {Float32Array} given what each query gives to all keys of the text; empty where a cell is a block
 */

/** @typedef {{ rows: number, columns: number, cells: Uint8Array }} Thumbnail a colour number for each cell */

/**
 * @typedef {object} Header described in docs/decisions/0019 and viz/wire/instrument.py
 * @property {string} title
 * @property {string} trace
 * @property {string} [view] what was changed of the trace (view.js), in a file that has no weights of the trace itself
 * @property {{ id: string, selection: string, after: number }} opening
 * @property {string[]} parts
 * @property {string} kind
 * @property {string} method "attention", or how the maps were made of it (analysis/maps)
 * @property {Record<string, any>} source
 * @property {import("./changes.js").Changed} [changed] of a changed model, its heads and the struck tokens
 * @property {number[]} heads heads of each layer
 * @property {Label[]} queries
 * @property {Label[] | null} keys null if they are the same tokens
 * @property {number} begins where the text begins that was read after a picture, 0 without one
 * @property {[number[], number[]]} cuts positions of each side before which another text begins
 * @property {{ queries: Words, keys: Words | null } | null} words null if every piece is a word; keys null if they are the
 *   same tokens
 * @property {[first: number, last: number][][] | null} spans positions of the two texts of a pair, on each side
 * @property {number[][]} groups for each layer the number of the key head of each head; empty if each has its own
 * @property {[layer: number, head: number][][]} [numbers] what the model calls the heads of each layer, if not by their places
 * @property {[query: number, key: number][] | null} truth
 * @property {(number | null)[] | null} scores
 * @property {Record<string, { line: string, masked: string }>} palettes
 * @property {{ threshold: number, scale: string, palette: string, scales: string[], bad: string,
 *   truth: string }} defaults
 * @property {Style & import("./scales.js").ScaleStyle & { combined: Record<string, string>, masked: number, selected: string, head: string, place: string, places: string, here: string,
 *   pair: Record<"sentence" | "others" | "alone" | "masked" | "bad" | "to" | "from", string>, verb: string,
 *   most: Record<string, string>, axes: Record<string, string>, everything: string, figures: string, whole: [one: string,
 *   several: string], scales: Record<string, string> }} style
 * @property {number} readable cells of a side of an exact tile
 * @property {any[]} tiles
 * @property {{ trace: string, label: string }[]} sentences the texts over which heads are ranked; empty for one text
 * @property {[name: string, title: string, meaning: string, unit: string][]} measures their values are in the arrays of a small trace
 * @property {[layers: number, heads: number, rows: number, columns: number]} [maps]
 * @property {[high: number, wide: number]} [block]
 * @property {number} [done]
 */

// Bytes of the tiles that a browser keeps.
const MOST_TILE_BYTES = 64e6;

export class Trace {
  /** Tiles by layer, head and region, the latest used one last. @type {Map<string, Tile>} */
  tiles = new Map();
  /** @type {Map<number, Thumbnail>} */
  thumbnails = new Map();
  /** Whether the visitor has stopped the computation of thumbnails. */
  stopped = false;
  /** Seconds until all thumbnails are computed, if that is known. @type {number | null} */
  secondsLeft = null;

  /** What the server has to change for requests of this trace (view.js). */
  query = "";

  /** @param {Uint8Array | { header: Header, arrays: Record<string, any> }} message */
  constructor(message) {
    const { header, arrays } = message instanceof Uint8Array ? unpack(message) : message;
    this.header = /** @type {Header} */ (header);
    this.queries = this.header.queries;
    this.keys = this.header.keys ?? this.queries;
    this.heads = this.header.heads;
    this.nLayers = this.heads.length;
    this.nHeads = Math.max(...this.heads);
    /** All weights, if the trace is small. @type {Float32Array | null} */
    this.weights = arrays.weights ?? null;
    /** @type {Float32Array | null} */
    this.measures = arrays.measures ?? null;
    /** @type {Uint8Array} */
    this.colours = arrays.colours;
    /** Thumbnails of the layers that are computed. @type {Uint8Array} */
    this.maps = arrays.maps ?? new Uint8Array();
    /** 1 for a head with a weight that is not a number. @type {Uint8Array} */
    this.broken = arrays.broken ?? new Uint8Array();
    this.header.tiles.forEach((facts, number) => {
      this.addTile(facts, arrays[`cells${number}`], arrays[`given${number}`]);
    });
  }

  /** Number of layers whose thumbnails are known. */
  get done() {
    return this.weights ? this.nLayers : (this.header.done ?? 0);
  }

  /** @type {Region} */
  get whole() {
    return [0, this.queries.length - 1, 0, this.keys.length - 1];
  }

  /**
   * Return the tile of a head's region, or of one map of several heads; null if the browser does not have it.
   * @param {Shown} shown
   * @param {Region | null} region
   * @returns {Tile | null}
   */
  tile(shown, region) {
    const key = tileKey(shown, region ?? this.whole);
    const found = this.tiles.get(key) ?? (this.weights ? this.cut(shown, region ?? this.whole) : null);
    if (found) {
      this.tiles.delete(key);
      this.tiles.set(key, found);
    }
    return found;
  }

  /**
   * Add a tile that the server has sent.
   * @param {{ shown: Shown, region: Region, block: [number, number], shape: [number, number] }} facts
   * @param {Float32Array} cells
   * @param {Float32Array} given
   */
  addTile({ shown, region, block, shape }, cells, given) {
    this.tiles.set(tileKey(shown, region), { region, block, shape, cells, given });
    let bytes = 0;
    for (const tile of this.tiles.values()) bytes += tile.cells.byteLength;
    for (const [key, tile] of this.tiles) {
      if (bytes <= MOST_TILE_BYTES || this.tiles.size === 1) break;
      this.tiles.delete(key);
      bytes -= tile.cells.byteLength;
    }
  }

  /**
   * Return whether the browser has a tile.
   * @param {Shown} shown
   * @param {Region | null} region
   */
  has(shown, region) {
    return Boolean(this.weights) || this.tiles.has(tileKey(shown, region ?? this.whole));
  }

  /**
   * Add the thumbnails of further layers.
   * @param {{ first: number, done: number, stopped: boolean, seconds: number | null }} facts
   * @param {Uint8Array} maps
   * @param {Uint8Array} broken
   */
  addMaps({ first, done, stopped, seconds }, maps, broken) {
    const known = first * this.nHeads;
    const cells = this.header.maps ? this.header.maps[2] * this.header.maps[3] : 0;
    this.maps = joined(this.maps.subarray(0, known * cells), maps);
    this.broken = joined(this.broken.subarray(0, known), broken);
    this.header.done = done;
    this.stopped = stopped;
    this.secondsLeft = seconds;
  }

  /**
   * Return the tile of a small trace.
   * @param {Shown} shown
   * @param {Region} region
   * @returns {Tile}
   */
  cut(shown, region) {
    const [firstQuery, lastQuery, firstKey, lastKey] = region;
    const rows = lastQuery - firstQuery + 1;
    const columns = lastKey - firstKey + 1;
    const cells = new Float32Array(rows * columns);
    const given = new Float32Array(rows);
    const all = typeof shown[0] === "number" ? this.headWeights(shown[0], Number(shown[1])) : this.combine(shown);
    for (let row = 0; row < rows; row++) {
      const start = (firstQuery + row) * this.keys.length;
      cells.set(all.subarray(start + firstKey, start + lastKey + 1), row * columns);
      let sum = 0;
      for (let key = 0; key < this.keys.length; key++) if (all[start + key] !== -1) sum += all[start + key];
      given[row] = sum;
    }
    return { region, block: [1, 1], shape: [rows, columns], cells, given };
  }

  /**
   * Return the weights of a head of a small trace, `[query, key]`.
   * @param {number} layer
   * @param {number} head
   */
  headWeights(layer, head) {
    const size = this.queries.length * this.keys.length;
    const start = (layer * this.nHeads + head) * size;
    return /** @type {Float32Array} */ (this.weights).subarray(start, start + size);
  }

  /**
   * Return the mean or the maximum of several heads of a small trace, `[query, key]`. A pair is masked where no head may
   * attend, and not a number where one of them is not.
   * @param {Shown} shown
   */
  combine([how, heads]) {
    const chosen = expandHeads(String(heads), this.heads);
    const found = new Float32Array(this.queries.length * this.keys.length);
    const all = chosen.map((place) => this.headWeights(...place));
    for (let pair = 0; pair < found.length; pair++) {
      let [value, masked] = [0, true];
      for (const weights of all) {
        const weight = weights[pair];
        if (weight === -1) continue;
        masked = false;
        value = how === "mean" ? value + weight : Math.max(value, weight);
      }
      found[pair] = masked ? -1 : how === "mean" ? value / chosen.length : value;
    }
    return found;
  }

  /**
   * Return a head's thumbnail, null if it is not computed yet.
   * @param {number} layer
   * @param {number} head
   * @returns {Thumbnail | null}
   */
  thumbnail(layer, head) {
    const number = layer * this.nHeads + head;
    let found = this.thumbnails.get(number);
    if (!found && layer < this.done) {
      found = this.weights
        ? shrink(this.cut([layer, head], this.whole), this.header.style)
        : this.sentThumbnail(number);
      this.thumbnails.set(number, found);
    }
    return found ?? null;
  }

  /** @param {number} number */
  sentThumbnail(number) {
    const [, , rows, columns] = /** @type {[number, number, number, number]} */ (this.header.maps);
    return { rows, columns, cells: this.maps.subarray(number * rows * columns, (number + 1) * rows * columns) };
  }

  /**
   * Return whether a head has a weight that is not a number.
   * @param {number} layer
   * @param {number} head
   */
  isBroken(layer, head) {
    if (this.weights) return this.headWeights(layer, head).some(Number.isNaN);
    return this.broken[layer * this.nHeads + head] === 1;
  }

  /** Return the queries and keys of a cell of the thumbnails. */
  get block() {
    const sides = [this.queries.length, this.keys.length];
    return this.header.block ?? sides.map((count) => Math.ceil(count / THUMBNAIL));
  }
}

/**
 * @param {Shown} shown
 * @param {Region} region
 */
export function tileKey(shown, region) {
  return `${shown.join("/")}/${writeRegion(region)}`;
}
