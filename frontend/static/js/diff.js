// What two texts have in common, word by word. Pure logic: it imports nothing and knows no DOM.
//
// What a word is, here and in labeling/differences.py: letters, digits and marks, with an apostrophe between them;
// of scripts that are written without spaces each character, and so each sign. White space counts where a reader
// sees it: a line break is a word, and so are the blanks that a line begins with. Other blanks belong to the word
// before them and make it no other.
//
// compare(before, after) gives parts {same, before, after}, in order: the befores together are the one text,
// the afters the other. It gives null where more than MOST_CHANGES words differ: no reader could follow, nor could
// it be found in the time that a key may take.

const MOST_CHANGES = 2_000;
// Thai, Lao, Burmese, Khmer, kana, Han.
const ALONE = String.raw`[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]`;
const LETTER = String.raw`(?:(?!${ALONE})[\p{L}\p{M}\p{N}_])`;
const WORD = new RegExp(String.raw`\n|(?:${LETTER}+(?:['’]${LETTER}+)*|\S\p{M}*)[^\S\n]*|[^\S\n]+`, "gu");

export function compare(before, after) {
  const [one, other] = [words(before), words(after)];
  const [from, to] = numbered(one, other);
  let start = 0;
  while (start < from.length && start < to.length && from[start] === to[start]) start += 1;
  let end = 0;
  while (end < from.length - start && end < to.length - start && from[from.length - 1 - end] === to[to.length - 1 - end]) end += 1;
  const steps = shortest(from.slice(start, from.length - end), to.slice(start, to.length - end));
  return steps && tidy(parts([...Array(start).fill("="), ...steps, ...Array(end).fill("=")], one, other));
}

// Together they are the text.
export function words(text) {
  return text.match(WORD) ?? [];
}

// Equal words have equal numbers, whatever blanks come after them.
function numbered(...texts) {
  const numbers = new Map();
  return texts.map((text) =>
    text.map((word) => {
      const key = word.trimEnd() || word;
      if (!numbers.has(key)) numbers.set(key, numbers.size);
      return numbers.get(key);
    }),
  );
}

// Myers' shortest edit script as "=", "-" and "+". `furthest[k]` is how far diagonal k (x - y) has come.
function shortest(from, to) {
  const most = Math.min(from.length + to.length, MOST_CHANGES);
  const middle = most + 1;
  const furthest = new Int32Array(2 * most + 3);
  const trace = [];
  for (let changes = 0; changes <= most; changes += 1) {
    trace.push(furthest.slice(middle - changes, middle + changes + 1));
    for (let k = -changes; k <= changes; k += 2) {
      const isDown = k === -changes || (k !== changes && furthest[middle + k - 1] < furthest[middle + k + 1]);
      let x = isDown ? furthest[middle + k + 1] : furthest[middle + k - 1] + 1;
      while (x < from.length && x - k < to.length && from[x] === to[x - k]) x += 1;
      furthest[middle + k] = x;
      if (x >= from.length && x - k >= to.length) return walkedBack(trace, from.length, to.length);
    }
  }
  return null;
}

function walkedBack(trace, x, y) {
  const steps = [];
  for (let changes = trace.length - 1; changes > 0; changes -= 1) {
    const at = (k) => trace[changes][changes + k];
    const k = x - y;
    const isDown = k === -changes || (k !== changes && at(k - 1) < at(k + 1));
    const back = isDown ? at(k + 1) : at(k - 1);
    const start = isDown ? back : back + 1;
    for (; x > start; x -= 1, y -= 1) steps.push("=");
    steps.push(isDown ? "+" : "-");
    if (isDown) y -= 1;
    else x -= 1;
  }
  for (; x > 0; x -= 1) steps.push("=");
  return steps.reverse();
}

function parts(steps, one, other) {
  const found = [];
  let [x, y] = [0, 0];
  for (const step of steps) {
    const same = step === "=";
    if (found.at(-1)?.same !== same) found.push({ same, before: "", after: "" });
    const part = found.at(-1);
    if (step !== "+") part.before += one[x++];
    if (step !== "-") part.after += other[y++];
  }
  return found;
}

// A word or sign alone between two longer changes is the same by chance: nobody wants to read round it.
function tidy(found) {
  const kept = [];
  for (const [index, part] of found.entries()) {
    const last = kept.at(-1);
    const isIsland = part.same && last && found[index + 1] && part.after.trim().length <= 3 && size(last) > 8 && size(found[index + 1]) > 8;
    if (last && !last.same && (isIsland || !part.same)) {
      last.before += part.before;
      last.after += part.after;
    } else kept.push({ ...part });
  }
  return kept;
}

function size({ before, after }) {
  return Math.max(before.length, after.length);
}
