// One ranking as plain data, and every move a labeler can make on it. Each function takes a state and
// returns a new one. `tiers` are best first; a letter that has no place yet is in none of them.
//
// A score seeds the place of its letter; equal scores meet in one tier, which stays *unresolved* until
// the labeler orders it or marks it as a tie. A letter placed by hand (`moved`) keeps its place when it
// is scored, unless a changed score newly contradicts that place: then the score seeds it again.
//
// There are other ways to an order than scores. A way is {seeds, sort}: whether scores seed places, and what
// sorts (extremes.js, insertion.js), if something does. `choices` is what was said in a sort, and null where
// nothing is to be asked: without a sort, and once somebody has placed a letter by hand after it.

export const RATE = { seeds: true, sort: null };

export function blank(letters) {
  return { letters, scores: {}, tiers: [], tied: [], moved: [], choices: null, flags: {}, denied: {}, all_bad: false, comment: "" };
}

// A state from a stored draft, of which nothing is trusted but what fits these letters.
export function restore(letters, body, scale, flagKeys, way = RATE) {
  const known = new Set(letters);
  const state = blank(letters);
  if (!body || typeof body !== "object") return way.sort ? sortedBy(state, [], way.sort) : state;
  for (const [letter, score] of Object.entries(body.scores ?? {})) {
    if (known.has(letter) && Number.isInteger(score) && score >= scale.min && score <= scale.max) {
      state.scores[letter] = score;
    }
  }
  const placed = new Set();
  for (const tier of Array.isArray(body.tiers) ? body.tiers : []) {
    const kept = (Array.isArray(tier) ? tier : []).filter((letter) => known.has(letter) && !placed.has(letter));
    kept.forEach((letter) => placed.add(letter));
    if (kept.length) state.tiers.push(kept);
  }
  const own = (list) => (Array.isArray(list) ? letters.filter((letter) => list.includes(letter)) : []);
  state.tied = own(body.tied);
  state.moved = own(body.moved);
  for (const letter of letters) {
    const kept = (field) => flagKeys.filter((key) => Array.isArray(body[field]?.[letter]) && body[field][letter].includes(key));
    for (const key of kept("denied")) Object.assign(state, setFlag(state, letter, key, false, flagKeys));
    for (const key of kept("flags")) Object.assign(state, setFlag(state, letter, key, true, flagKeys));
  }
  state.all_bad = body.all_bad === true;
  state.comment = typeof body.comment === "string" ? body.comment : "";
  const tidied = tidy(state);
  if (way.sort) {
    // An answer that was given, or placed by hand, has an order that no sort explains.
    const isSettled = body.choices === null || (body.choices === undefined && isOrdered(tidied));
    return isSettled ? tidied : sortedBy(tidied, way.sort.fitting(letters, body.choices), way.sort);
  }
  if (!way.seeds) return tidied;
  return letters
    .filter((letter) => state.scores[letter] !== undefined && !placed.has(letter))
    .reduce((next, letter) => seed(next, letter), tidied);
}

// The order that these choices of a sort give, as far as they go.
export function sortedBy(state, choices, sort) {
  const { tiers, tied } = sort.sorted(state.letters, choices);
  return { ...state, choices, tiers, tied, moved: choices.length ? inOrder(state, tiers.flat()) : [] };
}

export function setScore(state, letter, score, way = RATE) {
  const before = state.scores[letter];
  const next = { ...state, scores: { ...state.scores, [letter]: score } };
  if (!way.seeds) return before === score ? state : next;
  if (!state.moved.includes(letter)) return before === score ? state : seed(next, letter);
  if (before === undefined || conflictsOf(next, letter) <= conflictsOf(state, letter)) return next;
  return seed({ ...next, moved: without(next.moved, letter) }, letter);
}

// Forget every move by hand: the order that the scores alone give.
export function orderByScores(state) {
  const scored = state.letters.filter((letter) => state.scores[letter] !== undefined);
  return scored.reduce((next, letter) => seed(next, letter), { ...state, tiers: [], tied: [], moved: [] });
}

// Alone in a tier of its own before tier number `gap` (tiers.length: at the end).
export function placeBetween(state, letter, gap) {
  const tiers = state.tiers.map((tier) => without(tier, letter));
  tiers.splice(gap, 0, [letter]);
  return tidy({ ...state, choices: null, tiers, tied: without(state.tied, letter), moved: mark(state, state.moved, [letter]) });
}

// Into tier number `index`. To put a letter beside another is to say that they are equal.
export function placeInTier(state, letter, index) {
  if (state.tiers[index].includes(letter)) return state;
  const wasUnresolved = isUnresolved(state, state.tiers[index]);
  const tiers = state.tiers.map((tier, at) => (at === index ? inOrder(state, [...tier, letter]) : without(tier, letter)));
  const tied = mark(state, state.tied, wasUnresolved ? [letter] : tiers[index]);
  return tidy({ ...state, choices: null, tiers, tied, moved: mark(state, state.moved, [letter]) });
}

// One step towards the best (-1) or the worst (+1): out of a shared tier, or past the neighbouring one.
export function move(state, letter, step) {
  const at = tierOf(state, letter);
  if (at < 0) return placeBetween(state, letter, step < 0 ? 0 : state.tiers.length);
  if (state.tiers[at].length > 1) return placeBetween(state, letter, step < 0 ? at : at + 1);
  const beyond = at + step;
  if (beyond < 0 || beyond >= state.tiers.length) return state;
  return placeBetween(state, letter, step < 0 ? beyond : beyond + 1);
}

// In a shared tier: keep the tie, or take that back. Alone: join the tier above (the top one: the one below).
export function toggleTie(state, letter) {
  const at = tierOf(state, letter);
  if (at < 0 || (state.tiers[at].length === 1 && state.tiers.length === 1)) return state;
  const tier = state.tiers[at];
  if (tier.length === 1) return placeInTier(state, letter, at > 0 ? at - 1 : 1);
  if (isUnresolved(state, tier)) return { ...state, choices: null, tied: mark(state, state.tied, tier) };
  return { ...state, choices: null, tied: state.tied.filter((other) => !tier.includes(other)) };
}

// A letter without a place, equal to the worst that has one.
export function joinLast(state, letter) {
  return state.tiers.length ? placeInTier(state, letter, state.tiers.length - 1) : state;
}

// What is said of a flag: true, false, or null for nothing yet.
export function flagOf(state, letter, key) {
  if (state.flags[letter]?.includes(key)) return true;
  return state.denied[letter]?.includes(key) ? false : null;
}

export function setFlag(state, letter, key, value, flagKeys) {
  const put = (field, isIn) => {
    const { [letter]: now = [], ...others } = state[field];
    const next = flagKeys.filter((other) => (other === key ? isIn : now.includes(other)));
    return next.length ? { ...others, [letter]: next } : others;
  };
  return { ...state, flags: put("flags", value === true), denied: put("denied", value === false) };
}

// What a flag's key does. One that must be answered goes from nothing to yes to no; any other is set or not.
export function turnFlag(state, letter, { key, required }, flagKeys) {
  const now = flagOf(state, letter, key);
  if (required) return setFlag(state, letter, key, now === null ? true : now ? false : null, flagKeys);
  return setFlag(state, letter, key, now ? null : true, flagKeys);
}

// The flags of a letter that want a yes or a no and have neither.
export function unanswered(state, letter, flags) {
  return flags.filter(({ key, required }) => required && flagOf(state, letter, key) === null);
}

export function tierOf(state, letter) {
  return state.tiers.findIndex((tier) => tier.includes(letter));
}

// Place 1 is the best; letters of one tier have the same place. Null where the letter has none yet.
export function placeOf(state, letter) {
  const at = tierOf(state, letter);
  return at < 0 ? null : 1 + state.tiers.slice(0, at).reduce((sum, tier) => sum + tier.length, 0);
}

export function isUnresolved(state, tier) {
  return tier.length > 1 && !tier.every((letter) => state.tied.includes(letter));
}

// What keeps this from being an answer: letters without a score or a place, and ties nobody has decided.
export function missing(state) {
  const unscored = state.letters.filter((letter) => state.scores[letter] === undefined);
  const unplaced = state.all_bad ? [] : state.letters.filter((letter) => tierOf(state, letter) < 0);
  const unresolved = state.all_bad ? [] : state.tiers.filter((tier) => isUnresolved(state, tier));
  return { unscored, unplaced, unresolved, complete: ![unscored, unplaced, unresolved].some((list) => list.length) };
}

// Every letter has its place, and every tie is meant.
export function isOrdered(state) {
  return state.letters.every((letter) => tierOf(state, letter) >= 0) && !state.tiers.some((tier) => isUnresolved(state, tier));
}

// How many pairs the scores and the order put the other way round.
export function conflicts(state) {
  return state.letters.reduce((sum, letter) => sum + conflictsOf(state, letter), 0) / 2;
}

// What the server is told. All bad may stand without an order; a half-made one is not sent.
export function answer(state) {
  const whole = isOrdered(state);
  return {
    scores: state.scores,
    tiers: whole ? state.tiers : null,
    tied: whole ? state.tied : [],
    flags: state.flags,
    denied: state.denied,
    moved: state.moved,
    all_bad: state.all_bad,
    comment: state.comment,
  };
}

export function isBlank(state) {
  const { scores, moved, choices, flags, denied, comment } = state;
  return !Object.keys(scores).length && !moved.length && !choices?.length && !Object.keys({ ...flags, ...denied }).length && !comment;
}

// --- inside ---------------------------------------------------------------------------------------------

function seed(state, letter) {
  const score = state.scores[letter];
  const base = tidy({
    ...state,
    tiers: state.tiers.map((tier) => without(tier, letter)),
    tied: without(state.tied, letter),
  });
  const equal = (other) => base.scores[other] === score;
  const seeded = base.tiers.findIndex((tier) => tier.some((other) => equal(other) && !base.moved.includes(other)));
  const joins = seeded >= 0 ? seeded : base.tiers.findIndex((tier) => tier.some(equal));
  if (joins >= 0) {
    const tiers = base.tiers.map((tier, at) => (at === joins ? inOrder(state, [...tier, letter]) : tier));
    return { ...base, tiers };
  }
  // Where its score contradicts the fewest others.
  let best = null;
  for (let gap = 0; gap <= base.tiers.length; gap += 1) {
    const tiers = [...base.tiers.slice(0, gap), [letter], ...base.tiers.slice(gap)];
    const count = conflictsOf({ ...base, tiers }, letter);
    if (best === null || count < best.count) best = { tiers, count };
  }
  return { ...base, tiers: best.tiers };
}

function conflictsOf(state, letter) {
  const at = tierOf(state, letter);
  const score = state.scores[letter];
  if (at < 0 || score === undefined) return 0;
  return state.letters.filter((other) => {
    const place = tierOf(state, other);
    const theirs = state.scores[other];
    return place >= 0 && theirs !== undefined && (place - at) * (theirs - score) > 0;
  }).length;
}

// No empty tiers, and nobody tied with nobody.
function tidy(state) {
  const tiers = state.tiers.filter((tier) => tier.length);
  const shared = new Set(tiers.filter((tier) => tier.length > 1).flat());
  return { ...state, tiers, tied: state.tied.filter((letter) => shared.has(letter)) };
}

function without(list, letter) {
  return list.filter((other) => other !== letter);
}

function inOrder(state, letters) {
  return state.letters.filter((letter) => letters.includes(letter));
}

function mark(state, list, letters) {
  return inOrder(state, [...list, ...letters]);
}
