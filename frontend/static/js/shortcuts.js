// Which key does what. Pure logic: it imports nothing and knows no DOM.
//
// An action is {name, key, also, scopes}; the server names them all and lets no two of one scope have the same key
// (labeling/actions/shortcuts.py). A key is written as it is kept: "j", "Space", "Alt+ArrowUp".

const CAPS = { Enter: "↵", Space: "␣", Backspace: "⌫", Delete: "⌦", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

export function nameOf({ key, altKey }) {
  const name = key === " " ? "Space" : isCharacter(key) ? key.toLowerCase() : key;
  return altKey ? `Alt+${name}` : name;
}

// As it stands on the keyboard.
export function cap(name) {
  const [, alt, key] = /^(Alt\+)?(.*)$/su.exec(name);
  return `${alt ?? ""}${CAPS[key] ?? (isCharacter(key) ? key.toUpperCase() : key)}`;
}

// The actions with the keys that somebody has chosen, {name: key}.
export function withChosen(actions, chosen) {
  return actions.map((action) => ({ ...action, key: chosen[action.name] ?? action.key }));
}

// What is chosen once this action has that key. Whatever had it where both mean something gets the old one.
export function exchanged(defaults, chosen, name, key) {
  const now = withChosen(defaults, chosen);
  const mine = now.find((action) => action.name === name);
  const others = now.filter((other) => other !== mine && isSame(other.key, key) && other.scopes.some((scope) => mine.scopes.includes(scope)));
  const keys = { ...chosen, [name]: key, ...Object.fromEntries(others.map((other) => [other.name, mine.key])) };
  return Object.fromEntries(Object.entries(keys).filter(([each, one]) => !isSame(one, defaultOf(defaults, each))));
}

export function defaultOf(defaults, name) {
  return defaults.find((action) => action.name === name).key;
}

// What this key does in this scope; "" where it does nothing.
export function actionOf(actions, scope, name) {
  const there = actions.filter(({ scopes }) => scopes.includes(scope));
  const found = there.find(({ key }) => isSame(key, name)) ?? there.find(({ also }) => also.some((key) => isSame(key, name)));
  return found?.name ?? "";
}

// The keys of this row that no action of the scope has.
export function left(row, actions, scope) {
  return [...row].filter((key) => !actionOf(actions, scope, nameOf({ key })));
}

// Pressed with Shift, where that makes no other key of it.
export function isShifted({ key, shiftKey }) {
  return shiftKey && (key === " " || key.toLowerCase() !== key.toUpperCase());
}

export const isCharacter = (key) => [...key].length === 1;
const isSame = (one, other) => one.toLowerCase() === other.toLowerCase();
