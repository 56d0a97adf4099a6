// What this browser keeps for one person: drafts, and answers that have not reached the server yet.
// Storage may be forbidden or full; work goes on without it.

const KEEP_DAYS = 30;

export class Store {
  constructor(user) {
    this.prefix = `rankloop:${user}:`;
    this.prune();
  }

  get(name) {
    try {
      return JSON.parse(localStorage.getItem(this.prefix + name));
    } catch {
      return null;
    }
  }

  put(name, value) {
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify({ ...value, saved: Date.now() }));
      return true;
    } catch {
      return false;
    }
  }

  drop(name) {
    try {
      localStorage.removeItem(this.prefix + name);
    } catch {
      // Nothing was kept, then.
    }
  }

  names(start) {
    try {
      return Object.keys(localStorage)
        .filter((key) => key.startsWith(this.prefix + start))
        .map((key) => key.slice(this.prefix.length));
    } catch {
      return [];
    }
  }

  // onChange(name): another tab has put or dropped it.
  watch(onChange) {
    addEventListener("storage", ({ key }) => key?.startsWith(this.prefix) && onChange(key.slice(this.prefix.length)));
  }

  prune() {
    const oldest = Date.now() - KEEP_DAYS * 86_400_000;
    for (const name of [...this.names("draft:"), ...this.names("change:")]) {
      if ((this.get(name)?.saved ?? 0) < oldest) this.drop(name);
    }
  }
}
