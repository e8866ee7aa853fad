// @ts-check
// The chosen heads on the canvas of all heads, the sign that chooses all, and the brackets of heads that share keys.

import { chosenHeads, overlaidHeads } from "./head_choice.js";
import { headLook, mostHeads } from "./head_look.js";
import { frameBox, writeBeside } from "./heads_drawing.js";
import { boxOfHead, CORNER, HEADS_LEFT, HEADS_TOP } from "./heads_layout.js";

/** @import { HeadsPicture } from "./heads_drawing.js" */
/** @import { HeadPlace, Target } from "./heads_layout.js" */
/** @import { Trace } from "./trace.js" */

/**
 * Frame the chosen heads inside their thumbnails: in the colour and dash of their lines where the token graph overlays
 * them, else all alike.
 * @param {HeadsPicture} picture
 */
export function drawChosen({ context, scene, layout }) {
  const { state, trace, theme, dark } = scene;
  const { style } = trace.header;
  const chosen = chosenHeads(state, trace.heads);
  const coloured = overlaidHeads(state, trace.heads).length ? mostHeads(style) : 0;
  const thick = layout.pitch > 18 ? 2.5 : 1.5;
  chosen.forEach((place, number) => {
    const [x, y, width, height] = boxOfHead(layout, place);
    const { colour, dash } = number < coloured ? headLook(number, style, dark) : { colour: theme.accent, dash: [] };
    // A ground below the frame, which is else lost in a map of the same colour.
    context.setLineDash([]);
    frameBox(
      context,
      [x + thick + 1, y + thick + 1, width - 2 * thick - 2, height - 2 * thick - 2],
      theme.background,
      1,
    );
    context.setLineDash(dash);
    frameBox(context, [x + thick, y + thick, width - 2 * thick, height - 2 * thick], colour, thick);
  });
  context.setLineDash([]);
}

/**
 * Draw the sign in the corner that chooses all heads, and underline the layer number below the pointer.
 * @param {HeadsPicture} picture
 * @param {Target | null} target what the pointer is on
 */
export function drawCorner({ context, scene: { theme, state }, layout }, target) {
  const [x, y, width, height] = CORNER;
  const isAll = target?.kind === "all";
  if (isAll || state.heads === "all") {
    context.fillStyle = theme.panel;
    context.fillRect(x, y, width, height);
  }
  frameBox(context, [x + 1, y + 1, width - 2, height - 2], isAll ? theme.text : theme.faded, 1);
  context.font = `12px ${theme.font}`;
  writeBeside(context, theme.text, "head", x + width / 2, y + height / 2, "center");
  if (target?.kind !== "layer") return;
  context.fillStyle = theme.text;
  context.fillRect(HEADS_LEFT - 22, HEADS_TOP + (target.layer + 0.5) * layout.pitchY + 7, 16, 1);
}

/**
 * Draw a bracket above the heads of each layer that share their keys.
 * @param {HeadsPicture} picture
 * @param {HeadPlace | null} selected
 */
export function drawGroups({ context, scene: { trace, theme }, layout }, selected) {
  trace.header.groups?.forEach((groups, layer) => {
    for (const [first, last] of runsOf(groups)) {
      if (first === last) continue;
      const [left, top] = boxOfHead(layout, [layer, first]);
      const [right, , width] = boxOfHead(layout, [layer, last]);
      const isOwn = selected?.[0] === layer && selected[1] >= first && selected[1] <= last;
      // Where layers touch, brackets would look like a frame: the room between groups shows them.
      if (layout.gap < 2 && !isOwn) continue;
      context.fillStyle = isOwn ? trace.header.style.selected : theme.faded;
      const thick = Math.max(1, Math.min(2, layout.gap / 2));
      context.fillRect(left, top - thick - 0.5, right + width - left, thick);
    }
  });
}

/**
 * Return the first and the last head of each run of heads with the same keys.
 * @param {number[]} groups key head of each head
 * @returns {[first: number, last: number][]}
 */
export function runsOf(groups) {
  /** @type {[number, number][]} */
  const runs = [];
  groups.forEach((group, head) => {
    if (head && groups[head - 1] === group) runs[runs.length - 1][1] = head;
    else runs.push([head, head]);
  });
  return runs;
}

/**
 * Return which heads a head shares its keys with: "shares its keys with heads 0 to 2"; "" if it has its own.
 * @param {Pick<Trace, "header">} trace
 * @param {HeadPlace} place
 */
export function describeGroup({ header }, [layer, head]) {
  const groups = header.groups?.[layer] ?? [];
  const others = groups.flatMap((group, other) => (group === groups[head] && other !== head ? [other] : []));
  if (!others.length) return "";
  const [first, last] = [others[0], others[others.length - 1]];
  const isRun = last - first === others.length - 1;
  if (others.length === 1) return `shares its keys with head ${first}`;
  if (isRun && others.length > 2) return `shares its keys with heads ${first} to ${last}`;
  return `shares its keys with heads ${others.slice(0, -1).join(", ")} and ${last}`;
}
