// The review page: an item's answers to compare and decide, or a text to judge.

import { showConversation } from "./conversation.js";
import { find } from "./dom.js";
import { AnswersReview } from "./review_answers.js";
import { TextReview } from "./review_text.js";
import { t } from "./words.js";
import { Workspace } from "./workspace.js";

class ReviewEditor {
  constructor() {
    const host = {
      changed: () => this.changed(),
      say: (text) => workspace.view.say(text),
    };
    this.kinds = { answers: new AnswersReview(host), text: new TextReview(host) };
    this.comment = find("#comment");
    this.comment.addEventListener("input", () => this.changed());
  }

  mount(assignment, body, refusal = null) {
    const { review } = assignment;
    this.isText = review.turns.length > 0;
    this.part = this.kinds[this.isText ? "text" : "answers"];
    this.refusal = refusal?.message ?? "";
    find("#reason").textContent = t(`reason_${review.reason}`);
    find("#prompt-region").hidden = assignment.prompt.messages.length === 0;
    showConversation(find("#prompt"), assignment.prompt.messages);
    for (const [name, part] of Object.entries(this.kinds)) part.root.hidden = (name === "text") !== this.isText;
    this.comment.value = typeof body?.comment === "string" ? body.comment : "";
    this.part.mount(assignment, body);
    this.render();
    window.scrollTo(0, 0);
    find("#reason").focus({ preventScroll: true });
  }

  body() {
    return { ...this.part.body(), comment: this.comment.value };
  }

  answer(seconds) {
    return { ...this.part.answer(), comment: this.comment.value, active_seconds: seconds };
  }

  isBlank() {
    return this.part.isBlank() && !this.comment.value;
  }

  problem() {
    return this.part.problem(this.comment.value);
  }

  changed() {
    this.refusal = "";
    this.render();
    workspace.changed();
  }

  render() {
    this.part.render();
    find("#comment-label").textContent = t(this.part.isSentBack ? "comment_sent" : "comment_kept");
    const problem = this.problem();
    find("#submit").setAttribute("aria-disabled", String(Boolean(problem)));
    const reason = find("#submit-reason");
    reason.textContent = this.refusal || problem || t("ready");
    reason.classList.toggle("is-error", Boolean(this.refusal));
  }

  scope() {
    return this.isText ? "text" : "answers";
  }

  press(pressed) {
    if (this.part.press(pressed)) return true;
    if (pressed.action !== "comment") return false;
    this.comment.focus();
    return true;
  }
}

const workspace = new Workspace(new ReviewEditor());
workspace.start();
