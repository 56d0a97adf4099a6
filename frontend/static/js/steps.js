// A row of radio buttons from the worst to the best score.

import { h } from "./dom.js";
import { t } from "./words.js";

export function scoreSteps(name, legend, { min, max }, onScore) {
  const inputs = [];
  const labels = [];
  for (let score = min; score <= max; score += 1) {
    const input = h("input", { type: "radio", name, value: score });
    input.addEventListener("change", () => onScore(score));
    inputs.push(input);
    const shade = Math.round(1 + (6 * (score - min)) / (max - min));
    labels.push(h("label", { class: `score-step score-step--${shade}` }, input, h("span", {}, String(score))));
  }
  const ends = h("div", { class: "score-ends", "aria-hidden": "true" }, h("span", {}, t("score_low")), h("span", {}, t("score_high")));
  const element = h("fieldset", { class: "score" }, h("legend", { class: "hidden-visually" }, legend), h("div", { class: "score-steps" }, ...labels), ends);
  return { element, inputs };
}
