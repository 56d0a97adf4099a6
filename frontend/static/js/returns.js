// What was changed since a reviewer read it, word by word. Without this script the text stands as it is now.

import { changes } from "./changes.js";
import { h } from "./dom.js";

const tags = { same: "span", gone: "del", new: "ins" };

for (const text of document.querySelectorAll("[data-before]")) {
  text.replaceChildren(...changes(text.dataset.before, text.textContent).map(([kind, part]) => h(tags[kind], {}, part)));
}
