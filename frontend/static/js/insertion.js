// Two at a time: an order by comparisons. Each letter in turn is inserted among those before it by binary
// search; a letter that equals another joins its tier. The comparisons made so far, each {left, right, said},
// are all there is to keep: to go back is to drop the last one, and an order is what they replay to.

export const SAID = ["left", "equal", "right"];

// `made`: how many of the comparisons are of use here. `asks`: the next pair, or null once the order is whole.
// `most`: how many comparisons it takes in the worst case, those made included.
export function sorted(letters, comparisons) {
  const tiers = [[letters[0]]];
  let made = 0;
  for (const [index, letter] of letters.entries()) {
    if (index === 0) continue;
    let low = 0;
    let high = tiers.length;
    let equal = null;
    while (low < high) {
      const middle = (low + high) >> 1;
      const asks = pair(tiers[middle][0], letter, index);
      const given = comparisons[made];
      if (!answers(given, asks)) {
        const most = made + worst(high - low) + worstOfRest(tiers.length, letters.length - index - 1);
        return { tiers, tied: shared(tiers), asks, made, most };
      }
      made += 1;
      if (given.said === "equal") {
        equal = tiers[middle];
        break;
      }
      if (given[given.said] === letter) high = middle;
      else low = middle + 1;
    }
    if (equal) equal.push(letter);
    else tiers.splice(low, 0, [letter]);
  }
  return { tiers, tied: shared(tiers), asks: null, made, most: made };
}

// The comparisons with one more: "left", "right" or "equal", or the better one's letter.
export function choose(letters, comparisons, value) {
  const { asks, made } = sorted(letters, comparisons);
  if (!asks) return comparisons;
  const said = value === asks.left ? "left" : value === asks.right ? "right" : value;
  return SAID.includes(said) ? [...comparisons.slice(0, made), { ...asks, said }] : comparisons;
}

// Of what was stored, as much as still fits these letters.
export function fitting(letters, stored) {
  if (!Array.isArray(stored)) return [];
  return stored.slice(0, sorted(letters, stored).made).map(({ left, right, said }) => ({ left, right, said }));
}

// A letter stays on its side while it is inserted, so that it is read once; letters take turns in sides.
function pair(other, letter, index) {
  return index % 2 ? { left: other, right: letter } : { left: letter, right: other };
}

function answers(given, { left, right }) {
  return given?.left === left && given.right === right && SAID.includes(given.said);
}

const worst = (tiers) => Math.ceil(Math.log2(tiers + 1));

function worstOfRest(tiers, letters) {
  let sum = 0;
  for (let more = 1; more <= letters; more += 1) sum += worst(tiers + more);
  return sum;
}

function shared(tiers) {
  return tiers.filter((tier) => tier.length > 1).flat();
}
