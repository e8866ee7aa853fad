// @ts-check
// What the server says of the page's URL.

import { addressBar } from "./address_bar.js";

/** @import { Component } from "../core/component.js" */
/** @import { Shown } from "./address_bar.js" */

/** @param {Component<Shown>} component */
export default function mount({ data, setTriggerValue }) {
  const bar = addressBar();
  bar.send = setTriggerValue;
  bar.show(data);
}
