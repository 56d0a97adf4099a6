// What was changed since a reviewer read it, word by word. Without this script the text stands as it is now.

import { showChanges } from "./marks.js";

for (const text of document.querySelectorAll("[data-before]")) showChanges(text, text.dataset.before, text.textContent);
