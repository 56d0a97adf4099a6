// The flow of work, the same for every kind: show an item, keep its draft and its lease, submit it, have the
// next one ready, and never lose what was typed. What an item looks like is the editor's part:
//
//   mount(assignment, body, {field, message}?)   show it with this draft
//   body()                                       the draft as it stands
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
import { bindKeys } from "./pressing.js";
import { skipDialog } from "./skip.js";
import { Store } from "./storage.js";
import { View } from "./view.js";
import { t } from "./words.js";

const POLL_EVERY = 20_000;
const ACTIVE_WITHIN = 60_000;
const answers = {
  rank: ["ranking", "rankings"],
  demonstrate: ["demonstration", "demonstrations"],
  prompt: ["written-prompt", "written-prompts"],
  review: ["review", "reviews"],
};

export class Workspace {
  constructor(editor) {
    const config = JSON.parse(find("#config").textContent);
    this.config = config;
    this.editor = editor;
    this.view = new View();
    this.api = new Api(config.csrf_cookie);
    this.store = new Store(config.user);
    this.line = new Line((state) => this.lineState(state));
    this.current = null;
    this.ahead = null;
    this.suspended = null;
    this.active = performance.now();
    for (const name of ["pointerdown", "keydown", "wheel", "scroll", "touchmove"]) {
      addEventListener(name, () => this.noteActivity(), { passive: true, capture: true });
    }
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    this.openSkip = skipDialog((reason) => this.skip(reason));
    find("#submit").addEventListener("click", () => this.submit());
    find("#skip").addEventListener("click", this.openSkip);
    find("#look").addEventListener("click", () => this.look());
    bindKeys(this);
  }

  start() {
    const { assignment, reason, change } = this.config;
    this.resend();
    if (change) {
      this.change(change);
      return;
    }
    // The very item whose answer is still on its way: go on as after a submit.
    if (assignment && this.store.get(`unsent:${assignment.token}`)) this.advance();
    else {
      this.takeNext(assignment, reason);
      if (assignment) this.reserve();
    }
  }

  // --- showing ------------------------------------------------------------------------------------------

  takeNext(assignment, reason = "") {
    clearTimeout(this.poll);
    if (assignment && this.ahead?.token === assignment.token) this.ahead = null;
    if (assignment) this.show(assignment);
    else this.empty(reason);
  }

  show(assignment, { body = null, revising = null, refusal = null, seconds } = {}) {
    this.close();
    this.view.clearItem();
    const draft = revising
      ? null
      : new Draft({
          api: this.api,
          store: this.store,
          assignment,
          onSaved: () => {
            this.current?.lease?.renewed();
            this.view.saving("saved");
          },
          onLost: () => this.lost(assignment),
        });
    const lease = revising
      ? null
      : new Lease({
          api: this.api,
          assignment,
          isActive: () => performance.now() - this.active < ACTIVE_WITHIN,
          onLost: () => this.lost(assignment),
        });
    const clock = new ActiveClock(performance.now(), seconds ?? draft?.seconds ?? 0);
    this.current = { assignment, draft, lease, clock, revising };
    this.view.panel("work");
    this.editor.mount(assignment, body ?? draft?.body ?? null, refusal);
    document.body.classList.toggle("is-revising", Boolean(revising));
    if (revising) this.view.notice("revising", t("revising"), { tone: "good", actions: [[t("revising_cancel"), () => this.resume()]] });
  }

  close() {
    this.current?.draft?.close();
    this.current?.lease?.stop();
    this.current = null;
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
        const known = [this.current, this.suspended].map((held) => held?.assignment.token);
        this.ahead = assignment && !known.includes(assignment.token) ? assignment : null;
      }, () => {});
  }

  advance() {
    const next = this.ahead;
    this.ahead = null;
    if (!next) {
      this.close();
      this.view.panel("loading");
      this.fetchNext();
      return;
    }
    this.show(next);
    this.view.say(t("next_shown"));
    this.showOnServer(next);
    this.reserve();
  }

  showOnServer(assignment) {
    this.line
      .push(() => this.api.post(`assignments/${assignment.token}/show`))
      .then(() => {
        assignment.state = "open";
        if (this.current?.assignment === assignment) this.current.draft?.shown();
      }, (error) => {
        // Another item came back to be mended first: this one is shown again after it.
        if (error.code !== "another_open") this.gone(assignment);
      });
  }

  async fetchNext() {
    try {
      const { assignment, reason } = await this.line.push(() => this.request(false));
      if (this.current) return;
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
    this.view.clear("resent");
    const { assignment, clock, draft, revising } = this.current;
    const seconds = clock.seconds(performance.now());
    const entry = { assignment, kind: this.config.kind, key: newKey(), draft: this.editor.body(), seconds, result: null };
    entry.body = this.editor.answer(seconds);
    draft?.close();
    if (revising) this.sendRevision(entry, revising);
    else this.sendAnswer(entry);
  }

  sendAnswer(entry) {
    const token = entry.assignment.token;
    const isKept = this.store.put(`unsent:${token}`, { kind: entry.kind, key: entry.key, body: entry.body });
    if (!isKept) this.view.notice("storage", t("storage_full"));
    this.view.toast(t("submitted"), t("undo"), () => this.reopen(entry));
    entry.sent = this.line.push(() => this.deliver(token, entry)).then(
      (result) => {
        entry.result = result;
        this.settle(token);
        if (result.extra) this.view.notice("extra", t("extra"), { tone: "good" });
      },
      (error) => {
        this.settle(token, { keepDraft: true });
        this.refused(entry, error);
      },
    );
    this.resumeOrAdvance();
  }

  sendRevision(entry, original) {
    const [, plural] = answers[entry.kind];
    const task = () => {
      const body = { ...entry.body, base: original.result.revision };
      return this.api.post(`${plural}/${original.result.answer}/revisions`, body, { key: entry.key });
    };
    this.line.push(() => (original.result ? task() : Promise.reject(original.error))).then(
      (result) => {
        entry.result = result;
        this.view.toast(t("revised"), t("undo"), () => this.reopen(entry));
      },
      (error) => this.refused(entry, error, original),
    );
    this.resume();
  }

  deliver(token, { kind, body, key }) {
    return this.api.post(`assignments/${token}/${answers[kind][0]}`, body, { key });
  }

  settle(token, { keepDraft = false } = {}) {
    this.store.drop(`unsent:${token}`);
    if (!keepDraft) this.store.drop(`draft:${token}`);
  }

  // What an earlier page could not deliver. The key is the same, so nothing lands twice.
  resend() {
    for (const name of this.store.names("unsent:")) {
      const entry = this.store.get(name);
      const token = name.slice("unsent:".length);
      if (!entry || !(entry.kind in answers)) this.store.drop(name);
      else {
        this.line.push(() => this.deliver(token, entry)).then(
          () => {
            this.settle(token);
            this.view.notice("resent", t("resent"), { tone: "good" });
          },
          (error) => {
            this.settle(token, { keepDraft: true });
            this.view.notice("resent", t("refused", { reason: error.message }), { tone: "danger" });
          },
        );
      }
    }
  }

  // The server will not have it: the item comes back as it was, with what is wrong.
  refused(entry, error, revising = null) {
    entry.error = error;
    this.view.untoast();
    const text = t("refused", { reason: error.message });
    if (error.status === 400 || error.status === 422) {
      this.suspend();
      this.show(entry.assignment, { body: entry.draft, refusal: { field: error.field, message: error.message }, seconds: entry.seconds, revising });
    }
    this.view.notice("refused", text, { tone: "danger" });
  }

  skip({ reason, comment }) {
    const { assignment, draft } = this.current;
    draft?.close();
    this.line.push(() => this.api.post(`assignments/${assignment.token}/skip`, { reason, comment })).then(
      () => this.store.drop(`draft:${assignment.token}`),
      (error) => this.view.notice("skip", t("refused", { reason: error.message }), { tone: "danger" }),
    );
    this.view.untoast();
    this.resumeOrAdvance();
  }

  // --- going back ---------------------------------------------------------------------------------------

  // An answer that was given long ago and is opened again, perhaps because a reviewer sent it back.
  change({ answer, revision, given, assignment, comment }) {
    const { kind } = this.config;
    this.reopen({ assignment, kind, draft: given, seconds: 0, result: { answer, revision } });
    if (comment) this.view.notice("sent-back", t("sent_back", { comment }));
  }

  // The answer as it was submitted, to be changed: a new revision, not a new answer.
  reopen(entry) {
    this.suspend();
    this.show(entry.assignment, { body: entry.draft, revising: entry, seconds: entry.seconds });
    this.view.say(t("revising"));
  }

  suspend() {
    if (!this.current || this.current.revising) return;
    const { assignment, clock } = this.current;
    this.suspended = { assignment, body: this.editor.body(), seconds: clock.seconds(performance.now()) };
  }

  resume() {
    const kept = this.suspended;
    this.suspended = null;
    if (!kept) {
      this.advance();
      return;
    }
    this.show(kept.assignment, { body: kept.body, seconds: kept.seconds });
    if (kept.assignment.state === "reserved") this.showOnServer(kept.assignment);
    if (!this.ahead) this.reserve();
  }

  resumeOrAdvance() {
    if (this.suspended) this.resume();
    else this.advance();
  }

  // --- when things go wrong -----------------------------------------------------------------------------

  // The lease has ended while the item was on the page. The text stays, and may still be submitted.
  lost(assignment) {
    if (this.current?.assignment !== assignment) return;
    this.current.lease?.stop();
    this.view.notice("lost", t("lease_lost"), { actions: [[t("take_next"), () => this.advance()]] });
  }

  // The item shown from memory is no longer ours. If nobody has begun it, another takes its place.
  gone(assignment) {
    if (this.current?.assignment !== assignment) return;
    if (this.editor.isBlank()) {
      this.close();
      this.fetchNext();
    } else this.lost(assignment);
  }

  lineState(state) {
    this.view.saving(state);
    if (state === "signed-out") {
      const signIn = () => open(this.config.sign_in_url, "_blank", "noopener");
      this.view.notice("line", t("signed_out"), { actions: [[t("sign_in"), signIn], [t("retry"), () => this.line.retry()]] });
    } else if (state === "offline") {
      this.view.notice("line", t("offline"), { actions: [[t("retry"), () => this.line.retry()]] });
    } else this.view.clear("line");
  }

  // --- the editor and the page call these ---------------------------------------------------------------

  changed() {
    if (!this.current?.draft) return;
    const { draft, clock } = this.current;
    draft.change({ ...this.editor.body(), active_seconds: clock.seconds(performance.now()) });
    this.view.saving("kept");
  }

  noteActivity() {
    this.active = performance.now();
    this.current?.clock.note(this.active);
  }

  leave() {
    this.current?.draft?.save({ keepalive: true });
    if (this.ahead) this.api.post(`assignments/${this.ahead.token}/release`, {}, { keepalive: true }).catch(() => {});
  }
}
