// What was written before, so that text deleted by mistake can be brought back. A state is {text, body}.
//
// The state before an edit is kept about every minute; and at once where much is lost by it: in one edit, or
// little by little since the text was longest.

const EVERY = 60_000;
const LOSS = 40;
const MOST = 30;
const MOST_CHARACTERS = 200_000;

export class Versions {
  // `kept`: what an earlier page has kept, the oldest first, as this gives it.
  constructor(kept, state, now) {
    this.kept = Array.isArray(kept) ? kept.filter((each) => typeof each?.text === "string" && each.body) : [];
    this.state = state;
    this.longest = state;
    this.since = now;
  }

  // The text has become this. True where an earlier one was kept.
  note(state, now) {
    const before = this.state;
    this.state = state;
    const isDue = now - Math.max(this.since, this.kept.at(-1)?.at ?? 0) >= EVERY;
    let lost = null;
    if (removed(before.text, state.text) >= LOSS || isDue) lost = before;
    else if (this.longest.text.length - state.text.length >= LOSS) lost = this.longest;
    if (lost || state.text.length >= this.longest.text.length) this.longest = state;
    return lost !== null && this.keep(lost, now);
  }

  keep({ text, body }, now) {
    if (!text.trim() || this.kept.some((each) => each.text === text)) return false;
    this.kept = [...this.kept, { at: now, text, body }].slice(-MOST);
    while (this.kept.length > 1 && characters(this.kept) > MOST_CHARACTERS) this.kept.shift();
    return true;
  }
}

function removed(before, after) {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let same = 0;
  while (same < most - start && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1;
  return before.length - same - start;
}

const characters = (kept) => kept.reduce((sum, { text }) => sum + text.length, 0);
