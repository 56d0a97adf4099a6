// Deciding an item whose labelers disagree: their answers in a table, one's own order beside them, and what
// goes back to whom. An answer is adopted by one key.

import { adopted, compare } from "./comparing.js";
import { find, h, icon } from "./dom.js";
import { hint, keys } from "./keys.js";
import * as ranking from "./ranking.js";
import { scoreSteps } from "./steps.js";
import { listed, sentences, t } from "./words.js";

const VERDICTS = { item_order: "", item_accept: "accepted", item_reject: "rejected" };

// As the dialog of the page itself asks for a reason.
const skipWords = (reason) => find(`#skip-dialog input[value="${CSS.escape(reason)}"] + span`)?.textContent ?? reason;

export class AnswersReview {
  // host: {changed(), say(text)}
  constructor(host) {
    this.host = host;
    this.root = find("#answers-review");
    this.verdicts = [...find("#item-verdicts").querySelectorAll("input")];
    for (const input of this.verdicts) input.addEventListener("change", () => this.decide(input.value));
  }

  mount({ review, rubric, completions }, body) {
    this.answers = review.answers;
    this.scale = { min: rubric.scale_min, max: rubric.scale_max };
    this.labels = Object.fromEntries(rubric.flags.map(({ key, label }) => [key, label]));
    this.letters = completions.map(({ letter }) => letter);
    this.state = ranking.restore(this.letters, body, this.scale, []);
    this.selected = this.letters[0] ?? null;
    this.hasOrder = this.letters.length > 0;
    const verdict = this.verdicts.some(({ value }) => value === body?.verdict) ? body.verdict : "";
    this.verdict = verdict || (this.hasOrder ? "" : "accepted");
    this.sent = this.restoreSent(body?.returns);
    find("#verdict-order").hidden = !this.hasOrder;
    this.cards = new Map(completions.map((completion) => [completion.letter, this.card(completion)]));
    find("#cards").replaceChildren(...[...this.cards.values()].map(({ element }) => element));
    find("#cards").dataset.count = completions.length;
    find("#compare").hidden = this.answers.length === 0;
    this.fillTable();
    this.fillSkips(review.skips);
    this.fillSent();
  }

  restoreSent(returns) {
    const sent = new Map();
    for (const entry of Array.isArray(returns) ? returns : []) {
      if (this.answers.some(({ labeler }) => labeler === entry?.labeler)) sent.set(entry.labeler, String(entry.comment ?? ""));
    }
    return sent;
  }

  // --- what labelers said ---------------------------------------------------------------------------------

  fillTable() {
    this.mine = new Map();
    const rows = compare(this.letters, this.answers).map((row) => this.row(row));
    const some = (name) => this.answers.some((answer) => answer[name]);
    if (some("all_bad")) rows.push(this.plainRow(t("all_bad"), this.answers.map(({ all_bad: bad }) => (bad ? t("yes") : t("no"))), new Set(this.answers.map(({ all_bad: bad }) => bad)).size > 1));
    if (some("comment")) rows.push(this.plainRow(t("comment"), this.answers.map(({ comment }) => h("span", { class: "said", dir: "auto" }, comment)), false));
    const head = h("tr", {}, h("th", { scope: "col" }, t("answer")), ...this.answers.map((answer, index) => this.column(answer, index)), h("th", { scope: "col" }, t("you")));
    find("#compare-table").replaceChildren(h("thead", {}, head), h("tbody", {}, ...rows));
  }

  column(answer, index) {
    const { labeler } = answer;
    const hasKey = keys.cap(`adopt_${index + 1}`) !== "";
    const adopt = h(
      "button",
      { class: "button button--small", type: "button", "aria-label": t("adopt_of", { n: labeler }), onclick: () => this.adopt(index) },
      t("adopt"),
      hasKey ? " " : null,
      hasKey ? hint(`adopt_${index + 1}`) : null,
    );
    const back = h("button", { class: "button button--quiet button--small", type: "button", "aria-pressed": "false", "data-back": labeler, "aria-label": t("send_back_to", { n: labeler }), onclick: () => this.toggleSent(labeler) }, t("send_back"));
    return h("th", { scope: "col" }, h("span", { class: "labeler" }, t("labeler", { n: labeler })), h("span", { class: "cluster" }, answer.tiers ? adopt : null, back));
  }

  row({ letter, cells, differs }) {
    const words = differs.map((name) => t(`differs_${name}`));
    const head = h(
      "th",
      { scope: "row" },
      h("span", { class: "letter" }, letter),
      differs.length ? h("span", { class: "unequal", "aria-hidden": "true" }, "≠") : null,
      differs.length ? h("span", { class: "hidden-visually" }, ` ${t("differs", { what: listed(words) })}`) : null,
    );
    const mine = h("td", { class: "mine" });
    this.mine.set(letter, mine);
    return h("tr", { class: differs.length ? "is-different" : "" }, head, ...cells.map((cell) => this.cell(cell, differs)), mine);
  }

  cell({ place, isShared, score, flags }, differs) {
    const marked = (name) => (differs.includes(name) ? "is-unequal" : "");
    return h(
      "td",
      {},
      h("span", { class: `place ${marked("place")}` }, place === null ? t("no_place") : t(isShared ? "place_tied" : "place", { n: place })),
      score === null ? null : h("span", { class: `said-score ${marked("score")}` }, t("score_is", { n: score })),
      ...flags.map((flag) => h("span", { class: "flag-mark" }, this.labels[flag] ?? flag)),
    );
  }

  plainRow(title, cells, isDifferent) {
    const differs = isDifferent ? h("span", { class: "unequal" }, "≠") : null;
    return h("tr", { class: isDifferent ? "is-different" : "" }, h("th", { scope: "row" }, title, differs), ...cells.map((cell) => h("td", {}, cell)), h("td", {}));
  }

  fillSkips(skips) {
    find("#skips").hidden = skips.length === 0;
    find("#skip-list").replaceChildren(
      ...skips.map(({ reason, comment }) => h("li", {}, h("span", { class: "badge" }, skipWords(reason)), comment ? h("span", { class: "said", dir: "auto" }, comment) : null)),
    );
  }

  // --- what goes back --------------------------------------------------------------------------------------

  toggleSent(labeler) {
    if (this.sent.has(labeler)) this.sent.delete(labeler);
    else this.sent.set(labeler, "");
    this.fillSent();
    this.host.changed();
    if (this.sent.has(labeler)) find(`#back-${labeler}`).focus();
    else this.host.say(t("not_sent", { n: labeler }));
  }

  fillSent() {
    const fields = [...this.sent.keys()].sort((one, other) => one - other).map((labeler) => {
      const area = h("textarea", { class: "input", id: `back-${labeler}`, rows: 2, maxlength: 5000, dir: "auto" });
      area.value = this.sent.get(labeler);
      area.addEventListener("input", () => {
        this.sent.set(labeler, area.value);
        this.host.changed();
      });
      return h("div", { class: "field" }, h("label", { for: `back-${labeler}` }, t("back_to", { n: labeler })), area);
    });
    find("#sent").replaceChildren(...fields);
  }

  // --- one's own order -------------------------------------------------------------------------------------

  card({ letter, text }) {
    const place = h("span", { class: "place" });
    const { element: scores, inputs } = scoreSteps(`score-${letter}`, t("score_of", { letter, ...this.scale }), this.scale, (score) => this.change(ranking.setScore(this.state, letter, score), letter));
    const element = h(
      "section",
      { class: "answer", "data-letter": letter, tabindex: "-1", "aria-labelledby": `name-${letter}` },
      h(
        "header",
        { class: "answer-head" },
        h("h2", { class: "answer-name", id: `name-${letter}` }, h("span", { class: "hidden-visually" }, `${t("answer")} `), h("span", { class: "letter" }, letter)),
        place,
        this.mover(letter, -1),
        this.mover(letter, 1),
        h("button", { class: "button button--quiet button--small card-tie", type: "button", "aria-label": t("tie_of", { letter }), onclick: () => this.tie(letter) }, "="),
      ),
      h("div", { class: "text answer-text", dir: "auto" }, text),
      h("footer", { class: "answer-foot" }, scores),
    );
    for (const name of ["pointerdown", "focusin"]) element.addEventListener(name, () => this.select(letter));
    return { element, place, inputs };
  }

  mover(letter, step) {
    const label = t(step < 0 ? "move_up" : "move_down", { letter });
    return h("button", { class: "icon-button", type: "button", "aria-label": label, title: label, onclick: () => this.change(ranking.move(this.state, letter, step), letter) }, icon(step < 0 ? "up" : "down"));
  }

  change(state, about = null) {
    if (state === this.state) return;
    this.state = state;
    this.verdict = "";
    this.host.changed();
    if (about) this.announce(about);
  }

  tie(letter) {
    this.change(ranking.toggleTie(this.state, letter), letter);
  }

  adopt(index) {
    const answer = this.answers[index];
    const taken = adopted(answer);
    if (!taken) return;
    this.change({ ...ranking.blank(this.letters), ...taken });
    this.host.say(t("adopted", { n: answer.labeler }));
  }

  select(letter, { focus = false } = {}) {
    if (letter !== this.selected) {
      this.selected = letter;
      this.render();
    }
    if (!focus) return;
    const { element } = this.cards.get(letter);
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  announce(letter) {
    const at = ranking.tierOf(this.state, letter);
    if (at < 0) return;
    const tier = this.state.tiers[at];
    const values = { letter, letters: listed(tier), n: ranking.placeOf(this.state, letter), k: this.letters.length };
    if (tier.length === 1) this.host.say(t("said_place", values));
    else if (ranking.isUnresolved(this.state, tier)) this.host.say(sentences([t("said_place", values), t("are_equal", values)]));
    else this.host.say(t("said_tied", values));
  }

  // --- what the page asks ------------------------------------------------------------------------------------

  get isSentBack() {
    return false;
  }

  decide(verdict) {
    this.verdict = verdict;
    this.host.changed();
  }

  body() {
    const { scores, tiers, tied, moved } = this.state;
    return { scores, tiers, tied, moved, verdict: this.verdict, returns: this.returns() };
  }

  answer() {
    if (this.verdict) return { verdict: this.verdict, returns: this.returns() };
    const { scores, tiers, tied } = this.state;
    return { scores, tiers, tied, returns: this.returns() };
  }

  returns() {
    return [...this.sent].map(([labeler, comment]) => ({ labeler, comment }));
  }

  isBlank() {
    return ranking.isBlank(this.state) && !this.sent.size;
  }

  problem() {
    const silent = [...this.sent].find(([, comment]) => !comment.trim());
    if (silent) return t("say_why_to", { n: silent[0] });
    if (this.verdict) return "";
    const { unscored, unresolved } = ranking.missing(this.state);
    const parts = [];
    if (unscored.length) parts.push(t("scored", { n: this.letters.length - unscored.length, k: this.letters.length }));
    for (const tier of unresolved) parts.push(t("are_equal", { letters: listed(tier) }));
    return sentences(parts);
  }

  render() {
    for (const input of this.verdicts) input.checked = input.value === this.verdict;
    for (const [letter, { element, place, inputs }] of this.cards) {
      const tier = this.state.tiers[ranking.tierOf(this.state, letter)];
      const at = ranking.placeOf(this.state, letter);
      const isOpen = Boolean(tier) && ranking.isUnresolved(this.state, tier);
      const where = at === null ? "" : t(tier.length > 1 ? "place_tied" : "place", { n: at });
      const score = this.state.scores[letter];
      element.classList.toggle("is-selected", letter === this.selected);
      element.classList.toggle("is-unresolved", isOpen);
      place.textContent = where;
      for (const input of inputs) input.checked = Number(input.value) === score;
      const mine = this.mine.get(letter);
      mine.classList.toggle("is-unresolved", isOpen);
      mine.replaceChildren(h("span", { class: "place" }, where || "–"), score === undefined ? "" : h("span", { class: "said-score" }, t("score_is", { n: score })));
    }
    for (const button of this.root.querySelectorAll("[data-back]")) button.setAttribute("aria-pressed", String(this.sent.has(Number(button.dataset.back))));
  }

  press({ action, own }) {
    const score = Number(own);
    const adopting = action.startsWith("adopt_") ? Number(action.slice("adopt_".length)) : 0;
    if (this.letters.includes(own)) this.select(own, { focus: true });
    else if (adopting && adopting <= this.answers.length) this.adopt(adopting - 1);
    else if (action in VERDICTS && (VERDICTS[action] || this.hasOrder)) this.decide(VERDICTS[action]);
    else if (!this.hasOrder) return false;
    else if (own && score >= this.scale.min && score <= this.scale.max) this.scoreAndGoOn(score);
    else if (action === "next") this.step(1);
    else if (action === "previous") this.step(-1);
    else if (action === "move_up") this.change(ranking.move(this.state, this.selected, -1), this.selected);
    else if (action === "move_down") this.change(ranking.move(this.state, this.selected, 1), this.selected);
    else if (action === "tie") this.tie(this.selected);
    else return false;
    return true;
  }

  scoreAndGoOn(score) {
    const scored = this.selected;
    this.change(ranking.setScore(this.state, scored, score), scored);
    const { unscored } = ranking.missing(this.state);
    const next = unscored.find((letter) => letter > scored) ?? unscored[0];
    if (next) this.select(next, { focus: true });
  }

  step(by) {
    const at = this.letters.indexOf(this.selected);
    this.select(this.letters[(at + by + this.letters.length) % this.letters.length], { focus: true });
  }
}
