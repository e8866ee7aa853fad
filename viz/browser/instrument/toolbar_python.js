// @ts-check
// The lines of Python that rebuild what the instrument shows, with the public names of `headlight`.

import { writeRegion } from "./link.js";
import { isCombined } from "./shown.js";

/** @import { Selection } from "./store.js" */

// The defaults of viz.DrawOptions: an option that has its default is not written.
const DRAW_DEFAULTS = {
  threshold: 0.05,
  palette: "blues",
  scale: "linear",
  truth: true,
  special: "show",
  sink: "show",
  renormalise: false,
};
// The default of `load_model`.
const USUAL_DTYPE = "float32";
// How a `Source` says that its weights existed already.
const GIVEN = "given";
// What is shown of a trace, if it is not a map that is made of it.
const AS_TRACED = "attention";
// How far the changes of a model moved each weight (analysis/causes).
const DIFFERENCE = "difference";

/**
 * Return the lines that rebuild a view.
 * @param {Record<string, any>} source the `Source` of the trace; `load` is the name that `load_model` takes, if it is
 *   another than the model's, and `file` the file from which the trace was loaded, if it was; `show` is the method by
 *   which the map was made of it, and `goal` what a gradient is of
 * @param {string} kind of attention
 * @param {Selection} selection with the palette in use
 * @param {string} [method] by which the map was made, where it is not one of `analysis.derive`
 */
export function pythonLines(source, kind, selection, method = AS_TRACED) {
  const { layer, head, first, query, key, unit, heads } = selection;
  const options = writeOptions(selection);
  const words = unit === "words" && { unit: pythonText(unit) };
  const combined = isCombined(selection);
  const several = heads && { heads: pythonText(heads), ...(combined && { combine: pythonText(selection.combine) }) };
  const drawn = options && { options: "options" };
  const place = { layer: String(layer), head: String(head) };
  const region = selection.region && { region: pythonText(writeRegion(selection.region)) };
  const isolated = selection[first];
  const token = isolated !== null && { token: pythonText(`${first}:${isolated}`) };
  const isPair = query !== null && key !== null;
  const lines = traceLines(source, kind, isPair, method === DIFFERENCE && !source.file);
  if (options) lines.push(`options = viz.DrawOptions(${options})`);
  lines.push(
    `heatmap = viz.heatmap(${writeArguments(["att"], { ...place, ...words, ...(combined && several), ...region, ...drawn })})`,
  );
  lines.push(
    `flow = viz.flow(${writeArguments(["att"], { ...place, ...words, ...several, ...token, ...region, ...drawn })})`,
  );
  const counted = unit === "words" ? "att.words()" : "att";
  if (isPair) lines.push(`heads = analysis.heads_for_pair(${counted}, ${query}, ${key})`);
  return `${lines.join("\n")}\n`;
}

/**
 * Return the lines that import what the others use, and make the attention: from its file, or by its model.
 * @param {Record<string, any>} source
 * @param {string} kind
 * @param {boolean} isPair whether a line ranks the heads of a pair
 * @param {boolean} compares whether the map is how far the changes moved each weight
 */
function traceLines(source, kind, isPair, compares) {
  // Weights that no model of ours captured can only come from a file.
  const file = source.file || (source.capture === GIVEN && "trace.npz");
  const derives = (source.show ?? AS_TRACED) !== AS_TRACED;
  const names = [file && "AttentionTrace", (isPair || derives || compares) && "analysis", !file && "load_model", "viz"];
  const imports = `from headlight import ${names.filter(Boolean).join(", ")}`;
  if (file) {
    const loaded = `att = AttentionTrace.load(${pythonText(file)})[${pythonText(kind)}]`;
    return [imports, "", loaded, ...(derives ? [deriveLine(source, {})] : [])];
  }
  const [texts, named] = traceArguments(source);
  const load = `model = load_model(${writeArguments([pythonText(loadName(source))], loadOptions(source))})`;
  if (derives) {
    const inputs = [...texts.map((text) => ["text", text]), ...Object.entries(named)];
    return [
      imports,
      ...(source.image ? ["from PIL import Image"] : []),
      "",
      load,
      `inputs = {${inputs.map(([name, value]) => `${pythonText(name)}: ${value}`).join(", ")}}`,
      `att = model.trace(**inputs)[${pythonText(kind)}]`,
      deriveLine(source, { model: "model", inputs: "inputs" }),
    ];
  }
  const traced = (/** @type {Record<string, string>} */ given) =>
    `model.trace(${writeArguments(texts, given)})[${pythonText(kind)}]`;
  const { ablate, mask_tokens, ...same } = named;
  return [
    imports,
    ...(source.image ? ["from PIL import Image"] : []),
    "",
    load,
    ...(compares
      ? [`before = ${traced(same)}`, `after = ${traced(named)}`, "att = analysis.difference(before, after)"]
      : [`att = ${traced(named)}`]),
  ];
}

/**
 * Return the line that makes the map of an attention.
 * @param {Record<string, any>} source
 * @param {Record<string, string>} read the model and what it read, of a trace that it made
 */
function deriveLine({ show, goal, normalise }, read) {
  const named = {
    ...read,
    ...(goal && { target: pythonText(goal) }),
    ...(normalise === false && { normalise: "False" }),
  };
  return `att = analysis.derive(${writeArguments([pythonText(show), "att"], named)})`;
}

/** @param {Record<string, any>} source */
function loadName(source) {
  return source.load || source.model;
}

/**
 * Return what `load_model` needs beside the name. A checksum of local weights is no revision of the hub.
 * @param {Record<string, any>} source
 */
function loadOptions(source) {
  const { revision, dtype, model } = source;
  /** @type {Record<string, string>} */
  const named = {};
  if (/^[0-9a-f]{40}$/.test(revision) && loadName(source) === model) named.revision = pythonText(revision);
  if (dtype !== USUAL_DTYPE) named.dtype = pythonText(dtype);
  return named;
}

/**
 * Return what `trace` needs, the text as it was given: as words, or as token ids. A target that the model generated
 * itself is generated again.
 * @param {Record<string, any>} source
 * @returns {[texts: string[], named: Record<string, string>]}
 */
function traceArguments(source) {
  if (source.audio) return [[], { audio: '"sound.wav"', ...namedArguments(source) }];
  const { text, words, ids, image, messages } = source;
  const named = namedArguments(source);
  if (image && !text) return [[], { image: 'Image.open("picture.png")', ...writeChanges(source) }];
  if (image) named.image = 'Image.open("picture.png")';
  if (messages) return [[], { messages: pythonMessages(messages), ...named }];
  return [[pythonValue(ids ?? words ?? text)], named];
}

/**
 * What goes with the text, as Python writes it.
 *
 * @param {Record<string, any>} source
 * @returns {Record<string, string>}
 */
function namedArguments(source) {
  const { text_pair: pair, words_pair: pairWords, generate } = source;
  /** @type {Record<string, string>} */
  const named = {};
  if (pair !== null && pair !== undefined) named.text_pair = pythonValue(pairWords ?? pair);
  for (const name of ["target", "src_lang", "tgt_lang"]) {
    if (source[name] !== null && source[name] !== undefined) named[name] = pythonText(source[name]);
  }
  if (generate) named.generate = String(generate);
  if (source.add_special_tokens === false) named.add_special_tokens = "False";
  return { ...named, ...writeChanges(source) };
}

/**
 * What was changed in the pass, as Python writes it.
 *
 * @param {Record<string, any>} source
 * @returns {Record<string, string>}
 */
function writeChanges(source) {
  /** @type {[kind: string, layer: number, head: number, how: string][]} */
  const heads = source.ablate ?? [];
  const written = heads.map(
    ([kind, layer, head, how]) => `(${pythonText(kind)}, ${layer}, ${head}): ${pythonText(how)}`,
  );
  return {
    ...(written.length > 0 && { ablate: `{${written.join(", ")}}` }),
    ...(source.mask_tokens?.length > 0 && { mask_tokens: pythonValue(source.mask_tokens) }),
  };
}

/** @param {[role: string, content: string][]} messages */
function pythonMessages(messages) {
  const written = messages.map(([role, content]) => `{"role": ${pythonText(role)}, "content": ${pythonText(content)}}`);
  return `[${written.join(", ")}]`;
}

/**
 * Return the options that differ from the defaults, empty without any.
 * @param {Selection} selection
 */
function writeOptions(selection) {
  // Without hidden tokens every row is whole.
  const hides = selection.special === "hide" || selection.sink === "hide";
  const different = Object.entries(DRAW_DEFAULTS).filter(
    ([name, usual]) =>
      selection[/** @type {keyof typeof DRAW_DEFAULTS} */ (name)] !== usual && (name !== "renormalise" || hides),
  );
  return different
    .map(([name]) => `${name}=${pythonValue(selection[/** @type {keyof typeof DRAW_DEFAULTS} */ (name)])}`)
    .join(", ");
}

/**
 * @param {number | string | boolean | (number | string)[]} value
 * @returns {string}
 */
function pythonValue(value) {
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? pythonText(value) : String(value);
}

/**
 * @param {string[]} positional
 * @param {Record<string, string>} named
 */
function writeArguments(positional, named) {
  return [...positional, ...Object.entries(named).map(([name, value]) => `${name}=${value}`)].join(", ");
}

/**
 * Return a text as a literal of Python. Characters that reorder a line, or end it in some editors, are escaped: what is
 * pasted must read as what it does.
 * @param {string} text
 */
export function pythonText(text) {
  // The escapes of JSON mean the same in Python.
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
