// Active seconds: time between signs of life counts, but of a pause no more than the first 30 seconds.

const IDLE_AFTER = 30_000;

export class ActiveClock {
  constructor(now, seconds = 0) {
    this.total = seconds * 1000;
    this.last = now;
  }

  note(now) {
    this.total += Math.min(Math.max(now - this.last, 0), IDLE_AFTER);
    this.last = now;
  }

  seconds(now) {
    this.note(now);
    return Math.round(this.total / 1000);
  }
}
