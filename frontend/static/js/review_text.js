// Judging a text: a verdict, a rating, and the text as it shall read. What is changed is shown word by word.

import { find, h } from "./dom.js";
import { showChanges } from "./marks.js";
import { scoreSteps } from "./steps.js";
import { t } from "./words.js";

const VERDICTS = { text_accept: "accepted", text_edit: "edited", text_return: "returned", text_reject: "rejected" };
const ROLES = ["system", "user", "assistant"];

export class TextReview {
  // host: {changed(), say(text)}
  constructor(host) {
    this.host = host;
    this.root = find("#text-review");
    this.verdicts = [...find("#text-verdicts").querySelectorAll("input")];
    for (const input of this.verdicts) input.addEventListener("change", () => this.decide(input.value));
  }

  mount({ review, rubric }, body) {
    this.revision = review.revision;
    this.scale = { min: rubric.scale_min, max: rubric.scale_max };
    this.before = review.turns.map(({ content }) => content);
    const edit = body?.edit;
    const fits = Array.isArray(edit) && edit.length === this.before.length && edit.every((turn) => typeof turn === "string");
    this.edit = fits ? edit : [...this.before];
    this.verdict = this.verdicts.some(({ value }) => value === body?.verdict) ? body.verdict : "";
    this.rating = Number.isInteger(body?.rating) ? body.rating : null;
    const { element, inputs } = scoreSteps("rating", t("rating_of", this.scale), this.scale, (score) => this.rate(score));
    this.ratings = inputs;
    find("#rating").replaceChildren(h("p", { class: "rail-title", "aria-hidden": "true" }, t("rating")), element);
    const isAlone = review.turns.length === 1 && review.turns[0].role === "assistant";
    this.turns = review.turns.map((turn, index) => this.turn(turn, index, isAlone));
    find("#turns").replaceChildren(...this.turns.map(({ element: each }) => each));
    const flags = review.flags.map((flag) => h("li", { class: "badge" }, t(`prompt_flag_${flag}`)));
    find("#text-flags").replaceChildren(...flags);
    find("#text-flags").hidden = flags.length === 0;
  }

  turn({ role, content }, index, isAlone) {
    const label = isAlone ? t("the_answer") : ROLES.includes(role) ? t(`role_${role}`) : role;
    const text = h("div", { class: "text", dir: "auto" }, content);
    const area = h("textarea", { class: "input turn-edit", rows: 6, dir: "auto", "aria-label": t("edit_of", { what: label }), spellcheck: "true" });
    area.value = this.edit[index];
    area.addEventListener("input", () => {
      this.edit[index] = area.value;
      this.host.changed();
    });
    const diff = h("div", { class: "text diff", dir: "auto" });
    const changed = h("div", { class: "turn-diff", role: "group", "aria-label": t("changes_of", { what: label }) }, h("p", { class: "small faint", "aria-hidden": "true" }, t("changes")), diff);
    const element = h("section", { class: "turn", "aria-label": label }, h("h2", { class: "message-role" }, label), text, area, changed);
    return { element, text, area, changed, diff };
  }

  get isSentBack() {
    return this.verdict === "returned";
  }

  body() {
    return { verdict: this.verdict, rating: this.rating, edit: this.edit };
  }

  answer() {
    const rating = this.rating === null ? {} : { rating: this.rating };
    const edit = this.verdict === "edited" ? { edit: this.edit } : {};
    return { verdict: this.verdict, revision: this.revision, ...rating, ...edit };
  }

  isBlank() {
    return !this.verdict && this.rating === null;
  }

  problem(comment) {
    if (!this.verdict) return t("decide");
    if (this.verdict === "edited" && !this.isEdited) return t("nothing_changed");
    if (this.verdict === "edited" && this.edit.some((turn) => !turn.trim())) return t("turn_empty");
    if (this.isSentBack && !comment.trim()) return t("say_why");
    return "";
  }

  get isEdited() {
    return this.edit.some((turn, index) => turn !== this.before[index]);
  }

  decide(verdict) {
    const isNew = verdict !== this.verdict;
    this.verdict = verdict;
    this.host.changed();
    if (isNew) this.host.say(t(`verdict_${verdict}`));
  }

  rate(score) {
    this.rating = score;
    this.host.changed();
    this.host.say(t("rated", { n: score }));
  }

  render() {
    const isEditing = this.verdict === "edited";
    for (const input of this.verdicts) input.checked = input.value === this.verdict;
    for (const input of this.ratings) input.checked = Number(input.value) === this.rating;
    this.turns.forEach(({ text, area, changed, diff }, index) => {
      text.hidden = isEditing;
      area.hidden = !isEditing;
      changed.hidden = !isEditing || this.edit[index] === this.before[index];
      if (!changed.hidden) showChanges(diff, this.before[index], this.edit[index]);
    });
  }

  press({ action, own }) {
    const verdict = VERDICTS[action];
    const score = Number(own);
    if (verdict) {
      this.decide(verdict);
      if (verdict === "edited") this.turns.at(-1).area.focus();
      if (verdict === "returned") find("#comment").focus();
    } else if (own && score >= this.scale.min && score <= this.scale.max) this.rate(score);
    else return false;
    return true;
  }
}
