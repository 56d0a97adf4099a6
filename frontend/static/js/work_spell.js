// How long somebody has been working without a longer pause: idle time counts as `Clock` (clock.js) counts it,
// and after a pause of five minutes a new spell begins.

const PAUSE = 5 * 60_000;

export class WorkSpell {
  // `kept` is what an earlier page has left: { seconds, at }, by the same time as `now`.
  constructor(Clock, now, kept = null) {
    this.Clock = Clock;
    this.begin(now, kept && now - kept.at < PAUSE ? kept.seconds : 0);
  }

  begin(now, seconds = 0) {
    this.clock = new this.Clock(now, seconds);
  }

  // Something was done. True where that begins a new spell.
  note(now) {
    const isNew = now - this.clock.last >= PAUSE;
    if (isNew) this.begin(now);
    else this.clock.note(now);
    return isNew;
  }

  get seconds() {
    return Math.round(this.clock.total / 1000);
  }

  kept() {
    return { seconds: this.seconds, at: this.clock.last };
  }
}
