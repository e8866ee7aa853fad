// @ts-check
// Streamlit puts the content of a popover at the end of the document, where the Tab key finds it after everything else.
// Here the content of an open popover follows its button: opening it moves the focus to its first field, Tab after the
// last field closes it and goes on behind the button, and Shift+Tab before the first field goes back to the button.

const BUTTON = '[data-testid="stPopoverButton"][aria-expanded="true"]';
const BODY = '[data-testid="stPopoverBody"]';
const REACHABLE = "a[href], button, input, select, textarea, [tabindex]";
const FIELD = "input, select, textarea, [role='radio'], [role='combobox']";
// The content of some popovers comes from the server, and the browser loads the code of fields when it needs it first.
const CONTENT_TIMEOUT_MS = 5_000;
// A popover that still has no field, and shows none that is to come, has only buttons.
const FIELD_TIMEOUT_MS = 700;
const TO_COME = '[data-testid="stSkeleton"]';

/** Put the content of every popover behind its button, from now on. */
export function orderPopovers() {
  let touched = false;
  const observer = new MutationObserver((changes) => {
    const opened = changes.some(({ target }) => /** @type {Element} */ (target).matches(BUTTON));
    // On a phone the focus of a field would open the keyboard.
    if (opened && !touched) focusFirst(performance.now());
  });
  observer.observe(document.body, { subtree: true, attributeFilter: ["aria-expanded"] });
  const touch = (/** @type {PointerEvent | KeyboardEvent} */ event) => {
    touched = "pointerType" in event && event.pointerType === "touch";
  };
  window.addEventListener("pointerdown", touch, true);
  window.addEventListener("keydown", touch, true);
  window.addEventListener("keydown", moveByTab, true);
}

/**
 * Move the focus from the button of the open popover to its first field, as soon as it has one.
 * @param {number} opened when the popover was opened
 */
function focusFirst(opened) {
  const { button, body, fields } = openPopover();
  const active = document.activeElement;
  const waited = performance.now() - opened;
  if (!button || (active !== button && active !== document.body) || waited > CONTENT_TIMEOUT_MS) return;
  const complete = waited > FIELD_TIMEOUT_MS && !body?.querySelector(TO_COME);
  const first = fields.find((each) => each.matches(FIELD)) ?? (complete ? fields[0] : undefined);
  first?.focus({ preventScroll: true });
  // A popover that is not placed yet is hidden, and takes no focus.
  if (!first || document.activeElement !== first) requestAnimationFrame(() => focusFirst(opened));
}

/** @param {KeyboardEvent} event */
function moveByTab(event) {
  if (event.key !== "Tab" || event.altKey || event.ctrlKey || event.metaKey) return;
  const { button, body, fields } = openPopover();
  const active = document.activeElement;
  if (!button || !body || !active) return;
  if (active === button && !event.shiftKey && fields.length) {
    event.preventDefault();
    fields[0].focus();
  } else if (body.contains(active)) {
    if (event.shiftKey && !follows(fields, active, Node.DOCUMENT_POSITION_PRECEDING)) {
      event.preventDefault();
      button.focus();
    } else if (!event.shiftKey && !follows(fields, active, Node.DOCUMENT_POSITION_FOLLOWING)) {
      // From the button, the browser goes on to what is behind it.
      button.focus();
      button.click();
    }
  }
}

function openPopover() {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(BUTTON));
  const body = /** @type {HTMLElement | null} */ (document.querySelector(BODY));
  const all = /** @type {HTMLInputElement[]} */ ([...(body?.querySelectorAll(REACHABLE) ?? [])]);
  // Streamlit takes the content out of the tab order while the focus is elsewhere, and remembers its tab index.
  const isReachable = (/** @type {HTMLElement} */ each) => each.tabIndex >= 0 || each.dataset.tabindex !== undefined;
  const fields = all.filter((each) => isReachable(each) && !each.disabled && each.getClientRects().length);
  return { button, body, fields };
}

/**
 * Return whether any of the fields is before or behind an element; the radio buttons of a group are one field.
 * @param {HTMLInputElement[]} fields
 * @param {Element} element
 * @param {number} position
 */
function follows(fields, element, position) {
  const { type, name } = /** @type {HTMLInputElement} */ (element);
  return fields.some((each) => {
    const isSameField = type === "radio" && each.type === "radio" && each.name === name;
    return !isSameField && element.compareDocumentPosition(each) & position;
  });
}
