// The dialog with what the scale and each flag mean, as the lead wrote it.

import { h } from "./dom.js";
import { inKeyOrder, keyAt } from "./flags.js";
import { t } from "./words.js";

export class RubricDialog {
  constructor(dialog, button) {
    this.dialog = dialog;
    button.addEventListener("click", () => this.open());
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  }

  mount(rubric) {
    this.rubric = rubric;
  }

  open() {
    if (!this.rubric || this.dialog.open) return;
    const { scale_min: min, scale_max: max, help_html: help, flags } = this.rubric;
    const scale = h("section", { class: "rubric-part" }, h("h3", {}, t("scale", { min, max })), help ? written(help) : h("p", { class: "soft" }, `${min}: ${t("score_low")} · ${max}: ${t("score_high")}`));
    const entries = inKeyOrder(flags).map((flag, place) =>
      h("div", {}, h("dt", {}, keyAt(place), " ", flag.label, " ", flag.required ? h("span", { class: "badge" }, t("flag_asks")) : null), flag.help_html ? h("dd", {}, written(flag.help_html)) : null),
    );
    const glossary = entries.length ? h("section", { class: "rubric-part" }, h("h3", {}, t("flags")), h("dl", { class: "glossary" }, ...entries)) : null;
    this.dialog.querySelector(".dialog-body").replaceChildren(...[scale, glossary].filter(Boolean));
    this.dialog.showModal();
  }
}

// Markdown that the server has made safe HTML of (markdown.py); nothing else goes this way.
function written(html) {
  const box = h("div", { class: "guide" });
  box.innerHTML = html;
  return box;
}
