// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Requests } from "../../viz/browser/instrument/requests.js";
import { shrink } from "../../viz/browser/instrument/thumbnails.js";
import { Trace, tileKey } from "../../viz/browser/instrument/trace.js";
import { message, pack } from "./message.js";

/** @import { Region } from "../../viz/browser/instrument/store.js" */

const MAPS = { maps: [2, 2, 1, 1], block: [3, 2], done: 1 };
const LARGE = { maps: Uint8Array.of(7, 9), broken: Uint8Array.of(0, 1) };

/**
 * @param {number} layer
 * @param {number} head
 * @param {Region} region
 * @param {number[]} cells
 */
function tileBytes(layer, head, region, cells) {
  const shape = [region[1] - region[0] + 1, region[3] - region[2] + 1];
  return pack(
    { shown: [layer, head], region, block: [1, 1], shape },
    { cells: Float32Array.from(cells), given: new Float32Array(shape[0]) },
  );
}

/**
 * A transport whose answers a test gives.
 * @param {Record<string, Uint8Array>} answers
 */
function transport(answers) {
  /** @type {string[]} */
  const asked = [];
  return {
    asked,
    get: async (/** @type {string} */ trace, /** @type {string} */ path) => {
      asked.push(`${trace}/${path}`);
      if (!(path in answers)) throw new Error("refused");
      return answers[path];
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test("a small trace cuts every tile from its weights, without a request", () => {
  const trace = new Trace(message());
  const whole = trace.tile([0, 1], null);
  assert.deepEqual(Array.from(whole?.cells ?? []), [0.25, 0.25, 0.5, -0.5, Number.NaN, 0.125]);
  const part = trace.tile([1, 0], [1, 2, 1, 1]);
  assert.deepEqual(Array.from(part?.cells ?? []), [-1, 0.25]);
  // The sums are over all keys of the text; masked pairs do not count.
  assert.deepEqual(Array.from(part?.given ?? []), [1, Number.NaN]);
  assert.equal(trace.isBroken(0, 0), true);
  assert.equal(trace.done, 2);
});

test("a thumbnail is the largest weight of each block; masked and broken cells stay apart", () => {
  const style = { strongest: 254, masked: 255, floor: 1e-4 };
  const cells = Float32Array.from({ length: 96 * 2 }, (_, place) => (place % 2 ? -1 : place / 192));
  const {
    rows,
    columns,
    cells: found,
  } = shrink({ region: [0, 95, 0, 1], block: [1, 1], shape: [96, 2], cells, given: cells }, style);
  assert.deepEqual([rows, columns], [48, 2]);
  for (let row = 0; row < 48; row++) {
    assert.equal(found[2 * row], Math.round(254 * Math.sqrt(((2 * row + 1) * 2) / 192)));
    assert.equal(found[2 * row + 1], 255);
  }
});

test("the tiles that were used last stay when the browser has too many", () => {
  const trace = new Trace(message(MAPS, LARGE));
  const add = (/** @type {number} */ head, /** @type {number} */ size) =>
    trace.addTile(
      { shown: [0, head], region: [0, 2, 0, 1], block: [1, 1], shape: [3, 2] },
      new Float32Array(size),
      new Float32Array(),
    );
  add(0, 6e6);
  add(1, 6e6);
  assert.ok(trace.tile([0, 0], null));
  add(2, 6e6);
  assert.deepEqual(
    [0, 1, 2].map((head) => trace.has([0, head], null)),
    [true, false, true],
  );
});

test("a missing tile is asked for once, and shown when it has come", async () => {
  const region = /** @type {Region} */ ([0, 2, 0, 1]);
  const server = transport({ [`tile/${tileKey([0, 1], region)}`]: tileBytes(0, 1, region, [1, 2, 3, 4, 5, 6]) });
  const trace = new Trace(message(MAPS, LARGE));
  let answers = 0;
  const requests = new Requests(server, trace, () => answers++);
  assert.equal(trace.tile([0, 1], null), null);
  requests.needTile([0, 1], null);
  requests.needTile([0, 1], null);
  await settled();
  assert.deepEqual(server.asked, ["name/tile/0/1/0-2:0-1"]);
  assert.equal(answers, 1);
  assert.deepEqual(Array.from(trace.tile([0, 1], null)?.cells ?? []), [1, 2, 3, 4, 5, 6]);
});

test("a refused request is not repeated at once, and the instrument is informed", async (context) => {
  context.mock.method(console, "warn", () => {});
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const server = transport({});
  let answers = 0;
  const requests = new Requests(server, new Trace(message(MAPS, LARGE)), () => answers++);
  requests.needTile([0, 0], null);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  requests.needTile([0, 0], null);
  assert.deepEqual([server.asked.length, answers], [1, 1]);
  context.mock.timers.tick(3000);
  requests.needTile([0, 0], null);
  assert.equal(server.asked.length, 2);
});

test("a file has no server, and asks none", async () => {
  const server = transport({});
  const requests = new Requests(server, new Trace(message({ ...MAPS, trace: "" }, LARGE)), () => assert.fail());
  requests.needTile([0, 0], null);
  assert.equal(requests.detail([0, 0], null), null);
  await settled();
  assert.deepEqual(server.asked, []);
});

test("an answer comes once, and is read once", async () => {
  const json = new TextEncoder().encode('{"measures": [1, null], "pairs": [[2, 1, null]]}');
  const server = transport({ "detail/1/0/0-1:0-1": json });
  const requests = new Requests(server, new Trace(message(MAPS, LARGE)), () => {});
  assert.equal(requests.detail([1, 0], [0, 1, 0, 1]), null);
  await settled();
  const found = requests.detail([1, 0], [0, 1, 0, 1]);
  assert.deepEqual(found, { measures: [1, null], pairs: [[2, 1, Number.NaN]] });
  assert.equal(requests.detail([1, 0], [0, 1, 0, 1]), found);
  assert.equal(server.asked.length, 1);
});

test("thumbnails of further layers join those that came before", () => {
  const trace = new Trace(message(MAPS, LARGE));
  assert.equal(trace.thumbnail(1, 0), null);
  assert.equal(trace.isBroken(0, 1), true);
  trace.addMaps({ first: 1, done: 2, stopped: false, seconds: null }, Uint8Array.of(3, 255), Uint8Array.of(0, 0));
  assert.deepEqual(Array.from(trace.maps), [7, 9, 3, 255]);
  assert.deepEqual(Array.from(trace.thumbnail(1, 0)?.cells ?? []), [3]);
  assert.equal(trace.done, 2);
});
