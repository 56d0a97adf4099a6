// The demonstration page: a prompt, and room to answer it.

import { showConversation } from "./conversation.js";
import { find } from "./dom.js";
import { bindGuide } from "./guide.js";
import { History } from "./history.js";
import * as paste from "./paste.js";
import { Preview, setSafe } from "./preview.js";
import { Reading } from "./reading.js";
import { countWords, number, t } from "./words.js";
import { Workspace } from "./workspace.js";

const lengths = JSON.parse(find("#lengths").textContent);

class DemonstrateEditor {
  constructor() {
    this.text = find("#text");
    this.reading = new Reading({ say: (text) => workspace.view.say(text) });
    this.text.addEventListener("input", ({ inputType }) => this.edited(/^insertFrom(Paste|Drop)/.test(inputType)));
  }

  mount(assignment, body, refusal = null) {
    showConversation(find("#prompt"), assignment.prompt.messages);
    this.reading.mount(assignment);
    this.set(body);
    this.refusal = refusal?.message ?? "";
    this.showLengths(assignment.prompt.use_case);
    preview.off();
    history.begin(assignment);
    this.render();
    window.scrollTo(0, 0);
    this.text.focus({ preventScroll: true });
  }

  prepare(assignment) {
    this.reading.prepare(assignment);
  }

  keepVersion() {
    history.keep();
  }

  set(body) {
    this.text.value = typeof body?.text === "string" ? body.text : "";
    this.before = this.text.value;
    this.pasted = paste.known(body?.pasted, this.before.length);
  }

  edited(isPaste) {
    this.pasted = paste.edited(this.pasted, this.before, this.text.value, isPaste);
    this.before = this.text.value;
    this.refusal = "";
    this.render();
    history.note();
    workspace.changed();
  }

  body() {
    return { text: this.text.value, pasted: this.pasted };
  }

  answer(seconds) {
    const share = paste.share([[this.pasted, this.text.value.length]]);
    return { text: this.text.value, active_seconds: seconds, pasted_share: share };
  }

  isBlank() {
    return !this.text.value.trim();
  }

  problem() {
    return this.isBlank() ? t("write_something") : "";
  }

  // --- earlier versions ---------------------------------------------------------------------------------

  state() {
    return { text: this.text.value, body: this.body() };
  }

  textOf({ text }) {
    return text;
  }

  bodyOf({ text }) {
    return { text };
  }

  restore(body) {
    preview.off();
    this.set(body);
    this.refusal = "";
    this.render();
    workspace.changed();
    this.text.focus();
  }

  // --- what it looks like -------------------------------------------------------------------------------

  showLengths(useCase) {
    const found = lengths[useCase] ?? lengths[""];
    const line = find("#length-guide");
    line.hidden = !found;
    if (!found) return;
    const { low, median, high } = found;
    const key = lengths[useCase] && useCase ? "length_guide_case" : "length_guide";
    line.textContent = t(key, { low: number(low), median: number(median), high: number(high) });
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

  press(pressed) {
    if (pressed.action === "preview") preview.toggle();
    else if (pressed.action === "versions") history.open();
    else return this.reading.press(pressed);
    return true;
  }
}

const editor = new DemonstrateEditor();
const workspace = new Workspace(editor);
const history = new History(workspace, editor, "demonstrations");
const preview = new Preview({
  editing: editor.text,
  show: async (region) => {
    const { html } = await workspace.api.post("preview", { text: editor.text.value });
    setSafe(region, html);
  },
  focus: () => editor.text.focus(),
  say: (text) => workspace.view.say(text),
});
bindGuide();
workspace.start();
