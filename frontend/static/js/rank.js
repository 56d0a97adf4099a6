// The ranking page: joins the state of a ranking with its cards, its board, keys and drag, and with the sort
// that asks for the order where the project wants one.

import { Asking } from "./asking.js";
import { Board } from "./board.js";
import { Cards } from "./cards.js";
import { showConversation } from "./conversation.js";
import { find } from "./dom.js";
import { dragging } from "./drag.js";
import { inKeyOrder } from "./flags.js";
import { keys } from "./keys.js";
import * as ranking from "./ranking.js";
import { Reading } from "./reading.js";
import { RubricDialog } from "./rubric.js";
import { WAYS } from "./ways.js";
import { listed, sentences, t } from "./words.js";
import { Workspace } from "./workspace.js";

class RankEditor {
  constructor() {
    this.cards = new Cards(find("#cards"), {
      score: (letter, score) => this.score(letter, score),
      flag: (letter, flag, value) => this.setFlag(letter, flag, ranking.setFlag(this.state, letter, flag.key, value, this.flagKeys)),
      move: (letter, step) => this.move(letter, step),
      select: (letter) => this.select(letter),
    });
    this.board = new Board(find("#tiers"), find("#tray"), {
      tie: (letter) => this.tie(letter),
      go: (letter) => this.select(letter, { focus: true }),
    });
    this.reading = new Reading({
      say: (text) => workspace.view.say(text),
      select: (letter) => this.select(letter, { focus: true }),
    });
    this.help = new RubricDialog(find("#rubric-dialog"), find("#rubric-button"));
    this.asking = new Asking(find("#asking"), { choose: (value) => this.choose(value), back: () => this.back() });
    find("#prompt-region").setAttribute("aria-describedby", "asking-text");
    this.allBad = find("#all-bad");
    this.comment = find("#comment");
    this.allBad.addEventListener("change", () => this.change({ ...this.state, all_bad: this.allBad.checked }));
    this.comment.addEventListener("input", () => this.change({ ...this.state, comment: this.comment.value }));
    find("#order-by-scores").addEventListener("click", () => this.change(ranking.orderByScores(this.state)));
    this.used = new Set();
    find("#work").addEventListener("pointerdown", (event) => {
      if (event.target.closest("button, label, summary, .grip, .chip")) this.used.add("pointer");
    });
    dragging({
      area: find("#work"),
      handles: ".chip, .grip",
      tiers: find("#tiers"),
      drop: (letter, { gap, into }) => {
        if (this.sorting()) return;
        const place = into === undefined ? ranking.placeBetween(this.state, letter, gap) : ranking.placeInTier(this.state, letter, into);
        this.change(place, letter);
      },
    });
  }

  // --- what the workspace asks of an editor ---------------------------------------------------------------

  mount(assignment, body, refusal = null) {
    const { rubric } = assignment;
    this.assignment = assignment;
    this.scale = { min: rubric.scale_min, max: rubric.scale_max };
    this.flags = inKeyOrder(rubric.flags);
    this.flagKeys = rubric.flags.map(({ key }) => key);
    this.help.mount(rubric);
    this.letters = assignment.completions.map(({ letter }) => letter);
    this.method = assignment.method in WAYS ? assignment.method : "rate";
    this.way = WAYS[this.method];
    this.state = ranking.restore(this.letters, body, this.scale, this.flagKeys, this.way);
    this.refusal = refusal?.message ?? "";
    this.flagging = false;
    this.used.clear();
    showConversation(find("#prompt"), assignment.prompt.messages);
    this.cards.mount(assignment);
    this.reading.mount(assignment);
    this.comment.value = this.state.comment;
    find("#work").dataset.method = this.method;
    this.selected = this.nextUnscored() ?? this.letters[0];
    this.render();
    window.scrollTo(0, 0);
    find("#prompt-region").focus({ preventScroll: true });
  }

  prepare(assignment) {
    this.reading.prepare(assignment);
  }

  body() {
    const { letters: _, ...body } = this.state;
    return body;
  }

  answer(seconds) {
    const mode = this.used.size === 2 ? "mixed" : ([...this.used][0] ?? "keys");
    return { ...ranking.answer(this.state), active_seconds: seconds, mode };
  }

  isBlank() {
    return ranking.isBlank(this.state);
  }

  problem() {
    const sorting = this.sorting();
    if (sorting) return this.way.ask(sorting).text;
    const { unscored, unplaced, unresolved } = ranking.missing(this.state);
    const parts = [];
    if (unscored.length) parts.push(t("scored", { n: this.letters.length - unscored.length, k: this.letters.length }));
    // Where scores give the places, to ask for scores says it all.
    if (unplaced.length && !this.way.seeds) parts.push(t("unplaced", { letters: listed(unplaced) }));
    for (const tier of unresolved) parts.push(t("are_equal", { letters: listed(tier) }));
    const asking = this.letters.filter((letter) => ranking.unanswered(this.state, letter, this.flags).length);
    if (asking.length) parts.push(t("flags_wanted", { letters: listed(asking) }));
    return sentences(parts);
  }

  // --- changes ------------------------------------------------------------------------------------------

  change(state, about = null) {
    if (state === this.state) return;
    this.state = state;
    this.refusal = "";
    this.render();
    workspace.changed();
    if (about) this.announce(about);
  }

  score(letter, score) {
    this.change(ranking.setScore(this.state, letter, score, this.way));
    if (this.way.seeds) this.announce(letter);
    else workspace.view.say(t("chip", { letter, score }));
  }

  move(letter, step) {
    if (!this.sorting()) this.change(ranking.move(this.state, letter, step), letter);
  }

  // By keys, what is still equal is next: its first letter is chosen.
  moveOn(letter, step) {
    if (this.sorting()) return;
    const from = this.state.tiers[ranking.tierOf(this.state, letter)] ?? [];
    this.move(letter, step);
    const left = this.state.tiers.find((tier) => ranking.isUnresolved(this.state, tier) && from.includes(tier[0]));
    if (!left) return;
    this.select(left[0]);
    workspace.view.say(sentences([this.spoken(letter), t("are_equal", { letters: listed(left) })]));
  }

  tie(letter) {
    if (this.sorting()) {
      this.choose("=");
      return;
    }
    const isNew = !this.way.seeds && ranking.tierOf(this.state, letter) < 0;
    this.change(isNew ? ranking.joinLast(this.state, letter) : ranking.toggleTie(this.state, letter), letter);
    const [open] = ranking.missing(this.state).unresolved;
    if (open) this.select(open[0]);
  }

  // --- a sort -------------------------------------------------------------------------------------------

  // What the sort has come to while it still asks; null without one, and where all are bad, which needs no order.
  sorting() {
    const { choices, all_bad: isAllBad } = this.state;
    const sorting = choices && !isAllBad && this.way.sort ? this.way.sort.sorted(this.letters, choices) : null;
    return sorting?.asks ? sorting : null;
  }

  // The two that a sort compares, or every letter.
  shown() {
    const { left, right } = this.sorting()?.asks ?? {};
    return right ? [left, right] : this.letters;
  }

  choose(value) {
    const before = this.sorting();
    if (!before) return;
    const choices = this.way.sort.choose(this.letters, this.state.choices, value);
    if (choices === this.state.choices) return;
    const seen = this.shown();
    this.change(ranking.sortedBy(this.state, choices, this.way.sort));
    this.goOn(seen, this.way.said(before.asks, choices.at(-1)));
  }

  back() {
    if (!this.state.choices?.length || this.state.all_bad) return;
    const seen = this.shown();
    this.change(ranking.sortedBy(this.state, this.state.choices.slice(0, -1), this.way.sort));
    this.goOn(seen, t("went_back"));
  }

  // What is asked next is said, and what is new to read gets the focus; after the last, scores are asked.
  goOn(seen, said) {
    const sorting = this.sorting();
    if (sorting) {
      const { text, count } = this.way.ask(sorting);
      workspace.view.say(sentences([said, text, count]));
      const shown = this.shown();
      const fresh = shown.find((letter) => !seen.includes(letter)) ?? shown[0];
      if (shown !== this.letters) this.select(fresh, { focus: !this.asking.hasFocus });
      return;
    }
    const next = this.nextUnscored();
    workspace.view.say(sentences([said, t("order_whole"), ...(next ? [t("score_next", { letter: next })] : [])]));
    this.select(next ?? this.state.tiers[0][0], { focus: true });
  }

  // After a sort scores are asked from the best to the worst.
  nextUnscored(after = null) {
    const unscored = ranking.missing(this.state).unscored;
    const order = this.way.sort && !this.sorting() && ranking.isOrdered(this.state) ? this.state.tiers.flat() : this.letters;
    const open = order.filter((letter) => unscored.includes(letter));
    return open.find((letter) => order.indexOf(letter) > order.indexOf(after)) ?? open[0];
  }

  select(letter, { focus = false } = {}) {
    if (!this.shown().includes(letter)) return;
    if (letter !== this.selected) {
      if (this.flagging) this.flag(false);
      this.selected = letter;
      this.render();
    }
    if (focus) this.cards.focus(letter);
  }

  announce(letter) {
    const spoken = this.spoken(letter);
    if (spoken) workspace.view.say(spoken);
  }

  // Where a letter stands, in words; "" where it has no place.
  spoken(letter) {
    const at = ranking.tierOf(this.state, letter);
    if (at < 0) return "";
    const tier = this.state.tiers[at];
    const values = { letter, letters: listed(tier), n: ranking.placeOf(this.state, letter), k: this.letters.length };
    if (tier.length === 1) return t("said_place", values);
    if (ranking.isUnresolved(this.state, tier)) return sentences([t("said_place", values), t("are_equal", values)]);
    return t("said_tied", values);
  }

  render() {
    const sorting = this.sorting();
    const shown = this.shown();
    if (!shown.includes(this.selected)) this.selected = shown[0];
    find("#work").classList.toggle("is-sorting", Boolean(sorting));
    find("#tiers").dataset.hint = t(this.way.seeds ? "hint_rate" : "hint_direct");
    find("#finish").hidden = Boolean(sorting);
    this.asking.render(sorting && this.way.ask(sorting), Boolean(this.state.choices?.length) && !this.state.all_bad);
    this.cards.pair(shown === this.letters ? null : shown);
    this.reading.restrict(shown === this.letters ? null : shown);
    this.reading.choose(this.selected);
    this.cards.render(this.state, this.selected);
    this.board.render(this.state, this.selected);
    this.allBad.checked = this.state.all_bad;
    const disagree = ranking.conflicts(this.state);
    find("#conflicts").hidden = disagree === 0 || Boolean(sorting);
    find("#order-by-scores").hidden = !this.way.seeds;
    find("#conflicts-text").textContent = t("conflicts", { n: disagree });
    const problem = this.problem();
    find("#submit").setAttribute("aria-disabled", String(Boolean(problem)));
    const reason = find("#submit-reason");
    reason.textContent = this.refusal || problem || t(this.state.all_bad ? "ready_all_bad" : "ready");
    reason.classList.toggle("is-error", Boolean(this.refusal));
  }

  // --- keys ---------------------------------------------------------------------------------------------

  flag(isOn) {
    this.flagging = isOn && this.flagKeys.length > 0;
    this.cards.openFlags(this.selected, this.flagging);
    if (!this.flagging) return;
    const isAsking = ranking.unanswered(this.state, this.selected, this.flags).length > 0;
    workspace.view.say(t(isAsking ? "flagging_required" : "flagging", { letter: this.selected }));
  }

  setFlag(letter, flag, state) {
    this.change(state);
    const value = ranking.flagOf(state, letter, flag.key);
    workspace.view.say(t(value === null ? "said_flag_unset" : value ? "said_flag_yes" : "said_flag_no", { letter, flag: flag.label }));
  }

  // The flags of this answer that still want a yes or a no get a no.
  denyRest() {
    const rest = ranking.unanswered(this.state, this.selected, this.flags);
    if (!rest.length) return;
    this.change(rest.reduce((state, { key }) => ranking.setFlag(state, this.selected, key, false, this.flagKeys), this.state));
    workspace.view.say(t("said_flag_no", { letter: this.selected, flag: listed(rest.map(({ label }) => label)) }));
  }

  scope() {
    if (this.flagging) return "flags";
    return this.sorting() ? this.method : "rank";
  }

  // True where the key meant something here.
  press(pressed) {
    const isDone = this.flagging ? this.pressFlag(pressed) : (this.sorting() ? this.pressSort(pressed) : this.pressOrder(pressed)) || this.pressAny(pressed);
    if (isDone) this.used.add("keys");
    // How one reads is no part of how one ranks.
    return isDone || (!this.flagging && this.reading.press(pressed));
  }

  pressFlag({ action, own, key }) {
    const flag = own && this.flags[keys.flags.indexOf(own)];
    if (key === "Escape" || key === "Enter" || action === "flags") this.flag(false);
    else if (flag) this.setFlag(this.selected, flag, ranking.turnFlag(this.state, this.selected, flag, this.flagKeys));
    else if (action === "deny") this.denyRest();
    else if (action === "rubric") this.help.open();
    else if (action === "next") this.flagOther(1);
    else if (action === "previous") this.flagOther(-1);
    else return false;
    return true;
  }

  flagOther(by) {
    this.step(by);
    this.flag(true);
  }

  // In a sort a letter is an answer to what it asks, and what would score by hand waits for its end.
  pressSort({ action, own }) {
    if (action in this.way.actions) this.choose(this.way.actions[action]);
    else if (this.letters.includes(own)) this.choose(own);
    else return this.shown() !== this.letters && /^\d$/.test(own);
    return true;
  }

  pressOrder({ action, own }) {
    if (this.letters.includes(own)) this.select(own, { focus: true });
    else if (action === "move_up") this.moveOn(this.selected, -1);
    else if (action === "move_down") this.moveOn(this.selected, 1);
    else if (action === "tie") this.tie(this.selected);
    else return false;
    return true;
  }

  pressAny({ action, own }) {
    const score = Number(own);
    if (own && score >= this.scale.min && score <= this.scale.max) this.scoreAndGoOn(score);
    else if (action === "back" && this.state.choices?.length) this.back();
    else if (action === "next") this.step(1);
    else if (action === "previous") this.step(-1);
    else if (action === "all_bad") this.change({ ...this.state, all_bad: !this.state.all_bad });
    else if (action === "flags") this.flag(true);
    else if (action === "rubric") this.help.open();
    else if (action === "comment") this.openComment();
    else return false;
    return true;
  }

  scoreAndGoOn(score) {
    const scored = this.selected;
    this.score(scored, score);
    const { unresolved } = this.sorting() ? { unresolved: [] } : ranking.missing(this.state);
    const next = this.nextUnscored(scored) ?? (unresolved.some((tier) => tier.includes(scored)) ? scored : unresolved[0]?.[0]);
    if (next && next !== scored) this.select(next, { focus: true });
  }

  step(by) {
    const shown = this.shown();
    const next = shown[(shown.indexOf(this.selected) + by + shown.length) % shown.length];
    this.select(next, { focus: true });
  }

  openComment() {
    find("#comment-box").open = true;
    this.comment.focus();
  }
}

const workspace = new Workspace(new RankEditor());
workspace.start();
