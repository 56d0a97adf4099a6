// Requests one after another. One that fails for a passing reason is tried again until it is through, so
// that a submit, the showing of the next item and the next reservation reach the server in that order.

const WAITS = [1, 2, 4, 8, 15, 30];
const TRIES_AT_A_FAULT = 5;

export class Line {
  // onState("idle" | "busy" | "offline" | "signed-out")
  constructor(onState) {
    this.onState = onState;
    this.tail = Promise.resolve();
    this.waiting = 0;
    this.wake = null;
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retry());
  }

  // `task` is called until it succeeds or fails for good; the promise settles as it does. With `once` it is
  // not tried again: nothing is lost with it.
  push(task, { once = false } = {}) {
    this.waiting += 1;
    this.retry(); // Somebody is at work: perhaps it goes now.
    const result = this.tail.then(() => this.run(task, once));
    this.tail = result.then(
      () => {},
      () => {},
    );
    this.tail.then(() => {
      this.waiting -= 1;
      if (!this.waiting) this.onState("idle");
    });
    return result;
  }

  retry() {
    this.wake?.();
  }

  async run(task, once) {
    this.onState("busy");
    for (let tries = 0; ; tries += 1) {
      try {
        const result = await task();
        if (tries) this.onState("busy");
        return result;
      } catch (error) {
        // A fault of the server that stays must not hold up what stands behind it for ever.
        const isFault = error.status === 500 && tries + 1 >= TRIES_AT_A_FAULT;
        if (!error.isPassing || once || isFault) throw error;
        this.onState(error.isSignedOut ? "signed-out" : "offline");
        await this.pause(WAITS[Math.min(tries, WAITS.length - 1)]);
      }
    }
  }

  pause(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
