// What changed between two texts, word by word: a list of [kind, text] with kind "same", "gone" or "new".
// Pure logic: it imports nothing and knows no DOM.

// Beyond this many pairs of words the middle is shown as one change: a reader could not follow it anyway.
const MOST = 4_000_000;
// A word, a run of white space, or a single sign; each Chinese or Japanese character is a word of its own.
const TOKEN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}\p{M}_'’]+?(?=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[^\p{L}\p{N}\p{M}_'’]|$)|\s+|[^]/gu;

export function changes(before, after) {
  const a = before.match(TOKEN) ?? [];
  const b = after.match(TOKEN) ?? [];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = between(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return joined([...a.slice(0, start).map(same), ...middle, ...a.slice(a.length - end).map(same)]);
}

const same = (text) => ["same", text];

// The longest common subsequence, by the table of its lengths from the end.
function between(a, b) {
  if (a.length * b.length > MOST) return [["gone", a.join("")], ["new", b.join("")]];
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1] + 1 : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const found = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      found.push(same(a[i]));
      i += 1;
      j += 1;
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) found.push(["gone", a[i++]]);
    else found.push(["new", b[j++]]);
  }
  return [...found, ...a.slice(i).map((text) => ["gone", text]), ...b.slice(j).map((text) => ["new", text])];
}

// Neighbours of one kind as one; and of a stretch that changed first all that is gone, then all that is new.
function joined(parts) {
  const runs = [];
  let gone = "";
  let fresh = "";
  const flush = () => {
    if (gone) runs.push(["gone", gone]);
    if (fresh) runs.push(["new", fresh]);
    gone = fresh = "";
  };
  for (const [kind, text] of parts) {
    if (kind === "gone") gone += text;
    else if (kind === "new") fresh += text;
    else {
      flush();
      if (runs.at(-1)?.[0] === "same") runs.at(-1)[1] += text;
      else runs.push(["same", text]);
    }
  }
  flush();
  return runs.filter(([, text]) => text);
}
