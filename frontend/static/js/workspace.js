// The flow of work, the same for every kind: show an item, keep its draft and its lease, submit it, have the
// next one ready, and never lose what was typed. What an item looks like is the editor's part:
//
//   mount(assignment, body, {field, message}?)   show it with this draft
//   prepare(assignment)?                         it comes next: fetch what showing it will want
//   body()                                       the draft as it stands
//   keepVersion()?                               another text takes its place: keep this one among the versions
//   answer(seconds)                              what the server is sent
//   problem()                                    why it cannot be submitted yet, or ""
//   isBlank()                                    nothing has been done yet
//   press({action, own, key, isBack})            a key outside a field (keys.js); true where it meant something
//   scope?(), render()                           the state that decides what keys do; what the page says, anew
//
// The next item is shown from memory; submit, show and reserve follow in the line, in that order.

import { Api } from "./api.js";
import { ActiveClock } from "./clock.js";
import { find, newKey } from "./dom.js";
import { Draft } from "./drafts.js";
import { Lease } from "./lease.js";
import { Line } from "./line.js";
import { Outbox } from "./outbox.js";
import { bindKeys } from "./pressing.js";
import { skipDialog } from "./skip.js";
import { Store } from "./storage.js";
import { Trouble } from "./trouble.js";
import { View } from "./view.js";
import { t } from "./words.js";

const POLL_EVERY = 20_000;
const POLL_SOON = 1000;
const ACTIVE_WITHIN = 60_000;

export class Workspace {
  constructor(editor) {
    const config = JSON.parse(find("#config").textContent);
    this.config = config;
    this.editor = editor;
    this.view = new View();
    this.api = new Api(config.csrf_cookie);
    this.store = new Store(config.user);
    this.trouble = new Trouble(this);
    this.line = new Line((state) => this.trouble.lineState(state));
    this.outbox = new Outbox(this);
    this.current = null;
    this.ahead = null;
    this.suspended = [];
    this.active = performance.now();
    for (const name of ["pointerdown", "keydown", "wheel", "scroll", "touchmove"]) {
      addEventListener(name, () => this.noteActivity(), { passive: true, capture: true });
    }
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    this.store.watch((name) => this.trouble.elsewhere(name));
    this.openSkip = skipDialog((reason) => this.skip(reason));
    find("#submit").addEventListener("click", () => this.submit());
    find("#skip").addEventListener("click", this.openSkip);
    find("#look").addEventListener("click", () => this.look());
    bindKeys(this);
  }

  start() {
    const { assignment, reason, change } = this.config;
    this.trouble.resend();
    if (change) {
      this.change(change);
      return;
    }
    // The very item whose answer is still on its way: go on as after a submit.
    if (assignment && this.outbox.has(assignment.token)) this.advance();
    else {
      this.takeNext(assignment, reason);
      if (assignment) this.reserve();
    }
    this.trouble.remind();
  }

  // --- showing ------------------------------------------------------------------------------------------

  takeNext(assignment, reason = "") {
    clearTimeout(this.poll);
    if (assignment) this.show(assignment);
    else this.empty(reason);
  }

  // `revising` is the entry that is changed, {result: {answer, revision}}; `why` says how it came to that.
  show(assignment, { body = null, revising = null, refusal = null, seconds, why = "" } = {}) {
    this.close();
    this.suspended = this.suspended.filter((held) => held.assignment.token !== assignment.token);
    if (this.ahead?.token === assignment.token) this.ahead = null;
    const { api, line, store } = this;
    const onLost = (refusal) => this.trouble.lost(assignment, refusal);
    const draft = new Draft({
      api,
      line,
      store,
      assignment,
      isChange: Boolean(revising),
      base: () => revising?.result?.revision ?? null,
      onLost,
      onSaved: () => this.current?.lease?.renewed(),
      onNewer: (newer) => this.view.notice("newer", t("draft_newer"), { actions: [[t("draft_show"), () => this.adopt(newer)]] }),
      onFollowed: (followed) => this.remount(followed),
    });
    const isActive = () => performance.now() - this.active < ACTIVE_WITHIN;
    const lease = revising ? null : new Lease({ api, assignment, isActive, onLost });
    const clock = new ActiveClock(performance.now(), seconds ?? draft.seconds);
    this.current = { assignment, draft, lease, clock, revising };
    this.view.panel("work");
    if (draft.isOutdated) {
      // What somebody has made of the answer since is an earlier version, beside what was left unfinished.
      this.editor.mount(assignment, body);
      this.editor.keepVersion?.();
      why ||= t("changed_before");
    }
    this.editor.mount(assignment, revising ? (draft.body ?? body) : (body ?? draft.body), refusal);
    document.body.classList.toggle("is-revising", Boolean(revising));
    if (revising) this.view.notice("revising", why || t("revising"), { tone: why ? "warn" : "good", actions: [[t("revising_cancel"), () => this.cancelChange()]] });
  }

  // The same item with another draft.
  remount(body) {
    const { scrollX: x, scrollY: y } = window;
    this.editor.mount(this.current.assignment, body);
    scrollTo(x, y);
  }

  // What another browser has saved, in place of what stands here.
  adopt(body) {
    this.editor.keepVersion?.();
    this.view.clear("newer");
    this.remount(body);
    this.changed();
  }

  close() {
    this.current?.draft.close();
    this.current?.lease?.stop();
    this.current = null;
    this.view.clearItem();
  }

  empty(reason) {
    this.close();
    this.view.panel("empty");
    document.getElementById("empty-reason").textContent = reason || t("empty_reason");
    this.poll = setTimeout(() => this.look(), POLL_EVERY);
  }

  look() {
    clearTimeout(this.poll);
    if (document.visibilityState !== "visible") {
      this.poll = setTimeout(() => this.look(), POLL_EVERY);
      return Promise.resolve();
    }
    return this.fetchNext();
  }

  // --- what comes next ----------------------------------------------------------------------------------

  // In the tutorial and the test an answer leads to a page of its own, once it has arrived.
  request(ahead) {
    if (this.config.after) {
      if (this.current) return Promise.resolve({ assignment: null, reason: "" }); // it came back to be mended
      location.assign(this.config.after);
      return new Promise(() => {});
    }
    return this.api.post(`projects/${this.config.project}/next`, { kind: this.config.kind, ahead });
  }

  reserve() {
    if (this.config.after) return Promise.resolve();
    return this.line
      .push(() => this.request(true), { once: true })
      .then(({ assignment }) => {
        const known = [this.current, ...this.suspended].map((held) => held?.assignment.token);
        this.ahead = assignment && !known.includes(assignment.token) ? assignment : null;
        if (this.ahead) this.editor.prepare?.(this.ahead);
      }, () => {});
  }

  // The item that is shown stays unfinished, and its draft stays, too.
  leaveItem() {
    this.current.draft.flush();
    this.resumeOrAdvance();
  }

  advance() {
    const next = this.ahead;
    this.ahead = null;
    if (!next) {
      this.waitForNext();
      return;
    }
    this.show(next);
    this.view.say(t("next_shown"));
    this.showOnServer(next);
    this.reserve();
  }

  waitForNext() {
    this.close();
    this.view.panel("loading");
    this.fetchNext();
  }

  showOnServer(assignment) {
    this.line
      .push(() => this.api.post(`assignments/${assignment.token}/show`))
      .then(() => {
        assignment.state = "open";
      }, (error) => {
        // Another item came back to be mended first: this one is shown again after it.
        if (error.code !== "another_open") this.trouble.gone(assignment, error);
      });
  }

  async fetchNext() {
    try {
      const { assignment, reason } = await this.line.push(() => this.request(false));
      if (this.current) return;
      if (assignment && this.outbox.has(assignment.token)) {
        // Another tab is about to deliver its answer.
        this.poll = setTimeout(() => this.look(), POLL_SOON);
        return;
      }
      this.takeNext(assignment, reason);
      if (assignment) {
        this.view.say(t("next_shown"));
        this.reserve();
      }
    } catch (error) {
      if (!this.current) this.hindered(error);
    }
  }

  // Something is to be done before there is more work: to its page, and from there back to this one.
  hindered(error) {
    const way = this.config.ways[error.code];
    if (way) location.assign(way);
    else this.empty(error.message);
  }

  // --- giving an answer ---------------------------------------------------------------------------------

  submit() {
    if (!this.current) return;
    const problem = this.editor.problem();
    if (problem) {
      this.view.say(problem);
      return;
    }
    this.view.clearLast();
    const { assignment, clock, draft, revising: original } = this.current;
    const seconds = clock.seconds(performance.now());
    const entry = { assignment, kind: this.config.kind, key: newKey(), draft: this.editor.body(), seconds, original, result: null };
    entry.body = this.editor.answer(seconds);
    draft.close();
    const undo = [t("undo"), () => this.reopen(entry)];
    if (!original) this.view.toast(t("submitted"), ...undo);
    const isKept = this.outbox.send(entry, {
      onTaken: ({ extra }) => {
        if (original) this.view.toast(t("revised"), ...undo);
        else if (extra) this.view.notice("extra", t("extra"), { tone: "good" });
      },
      onRefused: (error) => this.trouble.refused(entry, error),
    });
    if (!isKept) this.view.notice("storage", t("storage_full"));
    this.resumeOrAdvance();
  }

  skip({ reason, comment }) {
    const { assignment, draft } = this.current;
    draft.close();
    this.line.push(() => this.api.post(`assignments/${assignment.token}/skip`, { reason, comment })).then(
      () => draft.forget(),
      (error) => this.view.notice("skip", t("refused", { reason: error.message }), { tone: "danger" }),
    );
    this.view.untoast();
    this.resumeOrAdvance();
  }

  // --- going back ---------------------------------------------------------------------------------------

  // An answer that was given long ago and is opened again, perhaps because a reviewer sent it back.
  change({ answer, revision, given, assignment, comment }) {
    this.reopen({ assignment, kind: this.config.kind, draft: given, seconds: 0, result: { answer, revision } });
    if (comment) this.view.notice("sent-back", t("sent_back", { comment }));
  }

  // The answer as it was submitted, to be changed: a new revision, not a new answer.
  reopen(entry) {
    this.suspend();
    this.show(entry.assignment, { body: entry.draft, revising: entry, seconds: entry.seconds });
    this.view.say(t("revising"));
  }

  cancelChange() {
    this.current.draft.forget();
    this.resumeOrAdvance();
  }

  suspend() {
    if (!this.current) return;
    const { assignment, clock, revising } = this.current;
    this.suspended.push({ assignment, revising, body: this.editor.body(), seconds: clock.seconds(performance.now()) });
  }

  // To what was left off, or to the next item.
  resumeOrAdvance() {
    const kept = this.suspended.pop();
    if (!kept) {
      this.advance();
      return;
    }
    this.show(kept.assignment, kept);
    if (kept.assignment.state === "reserved" && !kept.revising) this.showOnServer(kept.assignment);
    if (!this.ahead) this.reserve();
  }

  // --- the editor and the page call these ---------------------------------------------------------------

  changed() {
    if (!this.current) return;
    const { draft, clock } = this.current;
    draft.change({ ...this.editor.body(), active_seconds: clock.seconds(performance.now()) });
    this.view.saving("kept");
  }

  noteActivity() {
    this.active = performance.now();
    this.current?.clock.note(this.active);
  }

  leave() {
    this.current?.draft.flush();
    if (this.ahead) this.api.post(`assignments/${this.ahead.token}/release`, { ahead: true }, { keepalive: true }).catch(() => {});
  }
}
