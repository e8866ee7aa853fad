// @ts-check
// A Plotly chart as a component of its own.

import { Chart } from "./core/chart.js";
import { endPicture, pictureIn } from "./core/component.js";

/** @import { Component } from "./core/component.js" */

/** @param {Component<Uint8Array>} component */
export default function mount({ data, parentElement, setTriggerValue }) {
  const chart = pictureIn(parentElement, Chart);
  chart.send = setTriggerValue;
  chart.show(data);
  return () => endPicture(parentElement);
}
