// The question of a sort: what is asked now, how far it is, a button for each answer, and one to go back.

import { h } from "./dom.js";
import { hint } from "./keys.js";

export class Asking {
  // act: {choose(value), back()}
  constructor(root, act) {
    this.root = root;
    this.act = act;
    this.text = root.querySelector(".asking-text");
    this.count = root.querySelector(".asking-count");
    this.choices = root.querySelector(".asking-choices");
    this.back = root.querySelector(".asking-back");
    this.back.addEventListener("click", () => act.back());
  }

  get hasFocus() {
    return this.root.contains(document.activeElement);
  }

  // `asks`: {text, count, choices: [{value, label, action}]}, or null once nothing is asked.
  render(asks, canGoBack) {
    const focused = this.hasFocus && (document.activeElement.dataset.value ?? "back");
    this.root.hidden = !asks && !canGoBack;
    this.text.textContent = asks?.text ?? "";
    this.count.textContent = asks?.count ?? "";
    this.choices.replaceChildren(...(asks?.choices ?? []).map((choice) => this.button(choice)));
    this.back.hidden = !canGoBack;
    if (focused) this.refocus(focused);
  }

  button({ value, label, action }) {
    return h(
      "button",
      { class: "button asking-choice", type: "button", "data-value": value, onclick: () => this.act.choose(value) },
      label,
      action ? " " : null,
      action ? hint(action) : null,
    );
  }

  // The same button where it is still there, so that one can go on pressing it; else the first.
  refocus(value) {
    const buttons = [...this.choices.children];
    const again = value === "back" && !this.back.hidden ? this.back : buttons.find((button) => button.dataset.value === value);
    (again ?? buttons[0])?.focus({ preventScroll: true });
  }
}
