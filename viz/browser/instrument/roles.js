// @ts-check
// The roles of a conversation: which tokens belong to which role, their colours, and a legend.

import { element } from "../core/canvas.js";

/** @import { Scene } from "./index.js" */
/** @import { Label, Trace } from "./trace.js" */

/** @typedef {Record<"light" | "dark", Record<string, string>>} RoleColours by the ground; "" is any other role */
/** @typedef {[first: number, end: number, role: string]} RoleRun positions of tokens with the same role */

/** @type {WeakMap<Label[], RoleRun[]>} */
const knownRuns = new WeakMap();

/**
 * Return the parts of a conversation with their roles, none for a text without roles.
 * @param {Label[]} labels
 */
export function roleRuns(labels) {
  let runs = knownRuns.get(labels);
  if (runs) return runs;
  runs = [];
  for (let position = 0; position < labels.length; position++) {
    const role = labels[position][3] ?? "";
    const last = runs[runs.length - 1];
    if (last && last[2] === role) last[1] = position + 1;
    else runs.push([position, position + 1, role]);
  }
  runs = runs.filter(([, , role]) => role);
  knownRuns.set(labels, runs);
  return runs;
}

/**
 * Return the colour of a role.
 * @param {string} role
 * @param {{ role_colours: RoleColours }} style
 * @param {boolean} dark
 */
export function roleColour(role, { role_colours: colours }, dark) {
  const tones = colours[dark ? "dark" : "light"];
  return Object.hasOwn(tones, role) ? tones[role] : tones[""];
}

/**
 * Return the roles of a trace, each once, in the order of the text.
 * @param {Trace} trace
 */
export function rolesOf(trace) {
  return [...new Set([...roleRuns(trace.queries), ...roleRuns(trace.keys)].map(([, , role]) => role))];
}

/** The names of the roles, each with its colour. */
export class RoleLegend {
  made = "";

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.root = element("div", "roles", parent);
    this.root.hidden = true;
  }

  /** @param {Scene} scene */
  draw({ trace, dark }) {
    const roles = rolesOf(trace);
    const made = `${roles.join("\n")} ${dark}`;
    if (made === this.made) return;
    this.made = made;
    this.root.hidden = !roles.length;
    this.root.replaceChildren();
    for (const role of roles) {
      const entry = element("span", "roles-entry", this.root);
      const swatch = element("i", "roles-swatch", entry);
      swatch.style.background = roleColour(role, trace.header.style, dark);
      swatch.setAttribute("aria-hidden", "true");
      element("span", "", entry).textContent = role;
    }
  }
}
