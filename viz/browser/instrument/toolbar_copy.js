// @ts-check
// Buttons that copy a text. Where the browser refuses the clipboard, the text is shown selected instead.

import { element } from "../core/canvas.js";

const COPIED_MS = 2000;

export class CopyButton {
  timer = 0;

  /**
   * @param {HTMLElement} parent
   * @param {string} name what the button says
   * @param {() => string} write the text to copy
   */
  constructor(parent, name, write) {
    this.name = name;
    this.root = element("span", "toolbar-copy", parent);
    this.button = element("button", "toolbar-button", this.root);
    this.button.type = "button";
    this.button.textContent = name;
    this.status = element("span", "toolbar-status", this.root);
    this.status.setAttribute("role", "status");
    this.field = element("textarea", "toolbar-field", this.root);
    this.field.hidden = true;
    this.field.readOnly = true;
    this.field.rows = 3;
    this.field.setAttribute("aria-label", `${name}: the text to copy`);
    this.field.addEventListener("blur", () => {
      this.field.hidden = true;
    });
    this.button.addEventListener("click", () => this.copy(write()));
  }

  /** @param {string} text */
  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.report();
    } catch {
      this.field.value = text;
      this.field.hidden = false;
      this.field.focus();
      this.field.select();
    }
  }

  report() {
    this.button.textContent = "Copied";
    this.status.textContent = "Copied";
    clearTimeout(this.timer);
    this.timer = Number(
      setTimeout(() => {
        this.button.textContent = this.name;
        this.status.textContent = "";
      }, COPIED_MS),
    );
  }
}
