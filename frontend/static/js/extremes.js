// Best and worst first: the best of what is left, then the worst of what is left, and so on; two choices
// settle 2K-3 pairs. A choice is a letter, or "=" where all that is left is equal. The choices made so far are
// all there is to keep: to go back is to drop the last one, and an order is what they replay to. What is left
// stands between the two ends as one undecided tier.

export const REST = "=";

// `made`: how many of the choices are of use here. `asks`: {end, letters}, or null once the order is whole.
// `most`: how many choices it takes without ties.
export function sorted(letters, choices) {
  const best = [];
  const worst = [];
  let left = letters;
  let made = 0;
  let tied = [];
  while (left.length > 1 && !tied.length) {
    const given = choices[made];
    if (given === REST) tied = left;
    else if (left.includes(given)) {
      if (made % 2) worst.unshift([given]);
      else best.push([given]);
      left = left.filter((letter) => letter !== given);
    } else break;
    made += 1;
  }
  const isWhole = left.length === 1 || tied.length > 0;
  return {
    tiers: [...best, [...left], ...worst],
    tied: [...tied],
    asks: isWhole ? null : { end: made % 2 ? "worst" : "best", letters: [...left] },
    made,
    most: isWhole ? made : letters.length - 1,
  };
}

// The choices with one more: a letter of what is left, or "=".
export function choose(letters, choices, value) {
  const { asks, made } = sorted(letters, choices);
  if (!asks || (value !== REST && !asks.letters.includes(value))) return choices;
  return [...choices.slice(0, made), value];
}

// Of what was stored, as much as still fits these letters.
export function fitting(letters, stored) {
  return Array.isArray(stored) ? stored.slice(0, sorted(letters, stored).made) : [];
}
