// The ranking page: joins the state of a ranking with its cards, its board, keys and drag.

import { Board } from "./board.js";
import { Cards, FLAG_KEYS } from "./cards.js";
import { showConversation } from "./conversation.js";
import { find } from "./dom.js";
import { dragging } from "./drag.js";
import * as ranking from "./ranking.js";
import { Reading } from "./reading.js";
import { listed, sentences, t } from "./words.js";
import { Workspace } from "./workspace.js";

class RankEditor {
  constructor() {
    this.cards = new Cards(find("#cards"), {
      score: (letter, score) => this.change(ranking.setScore(this.state, letter, score), letter),
      flag: (letter, key) => this.change(ranking.toggleFlag(this.state, letter, key, this.flagKeys)),
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
        const place = into === undefined ? ranking.placeBetween(this.state, letter, gap) : ranking.placeInTier(this.state, letter, into);
        this.change(place, letter);
      },
    });
  }

  // --- what the workspace asks of an editor ---------------------------------------------------------------

  mount(assignment, body, refusal = null) {
    const { rubric } = assignment;
    this.assignment = assignment;
    this.rubric = rubric;
    this.scale = { min: rubric.scale_min, max: rubric.scale_max };
    this.flagKeys = rubric.flags.map(({ key }) => key);
    this.letters = assignment.completions.map(({ letter }) => letter);
    this.state = ranking.restore(this.letters, body, this.scale, this.flagKeys);
    this.refusal = refusal?.message ?? "";
    this.flagging = false;
    this.used.clear();
    showConversation(find("#prompt"), assignment.prompt.messages);
    this.cards.mount(assignment);
    this.reading.mount(assignment);
    this.comment.value = this.state.comment;
    this.selected = ranking.missing(this.state).unscored[0] ?? this.letters[0];
    this.render();
    window.scrollTo(0, 0);
    find("#prompt-region").focus({ preventScroll: true });
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
    const { unscored, unresolved } = ranking.missing(this.state);
    const parts = [];
    if (unscored.length) parts.push(t("scored", { n: this.letters.length - unscored.length, k: this.letters.length }));
    for (const tier of unresolved) parts.push(t("are_equal", { letters: listed(tier) }));
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

  move(letter, step) {
    this.change(ranking.move(this.state, letter, step), letter);
  }

  tie(letter) {
    this.change(ranking.toggleTie(this.state, letter), letter);
    const [open] = ranking.missing(this.state).unresolved;
    if (open) this.select(open[0]);
  }

  select(letter, { focus = false } = {}) {
    if (letter !== this.selected) {
      if (this.flagging) this.flag(false);
      this.selected = letter;
      this.render();
    }
    if (focus) this.cards.focus(letter);
  }

  announce(letter) {
    const at = ranking.tierOf(this.state, letter);
    if (at < 0) return;
    const tier = this.state.tiers[at];
    const values = { letter, letters: listed(tier), n: ranking.placeOf(this.state, letter), k: this.letters.length };
    if (tier.length === 1) workspace.view.say(t("said_place", values));
    else if (ranking.isUnresolved(this.state, tier)) workspace.view.say(sentences([t("said_place", values), t("are_equal", values)]));
    else workspace.view.say(t("said_tied", values));
  }

  render() {
    this.reading.choose(this.selected);
    this.cards.render(this.state, this.selected, this.rubric);
    this.board.render(this.state, this.selected);
    this.allBad.checked = this.state.all_bad;
    const disagree = ranking.conflicts(this.state);
    find("#conflicts").hidden = disagree === 0;
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
    if (this.flagging) workspace.view.say(t("flagging", { letter: this.selected }));
  }

  // True where the key meant something here.
  press(event) {
    if (find("#work").hidden) return false;
    const isDone = event.altKey ? this.pressAlt(event.key) : this.flagging ? this.pressFlag(event.key) : this.pressPlain(event);
    if (isDone) this.used.add("keys");
    // How one reads is no part of how one ranks.
    return isDone || (!event.altKey && !this.flagging && this.reading.press(event));
  }

  pressAlt(key) {
    if (key !== "ArrowUp" && key !== "ArrowDown") return false;
    this.move(this.selected, key === "ArrowUp" ? -1 : 1);
    return true;
  }

  pressFlag(key) {
    const flag = this.flagKeys[FLAG_KEYS.indexOf(key.toLowerCase())];
    if (key === "Escape" || key === "Enter" || key.toLowerCase() === "t") this.flag(false);
    else if (flag && key.length === 1) this.change(ranking.toggleFlag(this.state, this.selected, flag, this.flagKeys));
    else return false;
    return true;
  }

  pressPlain({ key, target }) {
    const letter = key.length === 1 ? key.toUpperCase() : "";
    const score = Number(key);
    const isRadio = target.type === "radio";
    if (this.letters.includes(letter)) this.select(letter, { focus: true });
    else if (key.length === 1 && score >= this.scale.min && score <= this.scale.max) this.scoreAndGoOn(score);
    else if (letter === "J" || (key === "ArrowRight" && !isRadio)) this.step(1);
    else if (letter === "K" || (key === "ArrowLeft" && !isRadio)) this.step(-1);
    else if (key === "[") this.move(this.selected, -1);
    else if (key === "]") this.move(this.selected, 1);
    else if (key === "=") this.tie(this.selected);
    else if (letter === "X") this.change({ ...this.state, all_bad: !this.state.all_bad });
    else if (letter === "T") this.flag(true);
    else if (letter === "M") this.openComment();
    else if (letter === "S") workspace.openSkip();
    else if (letter === "U") workspace.view.undo?.();
    else if (key === "Enter") workspace.submit();
    else return false;
    return true;
  }

  scoreAndGoOn(score) {
    const scored = this.selected;
    this.change(ranking.setScore(this.state, scored, score), scored);
    const { unscored, unresolved } = ranking.missing(this.state);
    const after = unscored.find((letter) => letter > scored) ?? unscored[0];
    const next = after ?? (unresolved.some((tier) => tier.includes(scored)) ? scored : unresolved[0]?.[0]);
    if (next && next !== scored) this.select(next, { focus: true });
  }

  step(by) {
    const at = this.letters.indexOf(this.selected);
    const next = this.letters[(at + by + this.letters.length) % this.letters.length];
    this.select(next, { focus: true });
  }

  openComment() {
    find("#comment-box").open = true;
    this.comment.focus();
  }
}

const workspace = new Workspace(new RankEditor());
workspace.start();
