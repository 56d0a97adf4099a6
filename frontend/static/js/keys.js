// Keys of a page. Where somebody types, or a dialog is open, a key is just a key; and all one-key
// shortcuts can be switched off (they get in the way of speech input).

import { find } from "./dom.js";

const SWITCH = "rankloop-shortcuts";

export function bindKeys({ press, submit }) {
  const dialog = find("#keys-dialog");
  const toggle = find("#keys-on");
  toggle.checked = remembered();
  toggle.addEventListener("change", () => remember(toggle.checked));
  const help = () => dialog.open || dialog.showModal();
  find("#keys-button").addEventListener("click", help);
  for (const close of dialog.querySelectorAll("[data-close]")) close.addEventListener("click", () => dialog.close());

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
      return;
    }
    if (event.ctrlKey || event.metaKey || isTyping(event.target)) return;
    if (!toggle.checked && !event.altKey) return;
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    if (event.key === "?") help();
    else if (!press(event)) return;
    event.preventDefault();
  });
}

function isTyping(target) {
  return target.closest?.("textarea, select, input:not([type=radio]):not([type=checkbox])") !== null;
}

function remembered() {
  try {
    return localStorage.getItem(SWITCH) !== "off";
  } catch {
    return true;
  }
}

function remember(isOn) {
  try {
    localStorage.setItem(SWITCH, isOn ? "on" : "off");
  } catch {
    // The choice lasts as long as the page.
  }
}
