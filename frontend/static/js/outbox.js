// Answers on their way to the server. Each is kept in this browser until the server has taken or refused it, so
// that the page may be closed meanwhile: the next one sends what it finds. The key stays the same, so that
// nothing lands twice.
//
// Of one assignment it is a chain: an answer, and changes of it that were made before it had arrived. A change of
// an answer that was refused is then the answer.

const PATHS = {
  rank: ["ranking", "rankings"],
  demonstrate: ["demonstration", "demonstrations"],
  prompt: ["written-prompt", "written-prompts"],
  review: ["review", "reviews"],
};

export class Outbox {
  constructor(workspace) {
    const { api, store, line } = workspace;
    Object.assign(this, { workspace, api, store, line });
  }

  // Whether an answer to this assignment, or a change of one, has not arrived yet.
  has(token) {
    return this.chain(token).length > 0;
  }

  // An entry is {assignment, kind, key, body}, and `original` where it changes that one. What the server makes of it
  // is its `result`. Then onTaken(result) or onRefused(error) is called. Returns whether a copy is kept here.
  send(entry, then) {
    const { assignment, kind, key, body, original } = entry;
    const link = { key, body, on: original?.result ?? null };
    const isKept = this.keep(assignment.token, kind, [...this.chain(assignment.token), link]);
    this.push(entry, then);
    return isKept;
  }

  // What an earlier page has left, in the order in which it goes out.
  left() {
    return this.store.names("unsent:").flatMap((name) => {
      const token = name.slice("unsent:".length);
      const { kind } = this.store.get(name) ?? {};
      if (!(kind in PATHS)) this.store.drop(name);
      let original = null;
      return this.chain(token).map(({ key, body, on }) => {
        original = { assignment: { token }, kind, key, body, original: on ? { result: on } : original };
        return original;
      });
    });
  }

  push(entry, { onTaken, onRefused }) {
    this.line.push(() => this.deliver(entry)).then(
      (result) => {
        entry.result = result;
        this.settle(entry, result);
        this.dropDrafts(entry);
        onTaken(result);
      },
      (error) => {
        this.settle(entry, null);
        onRefused(error);
      },
    );
  }

  deliver({ assignment, kind, key, body, original }) {
    const [single, several] = PATHS[kind];
    const on = original?.result;
    if (!on) return this.api.post(`assignments/${assignment.token}/${single}`, body, { key });
    return this.api.post(`${several}/${on.answer}/revisions`, { ...body, base: on.revision }, { key });
  }

  // Of what has arrived, and of its assignment unless there is more to come: a change of an answer that was refused
  // has become the answer.
  dropDrafts({ assignment: { token }, original }) {
    const open = this.workspace.current?.draft.name;
    for (const kind of ["draft", "change"]) {
      const name = `${kind}:${token}`;
      const isOwn = kind === (original ? "change" : "draft");
      if (isOwn || (!this.has(token) && name !== open)) this.store.drop(name);
    }
  }

  settle({ assignment: { token }, kind, key }, result) {
    const rest = this.chain(token).filter((link) => link.key !== key);
    if (rest.length && result) rest[0].on = { answer: result.answer, revision: result.revision };
    this.keep(token, kind, rest);
  }

  chain(token) {
    const { chain } = this.store.get(`unsent:${token}`) ?? {};
    return Array.isArray(chain) ? chain : [];
  }

  keep(token, kind, chain) {
    if (chain.length) return this.store.put(`unsent:${token}`, { kind, chain });
    this.store.drop(`unsent:${token}`);
    return true;
  }
}
