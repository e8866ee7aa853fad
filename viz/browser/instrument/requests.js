// @ts-check
// What the instrument asks its host for: tiles, thumbnails, details. A host without a transport answers nothing.

import { unpack } from "../core/unpack.js";
import { writeRegion } from "./link.js";
import { tileKey } from "./trace.js";

/** @import { Shown } from "./shown.js" */
/** @import { Trace } from "./trace.js" */
/** @import { Region } from "./store.js" */

/**
 * @typedef {object} Transport
 * @property {(trace: string, path: string) => Promise<Uint8Array>} get answers a request of docs/decisions/0019
 */

/**
 * @typedef {object} Detail
 * @property {(number | null)[]} measures of the whole head, null where one is not defined
 * @property {[query: number, key: number, weight: number][]} pairs the strongest of the region
 * @property {[special: number | null, first: number | null]} [shares] of special tokens and of the first token
 */

// Milliseconds between two looks at thumbnails that are being computed.
const LOOK_MS = 700;
// Requests that the browser makes on its own at a time.
const PREFETCHED = 2;
// After a refused request, or a lost connection, the same is asked again after this time, then after twice as long.
const RETRY_MS = 3000;

export class Requests {
  /** Paths that were asked for and are not answered yet. @type {Map<string, Promise<Uint8Array | null>>} */
  waiting = new Map();
  /** Answers other than tiles, by path. @type {Map<string, any>} */
  answers = new Map();
  /** How often a request was refused, by path. @type {Map<string, number>} */
  refusals = new Map();
  timer = 0;

  /**
   * @param {Transport | null} transport
   * @param {Trace} trace
   * @param {() => void} onAnswer
   */
  constructor(transport, trace, onAnswer) {
    this.transport = trace.header.trace ? transport : null;
    this.trace = trace;
    this.onAnswer = onAnswer;
    this.ended = false;
  }

  /**
   * Return the answer to a request, null for a refused one.
   * @param {string} path
   */
  get(path) {
    if (!this.transport || this.ended) return Promise.resolve(null);
    let asked = this.waiting.get(path);
    if (!asked) {
      const { header, query } = this.trace;
      const whole = query ? `${path}${path.includes("?") ? "&" : "?"}${query}` : path;
      asked = this.transport.get(header.trace, whole).catch((error) => {
        console.warn(`Headlight: ${path}: ${error}`);
        return null;
      });
      this.waiting.set(path, asked);
      asked.finally(() => this.waiting.delete(path));
    }
    return asked;
  }

  /**
   * Return an answer if it is there; else ask for it once and inform the instrument when it has come.
   * @template T
   * @param {string} path
   * @param {(bytes: Uint8Array) => T} read
   * @returns {T | null}
   */
  answer(path, read) {
    if (this.answers.has(path)) return this.answers.get(path);
    if (this.transport && !this.waiting.has(path)) {
      this.get(path).then((bytes) => {
        this.answers.set(path, bytes && read(bytes));
        if (!bytes) this.retryLater(path);
        this.onAnswer();
      });
    }
    return null;
  }

  /** @param {string} path of a request that was refused */
  retryLater(path) {
    const refusals = this.refusals.get(path) ?? 0;
    this.refusals.set(path, refusals + 1);
    setTimeout(
      () => {
        this.answers.delete(path);
        this.onAnswer();
      },
      RETRY_MS * 2 ** refusals,
    );
  }

  /**
   * Return what the server computes of a head whose weights the browser does not have; null until it has come.
   * @param {Shown} shown
   * @param {Region | null} region
   * @returns {Detail | null}
   */
  detail(shown, region) {
    return this.answer(detailPath(shown, region), readDetail);
  }

  /**
   * Ask for a tile that the browser does not have.
   * @param {Shown} shown
   * @param {Region | null} region
   */
  needTile(shown, region) {
    const path = `tile/${tileKey(shown, region ?? this.trace.whole)}`;
    if (!this.transport || this.waiting.has(path) || this.answers.has(path)) return;
    this.get(path).then((bytes) => {
      if (!bytes) {
        this.answers.set(path, null);
        this.retryLater(path);
      } else {
        const { header, arrays } = unpack(bytes);
        this.trace.addTile(header, arrays.cells, arrays.given);
      }
      this.onAnswer();
    });
  }

  /**
   * Ask for the tiles of neighbours when the browser has nothing else to do.
   * @param {[layer: number, head: number][]} heads the most wanted first
   * @param {Region | null} region
   */
  prefetch(heads, region) {
    if (!this.transport || this.trace.weights) return;
    const idle = globalThis.requestIdleCallback ?? setTimeout;
    idle(() => {
      const missing = heads.filter((head) => !this.trace.has(head, region));
      for (const head of missing) if (this.waiting.size < PREFETCHED) this.needTile(head, region);
    });
  }

  /** Ask for thumbnails until all are computed. */
  growMaps() {
    const { header } = this.trace;
    if (!this.transport || !header.maps || this.trace.done >= this.trace.nLayers || this.timer || this.ended) return;
    this.timer = Number(
      setTimeout(async () => {
        const bytes = await this.get(`maps/${this.trace.done}`);
        this.timer = 0;
        if (!bytes || this.ended) return;
        const { header: facts, arrays } = unpack(bytes);
        const { stopped } = this.trace;
        this.trace.addMaps(facts, arrays.maps, arrays.broken);
        this.trace.stopped ||= stopped;
        this.onAnswer();
        if (!this.trace.stopped) this.growMaps();
      }, LOOK_MS),
    );
  }

  /** Stop the computation of thumbnails. */
  async stopMaps() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.trace.stopped = true;
    this.onAnswer();
    const bytes = await this.get("maps/stop");
    if (!bytes || this.ended) return;
    const { header: facts, arrays } = unpack(bytes);
    this.trace.addMaps(facts, arrays.maps, arrays.broken);
    this.onAnswer();
  }

  /** Let the server compute the other thumbnails: it goes on when it is asked for them. */
  continueMaps() {
    this.trace.stopped = false;
    this.onAnswer();
    this.growMaps();
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
  }
}

/**
 * Return the request for the measures and the strongest pairs of a head's region.
 * @param {Shown} shown
 * @param {Region | null} region
 */
export function detailPath(shown, region) {
  return `detail/${shown.join("/")}${region ? `/${writeRegion(region)}` : ""}`;
}

/**
 * @param {Uint8Array} bytes JSON, which has null for a weight that is not a number
 * @returns {Detail}
 */
function readDetail(bytes) {
  const answer = JSON.parse(new TextDecoder().decode(bytes));
  return {
    ...answer,
    pairs: answer.pairs.map((/** @type {any[]} */ [query, key, weight]) => [query, key, weight ?? Number.NaN]),
  };
}

/**
 * Return the heads that a visitor is likely to choose next: those around the selected one, the nearest first.
 * @param {{ layer: number, head: number }} selected
 * @param {number[]} heads heads of each layer
 * @returns {[layer: number, head: number][]}
 */
export function neighbours({ layer, head }, heads) {
  const distance = (/** @type {[number, number]} */ [l, h]) => Math.abs(l - layer) + Math.abs(h - head);
  /** @type {[number, number][]} */
  const all = heads.flatMap((count, l) =>
    Array.from({ length: count }, (_, h) => /** @type {[number, number]} */ ([l, h])),
  );
  return all
    .filter((each) => distance(each) > 0)
    .sort((one, other) => distance(one) - distance(other))
    .slice(0, 24);
}
