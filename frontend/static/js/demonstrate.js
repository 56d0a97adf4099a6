// The demonstration page: a prompt, and room to answer it.

import { showConversation } from "./conversation.js";
import { find } from "./dom.js";
import { Reading } from "./reading.js";
import { countWords, number, t } from "./words.js";
import { Workspace } from "./workspace.js";

class DemonstrateEditor {
  constructor() {
    this.text = find("#text");
    this.reading = new Reading({ say: (text) => workspace.view.say(text) });
    this.text.addEventListener("input", () => {
      this.refusal = "";
      this.render();
      workspace.changed();
    });
  }

  mount(assignment, body, refusal = null) {
    showConversation(find("#prompt"), assignment.prompt.messages);
    this.reading.mount(assignment);
    this.text.value = typeof body?.text === "string" ? body.text : "";
    this.refusal = refusal?.message ?? "";
    this.render();
    window.scrollTo(0, 0);
    this.text.focus({ preventScroll: true });
  }

  body() {
    return { text: this.text.value };
  }

  answer(seconds) {
    return { text: this.text.value, active_seconds: seconds };
  }

  isBlank() {
    return !this.text.value.trim();
  }

  problem() {
    return this.isBlank() ? t("write_something") : "";
  }

  render() {
    const { value } = this.text;
    find("#count").textContent = t("count", { words: number(countWords(value)), characters: number([...value].length) });
    const problem = this.problem();
    find("#submit").setAttribute("aria-disabled", String(Boolean(problem)));
    const reason = find("#submit-reason");
    reason.textContent = this.refusal || problem || t("ready");
    reason.classList.toggle("is-error", Boolean(this.refusal));
    if (CSS.supports("field-sizing", "content")) return;
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight + 2}px`;
  }

  press(event) {
    const { key } = event;
    if (key.toLowerCase() === "s" && !find("#work").hidden) workspace.openSkip();
    else if (key.toLowerCase() === "u" && workspace.view.undo) workspace.view.undo();
    else return !event.altKey && this.reading.press(event);
    return true;
  }
}

const workspace = new Workspace(new DemonstrateEditor());
workspace.start();
