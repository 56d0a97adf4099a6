// Which answers of an item are on the screen, and in which order. Pure.

export const LAYOUTS = ["columns", "two_up", "carousel"];
export const WIDTHS = ["narrow", "medium", "wide", "full"];

// The pinned answer stands first, the others as they were.
export function ordered(letters, pinned) {
  return pinned ? [pinned, ...letters.filter((letter) => letter !== pinned)] : letters;
}

// `beside`: the answer that was chosen last beside the pinned one.
export function onScreen({ layout, letters, selected, pinned, beside }) {
  if (layout === "carousel") return [selected];
  if (layout === "columns" || letters.length < 3) return ordered(letters, pinned);
  if (pinned) {
    const others = letters.filter((letter) => letter !== pinned);
    const other = [selected, beside].find((letter) => others.includes(letter)) ?? others[0];
    return [pinned, other];
  }
  const at = letters.indexOf(selected);
  const first = Math.min(at - (at % 2), letters.length - 2);
  return letters.slice(first, first + 2);
}

export function after(list, value, step, { round = true } = {}) {
  const at = list.indexOf(value) + step;
  return list[round ? (at + list.length) % list.length : Math.max(0, Math.min(list.length - 1, at))];
}
