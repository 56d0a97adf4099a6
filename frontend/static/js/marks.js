// Two texts as one, on the page: what is gone in <del>, what is new in <ins>.

import { compare } from "./diff.js";
import { h } from "./dom.js";

// What differs too much to be compared is gone as a whole, and new as a whole.
export function showChanges(element, before, after) {
  const parts = compare(before, after) ?? [{ same: false, before, after }];
  element.replaceChildren(...parts.flatMap((part) => marked(part)));
}

// The nodes of a part of a comparison; `written` makes those of its text.
export function marked({ same, before, after }, written = (text) => [text]) {
  if (same) return written(after);
  return [["del", before], ["ins", after]].filter(([, text]) => text).map(([tag, text]) => h(tag, {}, ...written(text)));
}
