// The question of a sort: what is asked now, how far it is, a button for each answer, and one to go back.

import { h } from "./dom.js";
import { t } from "./words.js";

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

  // `asks`: {text, count, choices: [{value, label, key}]}, or null once nothing is asked.
  render(asks, canGoBack) {
    const focused = this.hasFocus && (document.activeElement.dataset.value ?? "back");
    this.root.hidden = !asks && !canGoBack;
    this.text.textContent = asks?.text ?? "";
    this.count.textContent = asks?.count ?? "";
    this.choices.replaceChildren(...(asks?.choices ?? []).map((choice) => this.button(choice)));
    this.back.hidden = !canGoBack;
    if (focused) this.refocus(focused);
  }

  button({ value, label, key }) {
    return h(
      "button",
      { class: "button asking-choice", type: "button", "data-value": value, onclick: () => this.act.choose(value) },
      label,
      key ? " " : null,
      key ? h("kbd", { "aria-hidden": "true" }, key) : null,
    );
  }

  // The same button where it is still there, so that one can go on pressing it; else the first.
  refocus(value) {
    const buttons = [...this.choices.children];
    const again = value === "back" && !this.back.hidden ? this.back : buttons.find((button) => button.dataset.value === value);
    (again ?? buttons[0])?.focus({ preventScroll: true });
  }
}

// What a pair is asked: which of the two is better.
export function askOfTwo({ asks, made, most }) {
  return {
    text: t("ask_two", asks),
    count: t("ask_step", { n: made + 1, most }),
    choices: [
      { value: "left", label: t("is_better", { letter: asks.left }), key: "←" },
      { value: "right", label: t("is_better", { letter: asks.right }), key: "→" },
      { value: "equal", label: t("is_equal"), key: "=" },
    ],
  };
}

// What is asked of all that is left: the best of it, or the worst.
export function askOfAll({ asks, made, most }) {
  const letters = asks.letters.map((letter) => ({ value: letter, label: letter }));
  return {
    text: t(asks.end === "best" ? "ask_best" : "ask_worst"),
    count: t("ask_step", { n: made + 1, most }),
    choices: [...letters, { value: "=", label: t("rest_equal"), key: "=" }],
  };
}
