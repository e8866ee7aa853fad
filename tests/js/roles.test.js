// @ts-check
// The roles of a conversation in the browser: runs of tokens, and their colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { roleColour, roleRuns, rolesOf } from "../../viz/browser/instrument/roles.js";
import { pythonLines } from "../../viz/browser/instrument/toolbar_python.js";

/** @import { Label, Trace } from "../../viz/browser/instrument/trace.js" */

/** @type {Label[]} */
const LABELS = [
  ["<s>", true],
  ["a", false, false, "user"],
  ["b", false, false, "user"],
  ["c", false, true, "assistant"],
  ["d", false, false, "user"],
];
const STYLE = { role_colours: { light: { user: "#111111", "": "#222222" }, dark: { user: "#333333", "": "#444444" } } };

test("a run of tokens ends where the role changes, and tokens without a role are in none", () => {
  assert.deepEqual(roleRuns(LABELS), [
    [1, 3, "user"],
    [3, 4, "assistant"],
    [4, 5, "user"],
  ]);
  assert.deepEqual(roleRuns([["a", false]]), []);
});

test("the roles of a trace are named once, in the order of the text", () => {
  assert.deepEqual(rolesOf(/** @type {Trace} */ ({ queries: LABELS, keys: LABELS })), ["user", "assistant"]);
});

test("a role that is not known has the colour of all others, whatever its name", () => {
  assert.equal(roleColour("user", STYLE, false), "#111111");
  assert.equal(roleColour("constructor", STYLE, false), "#222222");
  assert.equal(roleColour("tool", STYLE, true), "#444444");
});

test("the lines of Python read a conversation as messages, not as the text of the template", () => {
  const source = {
    model: "m",
    revision: "",
    dtype: "float32",
    text: "<|user|>",
    messages: [["user", 'a"\u202e']],
    generate: 3,
  };
  /** @type {any} */
  const selection = {
    layer: 0,
    head: 0,
    first: "query",
    query: null,
    key: null,
    unit: "pieces",
    heads: "",
    region: null,
  };
  const lines = pythonLines(source, "decoder", {
    ...selection,
    threshold: 0.05,
    palette: "blues",
    scale: "linear",
    truth: true,
    special: "show",
    sink: "show",
    renormalise: false,
  });
  assert.match(
    lines,
    /model\.trace\(messages=\[\{"role": "user", "content": "a\\"\\u202e"\}\], generate=3\)\["decoder"\]/,
  );
});
