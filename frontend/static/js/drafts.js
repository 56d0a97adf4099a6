// The draft of one assignment: kept here at once, and on the server two seconds after a change. Each save has a
// higher sequence number than the last; the higher one wins wherever two meet. Tabs of one browser follow each other.
// Of a change of an answer the server keeps no draft: it is kept here alone.

const SAVE_AFTER = 2000;

export class Draft {
  // onSaved(): the lease runs anew. onLost(refusal?): the server no longer holds this assignment for us; without a
  // refusal the draft is kept, but its lease is over. onNewer(body): another browser has saved more.
  // onFollowed(body): another tab has gone on with it.
  // base() is the revision that a change is made of, once the server has told which.
  constructor({ api, line, store, assignment, isChange, base, ...on }) {
    Object.assign(this, { api, line, store, isChange, base, on, token: assignment.token });
    this.name = `${isChange ? "change" : "draft"}:${this.token}`;
    this.work = workOf(assignment);
    const local = store.get(this.name);
    const server = isChange ? null : assignment.draft;
    const newest = (local?.sequence ?? 0) >= (server?.sequence ?? 0) ? local : server;
    this.body = newest?.body ?? null;
    this.seconds = newest?.body?.active_seconds ?? 0;
    this.sequence = newest?.sequence ?? 0;
    // What was still on its way when it was changed became the first.
    this.isOutdated = Boolean(local?.body && base() && base() !== (local.base ?? 1));
    this.sent = server?.sequence ?? 0;
    if (this.isUnsaved) this.schedule();
  }

  get isUnsaved() {
    return !this.isClosed && !this.isChange && this.sequence > this.sent;
  }

  get state() {
    if (this.isUnsaved || (this.isChange && this.sequence)) return "kept";
    return this.sent ? "saved" : "idle";
  }

  change(body) {
    this.sequence += 1;
    this.body = body;
    this.store.put(this.name, { sequence: this.sequence, body, work: this.work, base: this.base() });
    this.schedule();
  }

  follow() {
    const local = this.store.get(this.name);
    if (this.isClosed || !local || local.sequence <= this.sequence) return;
    this.sequence = local.sequence;
    this.body = local.body;
    this.on.onFollowed(local.body);
  }

  schedule() {
    if (this.isUnsaved) this.timer ??= setTimeout(() => this.save(), SAVE_AFTER);
  }

  // In the line, behind the showing of its item and before its answer; it waits there for a lost network, too.
  save() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.isSaving || !this.isUnsaved) return;
    this.isSaving = true;
    this.line.push(() => this.send()).then(
      (saved) => this.settled(() => saved && this.saved(saved)),
      (error) => this.settled(() => this.failed(error)),
    );
  }

  async send(options) {
    if (!this.isUnsaved) return null;
    const { sequence, body } = this;
    const saved = await this.api.send("PUT", `assignments/${this.token}/draft`, { sequence, body }, options);
    this.sent = Math.max(this.sent, sequence);
    return saved;
  }

  settled(tell) {
    this.isSaving = false;
    if (!this.isClosed) tell();
  }

  saved({ lease_until: until }) {
    this.schedule();
    if (until) this.on.onSaved();
    else this.on.onLost();
  }

  // It is tried again with the next change.
  failed(error) {
    const newer = error.data?.draft;
    if (newer) {
      // What is typed here next shall count again.
      this.sequence = Math.max(this.sequence, newer.sequence);
      this.sent = newer.sequence;
      this.schedule();
      this.on.onNewer(newer.body);
    } else if (error.status === 409 || error.status === 404) this.on.onLost(error);
  }

  // The page is going away: at once, past the line.
  flush() {
    this.send({ keepalive: true }).catch(() => {});
  }

  // No more saving. The local copy goes once the answer has arrived (outbox.js), or with `forget`.
  close() {
    clearTimeout(this.timer);
    this.isClosed = true;
  }

  forget() {
    this.close();
    this.store.drop(this.name);
  }
}

function workOf({ project, kind }) {
  return `${project} ${kind}`;
}

// What was begun in this browser for this kind of work and never submitted, the newest first: its time had run out,
// say, before the page was opened again. `but` is the token of what is on the page.
export function begun(store, work, but) {
  return ["draft:", "change:"]
    .flatMap((start) => store.names(start).map((name) => ({ name, token: name.slice(start.length), ...store.get(name) })))
    .filter(({ token, ...kept }) => kept.work === workOf(work) && token !== but)
    .sort((one, other) => other.saved - one.saved);
}
