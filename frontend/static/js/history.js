// The dialog with earlier versions of what is being written: kept in this browser, and sent before.

import { find, h } from "./dom.js";
import { Versions } from "./versions.js";
import { countWords, moment, number, t } from "./words.js";

const KEEP_DAYS = 30;

export class History {
  // `editor` has state() → {text, body}, restore(body), and textOf(given) and bodyOf(given) of a sent revision.
  constructor(workspace, editor, path) {
    Object.assign(this, { workspace, editor, path });
    this.dialog = find("#versions-dialog");
    this.list = find("#versions-list");
    find("#versions").addEventListener("click", () => this.open());
    this.dialog.querySelector("[data-close]").addEventListener("click", () => this.dialog.close());
    this.prune();
  }

  begin(assignment) {
    this.name = `versions:${assignment.token}`;
    this.versions = new Versions(this.workspace.store.get(this.name)?.kept, this.editor.state(), Date.now());
  }

  note() {
    if (this.versions.note(this.editor.state(), Date.now())) this.save();
  }

  save() {
    this.workspace.store.put(this.name, { kept: this.versions.kept });
  }

  open() {
    this.show([]);
    this.dialog.showModal();
    const answer = this.workspace.current?.revising?.result?.answer;
    if (!answer) return;
    this.workspace.api.send("GET", `${this.path}/${answer}/revisions`).then(
      ({ revisions }) => this.show(revisions),
      () => this.show([], t("versions_failed")),
    );
  }

  show(revisions, trouble = "") {
    const { text } = this.editor.state();
    const here = this.versions.kept
      .filter((each) => each.text !== text)
      .map(({ at, text: kept, body }) => ({ at, text: kept, body, from: t("version_here") }));
    const sent = revisions.map(({ number: n, own, given, created_at: at }) => ({
      at: Date.parse(at),
      text: this.editor.textOf(given),
      body: this.editor.bodyOf(given),
      from: t(own ? "version_sent" : "version_reviewer", { n }),
    }));
    const all = [...here, ...sent].sort((a, b) => b.at - a.at);
    this.list.replaceChildren(...all.map((each) => this.entry(each)));
    const note = find("#versions-note");
    note.textContent = trouble || (all.length ? "" : t("version_none"));
    note.hidden = !note.textContent;
  }

  entry({ at, text, body, from }) {
    const bring = () => {
      this.dialog.close();
      this.bringBack(body);
    };
    return h(
      "li",
      { class: "version" },
      h(
        "details",
        {},
        h("summary", {}, h("b", {}, moment(at)), h("span", { class: "soft small" }, `${from} · ${t("words_n", { n: number(countWords(text)) })}`)),
        h("div", { class: "text version-text", dir: "auto" }, text),
      ),
      h("button", { class: "button button--small", type: "button", "aria-label": `${t("version_restore")}: ${moment(at)}`, onclick: bring }, t("version_restore")),
    );
  }

  // What stands there now, before something else takes its place.
  keep() {
    this.versions.keep(this.editor.state(), Date.now());
    this.save();
  }

  bringBack(body) {
    this.keep();
    this.editor.restore(body);
    this.workspace.view.say(t("version_restored"));
  }

  prune() {
    const { store } = this.workspace;
    const oldest = Date.now() - KEEP_DAYS * 86_400_000;
    for (const name of store.names("versions:")) if ((store.get(name)?.saved ?? 0) < oldest) store.drop(name);
  }
}
