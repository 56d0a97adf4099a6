// The guidelines beside the text: whether they are folded is remembered; on a phone they open as a dialog.

import { find } from "./dom.js";

const FOLDED = "rankloop-guidelines";

export function bindGuide() {
  const fold = find("#guide-fold");
  if (!fold) return;
  const dialog = find("#guide-dialog");
  const text = find("#guide-text");
  const home = text.parentElement;
  fold.open = !remembered();
  fold.addEventListener("toggle", () => remember(!fold.open));
  find("#guide-open").addEventListener("click", () => {
    dialog.querySelector(".dialog-body").append(text);
    dialog.showModal();
  });
  dialog.addEventListener("close", () => home.append(text));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
}

function remembered() {
  try {
    return localStorage.getItem(FOLDED) === "folded";
  } catch {
    return false;
  }
}

function remember(isFolded) {
  try {
    localStorage.setItem(FOLDED, isFolded ? "folded" : "open");
  } catch {
    // The choice lasts as long as the page.
  }
}
