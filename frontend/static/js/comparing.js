// What labelers said of an item's answers, side by side. Pure logic: it imports nothing and knows no DOM.

// Scores a step apart are two people's taste; two steps are a difference.
const APART = 2;

// For each letter a cell for each answer: {place, isShared, score, flags}, and in what the answers differ.
export function compare(letters, answers) {
  return letters.map((letter) => {
    const cells = answers.map((answer) => cell(letter, answer));
    return { letter, cells, differs: differences(cells) };
  });
}

function cell(letter, { tiers, scores, flags }) {
  const at = tiers ? tiers.findIndex((tier) => tier.includes(letter)) : -1;
  const place = at < 0 ? null : 1 + tiers.slice(0, at).reduce((sum, tier) => sum + tier.length, 0);
  return { place, isShared: at >= 0 && tiers[at].length > 1, score: scores[letter] ?? null, flags: flags[letter] ?? [] };
}

function differences(cells) {
  const found = [];
  if (new Set(cells.map(({ place }) => place)).size > 1) found.push("place");
  const scores = cells.map(({ score }) => score).filter((score) => score !== null);
  if (Math.max(...scores) - Math.min(...scores) >= APART) found.push("score");
  if (new Set(cells.map(({ flags }) => [...flags].sort().join())).size > 1) found.push("flags");
  return found;
}

// A labeler's scores and order as the beginning of one's own; null where they gave no order.
export function adopted({ tiers, scores }) {
  if (!tiers) return null;
  const tied = tiers.filter((tier) => tier.length > 1).flat();
  return { scores, tiers, tied, moved: Object.keys(scores) };
}
