// The completions of an item as cards: text, score, flags (flags.js), buttons to move.

import { h, icon } from "./dom.js";
import { Flags } from "./flags.js";
import { isUnresolved, placeOf, tierOf } from "./ranking.js";
import { scoreSteps } from "./steps.js";
import { countWords, number, t } from "./words.js";

export class Cards {
  // act: {score(letter, n), flag(letter, flag, value), move(letter, step), select(letter)}
  constructor(root, act) {
    this.root = root;
    this.act = act;
    this.cards = new Map();
  }

  mount({ completions, rubric }) {
    this.cards = new Map(completions.map(({ letter, text }) => [letter, this.card(letter, text, rubric)]));
    this.root.replaceChildren(...[...this.cards.values()].map((card) => card.element));
    this.root.dataset.count = completions.length;
  }

  card(letter, text, rubric) {
    const place = h("span", { class: "place" });
    const element = h(
      "section",
      { class: "answer", "data-letter": letter, tabindex: "-1", "aria-labelledby": `name-${letter}` },
      h(
        "header",
        { class: "answer-head" },
        h("span", { class: "grip", "data-letter": letter, "aria-hidden": "true" }, icon("grip")),
        h("h2", { class: "answer-name", id: `name-${letter}` }, h("span", { class: "hidden-visually" }, `${t("answer")} `), h("span", { class: "letter" }, letter)),
        place,
        h("span", { class: "answer-length" }, t("words", { n: number(countWords(text)) })),
        this.mover(letter, -1),
        this.mover(letter, 1),
      ),
      h("div", { class: "text answer-text", dir: "auto" }, text),
    );
    const scale = { min: rubric.scale_min, max: rubric.scale_max };
    const { element: scores, inputs } = scoreSteps(`score-${letter}`, t("score_of", { letter, ...scale }), scale, (score) => this.act.score(letter, score));
    const flags = new Flags(letter, rubric.flags, (flag, value) => this.act.flag(letter, flag, value));
    element.append(h("footer", { class: "answer-foot" }, scores, flags.element));
    element.addEventListener("pointerdown", () => this.act.select(letter));
    element.addEventListener("focusin", () => this.act.select(letter));
    return { element, place, inputs, flags };
  }

  // Only these two are asked about, or all of them again. Where they stand is for reading.js.
  pair(letters) {
    const shown = letters ?? [...this.cards.keys()];
    this.root.classList.toggle("is-pair", Boolean(letters));
    for (const [letter, { element }] of this.cards) element.classList.toggle("is-aside", !shown.includes(letter));
  }

  mover(letter, step) {
    const label = t(step < 0 ? "move_up" : "move_down", { letter });
    const move = () => this.act.move(letter, step);
    return h("button", { class: "icon-button mover", type: "button", "aria-label": label, title: label, onclick: move }, icon(step < 0 ? "up" : "down"));
  }

  render(state, selected) {
    for (const [letter, card] of this.cards) {
      const tier = state.tiers[tierOf(state, letter)];
      const place = placeOf(state, letter);
      const isTied = tier?.length > 1;
      card.element.classList.toggle("is-selected", letter === selected);
      card.element.classList.toggle("is-unresolved", Boolean(tier) && !state.all_bad && isUnresolved(state, tier));
      card.place.textContent = place === null ? "" : t(isTied ? "place_tied" : "place", { n: place });
      for (const input of card.inputs) input.checked = Number(input.value) === state.scores[letter];
      card.flags.render(state);
    }
  }

  openFlags(letter, isOpen) {
    this.cards.get(letter).flags.open(isOpen);
  }

  focus(letter) {
    const { element } = this.cards.get(letter);
    element.focus({ preventScroll: true });
    // A text that is longer than the screen is read from its beginning.
    element.scrollIntoView({ block: element.getBoundingClientRect().top < 0 ? "start" : "nearest" });
  }
}
