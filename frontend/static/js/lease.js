// While somebody works, the server is told so from time to time; who goes away loses the item in the end.

const LOOK_EVERY = 15_000;

export class Lease {
  // onLost(refusal): the server no longer holds this assignment for us.
  constructor({ api, assignment, isActive, onLost }) {
    Object.assign(this, { api, isActive, onLost, token: assignment.token });
    this.every = Math.max(30, assignment.lease_seconds / 4) * 1000;
    this.renewed();
    this.timer = setInterval(() => this.look(), LOOK_EVERY);
  }

  // Also called when a draft was saved: that renews the lease too.
  renewed() {
    this.at = performance.now();
  }

  async look() {
    if (!this.isActive() || performance.now() - this.at < this.every) return;
    this.renewed();
    try {
      await this.api.post(`assignments/${this.token}/renew`);
    } catch (error) {
      if (this.timer && (error.status === 409 || error.status === 404)) this.onLost(error);
    }
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }
}
