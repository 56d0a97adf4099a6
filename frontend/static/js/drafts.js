// The draft of one assignment: kept here at once, and on the server two seconds after a change.
// Each save has a higher sequence number than the last; the higher one wins wherever two meet.

const SAVE_AFTER = 2000;

export class Draft {
  // onSaved(); onLost(): the server no longer holds this assignment for us.
  constructor({ api, store, assignment, onSaved, onLost }) {
    Object.assign(this, { api, store, onSaved, onLost, token: assignment.token });
    const local = store.get(`draft:${this.token}`);
    const server = assignment.draft;
    const newest = (local?.sequence ?? 0) >= (server?.sequence ?? 0) ? local : server;
    this.body = newest?.body ?? null;
    this.seconds = newest?.body?.active_seconds ?? 0;
    this.sequence = newest?.sequence ?? 0;
    this.sent = server?.sequence ?? 0;
    this.isShown = assignment.state === "open";
    this.isClosed = false;
    if (this.sequence > this.sent) this.schedule();
  }

  change(body) {
    this.sequence += 1;
    this.body = body;
    this.store.put(`draft:${this.token}`, { sequence: this.sequence, body });
    this.schedule();
  }

  // A reserved item has no draft on the server before it is shown.
  shown() {
    this.isShown = true;
    if (this.sequence > this.sent) this.schedule();
  }

  schedule() {
    if (!this.timer && this.isShown && !this.isClosed) this.timer = setTimeout(() => this.save(), SAVE_AFTER);
  }

  async save({ keepalive = false } = {}) {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.isClosed || !this.isShown || this.sequence <= this.sent) return;
    const sequence = this.sequence;
    try {
      const body = { sequence, body: this.body };
      const saved = await this.api.send("PUT", `assignments/${this.token}/draft`, body, { keepalive });
      this.sent = Math.max(this.sent, sequence);
      if (this.isClosed) return;
      // Kept, but the lease had ended before.
      if (saved.lease_until) this.onSaved();
      else this.onLost();
    } catch (error) {
      if (this.isClosed) return;
      const newer = error.data?.draft;
      // Another tab wrote last. What is typed here next shall count again.
      if (error.status === 409 && newer) this.sequence = Math.max(this.sequence, newer.sequence);
      else if (error.status === 409 || error.status === 404) this.onLost();
    }
    if (this.sequence > sequence) this.schedule();
  }

  // No more saving. The local copy goes only with `forget`, once the answer has arrived.
  close() {
    clearTimeout(this.timer);
    this.isClosed = true;
  }

  forget() {
    this.close();
    this.store.drop(`draft:${this.token}`);
  }
}
