// The page where a prompt is written: a text of one's own, or an instruction with examples and a last question.

import { showConversation } from "./conversation.js";
import { find, h } from "./dom.js";
import { Examples } from "./examples.js";
import { bindGuide } from "./guide.js";
import { History } from "./history.js";
import * as paste from "./paste.js";
import { Preview } from "./preview.js";
import { countWords, number, t } from "./words.js";
import { Workspace } from "./workspace.js";

const language = document.documentElement.lang || "en";

class PromptEditor {
  constructor() {
    this.text = find("#text");
    this.instruction = find("#instruction");
    this.last = find("#last");
    this.useCase = find("#use-case");
    this.language = find("#language");
    this.flags = [...document.querySelectorAll("#flags input")];
    this.pasted = new Map();
    this.examples = new Examples({
      most: JSON.parse(find("#most-examples").textContent),
      onEdit: (field, event) => this.edited(field, event),
      onRemove: (example, place) => this.removed(example, place),
      say: (text) => workspace.view.say(text),
    });
    for (const field of [this.text, this.instruction, this.last]) field.addEventListener("input", (event) => this.edited(field, event));
    for (const field of [this.useCase, this.language, ...this.flags]) field.addEventListener("input", () => this.changed());
  }

  mount(assignment, body, refusal = null) {
    const { kind, note } = assignment.brief;
    this.kind = kind;
    this.asked = assignment.prompt;
    find("#brief-kind").textContent = t(`kind_${kind}`);
    find("#brief-help").textContent = t(`help_${kind}`);
    find("#brief-note").textContent = note;
    find("#brief-note").hidden = !note;
    find("#single").hidden = this.isFewShot;
    find("#few-shot").hidden = !this.isFewShot;
    this.useCase.disabled = Boolean(this.asked.use_case);
    this.language.readOnly = Boolean(this.asked.language);
    this.set(body);
    this.refusal = refusal?.message ?? "";
    preview.off();
    history.begin(assignment);
    this.render();
    window.scrollTo(0, 0);
    (this.isFewShot ? this.instruction : this.text).focus({ preventScroll: true });
  }

  keepVersion() {
    history.keep();
  }

  get isFewShot() {
    return this.kind === "few_shot";
  }

  // The fields of the kind asked for, in their order on the page.
  fields() {
    return this.isFewShot ? [this.instruction, ...this.examples.fields(), this.last] : [this.text];
  }

  set(body) {
    this.text.value = body?.text ?? "";
    this.instruction.value = body?.instruction ?? "";
    this.last.value = body?.last ?? "";
    this.examples.set(Array.isArray(body?.examples) ? body.examples : []);
    this.useCase.value = this.asked.use_case || body?.use_case || "";
    this.language.value = this.asked.language || body?.language || workspace.store.get("language")?.tag || language;
    const flags = Array.isArray(body?.flags) ? body.flags : [];
    for (const box of this.flags) box.checked = flags.includes(box.value);
    this.pasted.clear();
    this.fields().forEach((field, place) => this.follow(field, body?.pasted?.[place]));
  }

  follow(field, stretches) {
    this.pasted.set(field, { before: field.value, stretches: paste.known(stretches, field.value.length) });
  }

  edited(field, { inputType }) {
    const { before, stretches } = this.pasted.get(field) ?? { before: "", stretches: [] };
    const isPaste = /^insertFrom(Paste|Drop)/.test(inputType);
    this.pasted.set(field, { before: field.value, stretches: paste.edited(stretches, before, field.value, isPaste) });
    this.changed();
  }

  // Undone, the example is where it was.
  removed(example, place) {
    this.changed();
    workspace.view.toast(t("example_removed"), t("undo"), () => {
      this.examples.insert(example, place).querySelector("textarea").focus();
      this.changed();
    });
  }

  changed() {
    for (const field of this.fields()) if (!this.pasted.has(field)) this.follow(field);
    this.refusal = "";
    this.render();
    history.note();
    workspace.changed();
  }

  // --- what it says -------------------------------------------------------------------------------------

  body() {
    return {
      text: this.text.value,
      instruction: this.instruction.value,
      examples: this.isFewShot ? this.examples.get() : [],
      last: this.last.value,
      use_case: this.useCase.value,
      language: this.language.value,
      flags: this.chosen(),
      pasted: this.fields().map((field) => this.pasted.get(field)?.stretches ?? []),
    };
  }

  answer(seconds) {
    const tag = this.language.value.trim();
    if (!this.asked.language) workspace.store.put("language", { tag });
    return {
      messages: this.messages(),
      use_case: this.useCase.value,
      language: tag,
      flags: this.chosen(),
      active_seconds: seconds,
      pasted_share: paste.share(this.fields().map((field) => [this.pasted.get(field)?.stretches ?? [], field.value.length])),
    };
  }

  messages() {
    if (!this.isFewShot) return [{ role: "user", content: this.text.value }];
    const turns = this.examples.get().flatMap(({ query, response }) => [
      { role: "user", content: query },
      { role: "assistant", content: response },
    ]);
    return [{ role: "system", content: this.instruction.value }, ...turns, { role: "user", content: this.last.value }];
  }

  chosen() {
    return this.flags.filter((box) => box.checked).map((box) => box.value);
  }

  isBlank() {
    return this.fields().every((field) => !field.value.trim());
  }

  problem() {
    const { problem } = this.missing();
    return problem;
  }

  // What is wanted next, and where.
  missing() {
    const isEmpty = (field) => !field.value.trim();
    if (!this.isFewShot && isEmpty(this.text)) return { problem: t("write_prompt"), field: this.text };
    if (this.isFewShot) {
      if (isEmpty(this.instruction)) return { problem: t("write_instruction"), field: this.instruction };
      const place = this.examples.fields().findIndex(isEmpty);
      if (place >= 0) return { problem: t("write_example", { n: Math.floor(place / 2) + 1 }), field: this.examples.fields()[place] };
      if (isEmpty(this.last)) return { problem: t("write_last"), field: this.last };
    }
    if (!this.useCase.value) return { problem: t("choose_use_case"), field: this.useCase };
    if (!this.language.value.trim()) return { problem: t("choose_language"), field: this.language };
    return { problem: "", field: null };
  }

  // --- earlier versions ---------------------------------------------------------------------------------

  state() {
    return { text: this.fields().map((field) => field.value).join("\n\n"), body: this.body() };
  }

  textOf({ messages }) {
    return messages.map(({ content }) => content).join("\n\n");
  }

  bodyOf({ messages, ...labels }) {
    if (!this.isFewShot) return { ...labels, text: messages[0].content };
    const turns = messages.slice(1, -1);
    const examples = turns.flatMap((turn, place) => (place % 2 ? [] : [{ query: turn.content, response: turns[place + 1].content }]));
    return { ...labels, instruction: messages[0].content, examples, last: messages.at(-1).content };
  }

  restore(body) {
    preview.off();
    this.set(body);
    this.refusal = "";
    this.render();
    workspace.changed();
    this.fields()[0].focus();
  }

  // --- what it looks like -------------------------------------------------------------------------------

  render() {
    const { value } = this.text;
    find("#count").textContent = t("count", { words: number(countWords(value)), characters: number([...value].length) });
    find("#language-name").textContent = nameOf(this.language.value.trim());
    const problem = this.problem();
    find("#submit").setAttribute("aria-disabled", String(Boolean(problem)));
    const reason = find("#submit-reason");
    reason.textContent = this.refusal || problem || t("ready");
    reason.classList.toggle("is-error", Boolean(this.refusal));
    if (CSS.supports("field-sizing", "content")) return;
    for (const field of this.fields()) {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight + 2}px`;
    }
  }

  press({ action }) {
    if (action === "preview") preview.toggle();
    else if (action === "versions") history.open();
    else if (action === "add_example" && this.isFewShot) this.examples.add();
    else return false;
    return true;
  }
}

function nameOf(tag) {
  try {
    return tag ? (new Intl.DisplayNames([language], { type: "language", fallback: "none" }).of(tag) ?? "") : "";
  } catch {
    return "";
  }
}

const editor = new PromptEditor();
const workspace = new Workspace(editor);
const history = new History(workspace, editor, "written-prompts");
const preview = new Preview({
  editing: find("#fields"),
  show: (region) => {
    const turns = h("ol", { class: "conversation" });
    showConversation(turns, editor.messages().filter(({ content }) => content.trim()));
    region.replaceChildren(turns);
  },
  focus: () => editor.fields()[0].focus(),
  say: (text) => workspace.view.say(text),
});
bindGuide();
// What is missing is shown where it is missing.
find("#submit").addEventListener("click", () => editor.missing().field?.focus());
workspace.start();
