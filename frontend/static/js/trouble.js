// What can go wrong while somebody works: an answer that is refused, a lease that has ended, the same item in two
// tabs, a server that cannot be reached, work that was left unfinished. The page says what happened, and whatever was
// typed is still there.

import { begun } from "./drafts.js";
import { t } from "./words.js";

export class Trouble {
  constructor(workspace) {
    this.workspace = workspace;
    this.said = "";
  }

  get isCutOff() {
    return this.said === "offline" || this.said === "signed-out";
  }

  // --- answers ------------------------------------------------------------------------------------------

  // What an earlier page could not deliver.
  resend() {
    const { outbox, view } = this.workspace;
    for (const entry of outbox.left()) {
      outbox.push(entry, {
        onTaken: () => view.notice("resent", t("resent"), { tone: "good" }),
        onRefused: (error) => this.refused(entry, error),
      });
    }
  }

  // The server will not have it: the item comes back as it was, with what is wrong.
  async refused(entry, error) {
    const { workspace } = this;
    const { api, config, editor, store, view } = workspace;
    const { original, seconds } = entry;
    let { assignment } = entry;
    let stored = error.data?.stored;
    let isOfThisPage = entry.kind === config.kind;
    const isLeft = !assignment.prompt;
    // An earlier page has left it, or what it is about has changed.
    if (isOfThisPage && (isLeft || (error.status === 409 && !stored))) {
      const held = await api.get(`assignments/${assignment.token}`).catch(() => null);
      ({ assignment, stored } = held ?? { assignment, stored });
    }
    if (isLeft && (config.after || assignment.project !== config.project)) isOfThisPage = false;
    view.untoast();
    const text = t("refused", { reason: error.message });
    if (!isOfThisPage || !assignment.prompt) {
      view.notice("resent", text, { tone: "danger" }); // Its page offers it again: it is a draft still.
      return;
    }
    const isBeingChanged = workspace.current?.revising === entry;
    const kept = store.get(`${original ? "change" : "draft"}:${assignment.token}`)?.body;
    const body = isBeingChanged ? editor.body() : (entry.draft ?? kept);
    if (!isBeingChanged) workspace.suspend();
    const answer = stored?.answer ?? original?.result?.answer;
    if (stored && answer) {
      this.answered({ assignment, body, seconds }, { ...stored, answer }, t(original ? "changed_before" : "answered_before"));
      return;
    }
    const refusal = { field: error.field, message: error.message };
    workspace.show(assignment, { body, refusal, seconds, revising: original?.result ? original : null });
    const canBeMended = error.status === 400 || error.status === 422;
    workspace.current.isLost = !canBeMended; // What there is to say of it is said here.
    view.notice("refused", text, { tone: "danger", actions: canBeMended ? [] : [this.leave()] });
  }

  // It has an answer, given in another tab say. What stands here can be made a change of that one.
  answered({ assignment, body, seconds }, result, why) {
    const { workspace } = this;
    workspace.store.drop(`draft:${assignment.token}`);
    workspace.show(assignment, { body, seconds, why, revising: { assignment, result } });
    workspace.changed();
  }

  leave() {
    return [t("take_next"), () => this.workspace.leaveItem()];
  }

  // --- leases -------------------------------------------------------------------------------------------

  // The server no longer holds the item on the page for us. The text stays, and may still be submitted.
  lost(assignment, refusal = null) {
    const { workspace } = this;
    const { current, editor, view } = workspace;
    if (current?.assignment !== assignment || current.revising || current.isLost) return;
    const stored = refusal?.data?.stored;
    if (stored) {
      const seconds = current.clock.seconds(performance.now());
      if (editor.isBlank()) workspace.waitForNext();
      else this.answered({ assignment, body: editor.body(), seconds }, stored, t("answered_before"));
      return;
    }
    current.isLost = true;
    current.lease.stop();
    const text = refusal?.code === "skipped" ? refusal.message : t(refusal?.status === 404 ? "not_yours" : "lease_lost");
    view.notice("lost", text, { actions: [this.leave()] });
  }

  // The same of an item that was shown from memory. If nobody has begun it, another takes its place.
  gone(assignment, refusal) {
    const { current, editor } = this.workspace;
    if (current?.assignment === assignment && !current.revising && editor.isBlank()) this.workspace.waitForNext();
    else this.lost(assignment, refusal);
  }

  // --- other tabs, and earlier pages --------------------------------------------------------------------

  // Another tab of this browser has put or dropped this name.
  elsewhere(name) {
    const { workspace } = this;
    const { current, outbox, view } = workspace;
    if (name === current?.draft.name) current.draft.follow();
    const token = name.slice("unsent:".length);
    if (!name.startsWith("unsent:") || !outbox.has(token)) return;
    workspace.suspended = workspace.suspended.filter((held) => held.assignment.token !== token);
    if (workspace.ahead?.token === token) workspace.ahead = null;
    if (current?.assignment.token !== token || current.revising) return;
    workspace.resumeOrAdvance();
    view.notice("elsewhere", t("done_elsewhere"), { tone: "good" });
  }

  // What was begun in this browser and never submitted is offered, the newest of it.
  async remind() {
    const { api, config, current, outbox, store, view } = this.workspace;
    if (config.after) return;
    for (const { name, token } of begun(store, config, current?.assignment.token)) {
      const held = outbox.has(token) ? null : await api.get(`assignments/${token}`).catch(() => null);
      if (held?.assignment.state === "skipped") store.drop(name);
      else if (held) {
        const choose = (run) => () => {
          view.clear("begun");
          run();
        };
        const goOn = choose(() => this.goOn(held, name));
        view.notice("begun", t("begun"), { actions: [[t("begun_go_on"), goOn], [t("begun_drop"), choose(() => store.drop(name))]] });
        return;
      }
    }
  }

  goOn({ assignment, stored }, name) {
    const { workspace } = this;
    if (workspace.current?.assignment.token === assignment.token) return; // It has come by itself meanwhile.
    const { body } = workspace.store.get(name) ?? {};
    workspace.suspend();
    if (stored) this.answered({ assignment, body }, stored, name.startsWith("change:") ? "" : t("answered_before"));
    else {
      workspace.show(assignment);
      if (!["open", "reserved"].includes(assignment.state)) this.lost(assignment);
    }
  }

  // --- the line -----------------------------------------------------------------------------------------

  lineState(state) {
    const { config, current, line, view } = this.workspace;
    view.saving(state === "idle" ? (current?.draft.state ?? state) : state);
    // The same is said once, and until all is sent.
    if (state === "busy" || state === this.said) return;
    this.said = state;
    const retry = [t("retry"), () => line.retry()];
    const signIn = [t("sign_in"), () => open(config.sign_in_url, "_blank", "noopener")];
    if (state === "signed-out") view.notice("line", t("signed_out"), { actions: [signIn, retry] });
    else if (state === "offline") view.notice("line", t("offline"), { actions: [retry] });
    else view.clear("line");
  }
}
