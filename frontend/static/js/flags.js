// The flags of one answer. Those that want a yes or a no stand open; the others fold away until they are needed.

import { h } from "./dom.js";
import { keys } from "./keys.js";
import { flagOf, unanswered } from "./ranking.js";
import { t } from "./words.js";

// In the order of their keys: what must be answered comes first.
export function inKeyOrder(flags) {
  return [...flags.filter(({ required }) => required), ...flags.filter(({ required }) => !required)];
}

// The key of a flag at this place; beyond the last key there are buttons.
export function keyAt(place) {
  return h("kbd", { "data-flag-place": place, "aria-hidden": "true" }, keys.flags[place] ?? "");
}

export class Flags {
  // set(flag, value): true, false, or null to take it back
  constructor(letter, flags, set) {
    Object.assign(this, { letter, flags: inKeyOrder(flags), set, buttons: [] });
    this.help = h("p", { class: "flag-help", "aria-hidden": "true" });
    this.marks = h("span", { class: "flags-set" });
    const rows = [];
    const chips = [];
    this.flags.forEach((flag, place) => (flag.required ? rows.push(this.row(flag, place)) : chips.push(this.chip(flag, place))));
    this.fold = chips.length ? h("details", { class: "flags" }, h("summary", {}, h("span", { class: "flags-title" }, t("flags")), this.marks), h("div", { class: "flag-list" }, ...chips)) : null;
    const asked = rows.length ? h("div", { class: "flag-rows" }, ...rows) : null;
    if (!asked) this.fold?.append(this.help);
    this.element = this.flags.length ? h("div", { class: "flag-box" }, asked, asked && this.help, this.fold) : null;
  }

  chip(flag, place) {
    const chip = h("button", { class: "flag", type: "button", "data-flag": flag.key, "aria-description": flag.help || false }, keyAt(place), flag.label);
    return this.button(chip, flag, true);
  }

  row(flag, place) {
    const id = `flag-${this.letter}-${flag.key}`;
    const choice = (value, word) => this.button(h("button", { class: "flag flag--choice", type: "button", "data-flag": flag.key, "aria-description": flag.help || false }, t(word)), flag, value);
    return h("div", { class: "flag-row", role: "group", "aria-labelledby": id }, h("span", { class: "flag-name" }, keyAt(place), h("span", { id }, flag.label)), choice(true, "flag_yes"), choice(false, "flag_no"));
  }

  // Pressed again, it is taken back.
  button(button, flag, value) {
    button.addEventListener("click", () => this.set(flag, button.getAttribute("aria-pressed") === "true" ? null : value));
    for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => (this.help.textContent = flag.help));
    this.buttons.push({ button, flag, value });
    return button;
  }

  render(state) {
    if (!this.element) return;
    for (const { button, flag, value } of this.buttons) button.setAttribute("aria-pressed", String(flagOf(state, this.letter, flag.key) === value));
    const set = this.flags.filter((flag) => !flag.required && flagOf(state, this.letter, flag.key));
    this.marks.replaceChildren(...set.map(({ label }) => h("span", { class: "flag-mark" }, label)));
    this.element.classList.toggle("is-asking", unanswered(state, this.letter, this.flags).length > 0);
  }

  // By key: what the keys now mean is shown.
  open(isOpen) {
    if (!this.element) return;
    if (this.fold) this.fold.open = isOpen;
    this.element.classList.toggle("is-flagging", isOpen);
  }
}
