// Which stretches of a text came by paste and still stand in it. It is counted, never forbidden.
//
// A stretch is [start, end]; stretches are in order and do not touch. What an edit has changed is found by
// comparing the text before with the text after, so that undo, spell checkers and input methods count too.

export function edited(stretches, before, after, isPaste) {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let same = 0;
  while (same < most - start && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1;
  const removed = before.length - same;
  const added = after.length - same;
  const kept = stretches.filter(([from]) => from < start).map(([from, to]) => [from, Math.min(to, start)]);
  if (isPaste) kept.push([start, added]);
  for (const [from, to] of stretches) {
    if (to > removed) kept.push([Math.max(from, removed) + added - removed, to + added - removed]);
  }
  return joined(kept);
}

function joined(stretches) {
  const result = [];
  for (const [from, to] of stretches) {
    const last = result.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (to > from) result.push([from, to]);
  }
  return result;
}

// What a draft says, if it can be true of a text of this length.
export function known(stretches, length) {
  if (!Array.isArray(stretches)) return [];
  const sound = stretches.filter((each) => Array.isArray(each) && each.length === 2 && each.every(Number.isInteger));
  return joined(sound.map(([from, to]) => [Math.max(0, from), Math.min(to, length)]).sort((a, b) => a[0] - b[0]));
}

// Of several texts together: [[stretches, length] …]. Nothing was pasted into no text.
export function share(texts) {
  let pasted = 0;
  let all = 0;
  for (const [stretches, length] of texts) {
    all += length;
    for (const [from, to] of stretches) pasted += to - from;
  }
  return all ? Math.round((1000 * pasted) / all) / 1000 : 0;
}
