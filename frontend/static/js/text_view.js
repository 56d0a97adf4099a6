// One text on the page, in the form that is wanted: as typed, with what is unseen made visible, compared with
// another, or as the server has set it. Whatever somebody wrote enters as text nodes; `html` is the server's own
// (labeling/markdown.py).

import { compare } from "./diff.js";
import { h } from "./dom.js";
import { marked } from "./marks.js";
import { setSafe } from "./preview.js";
import { count, pieces } from "./unseen.js";

export class TextView {
  constructor(element, text) {
    this.element = element;
    this.text = text;
    this.html = null;
    this.form = "";
    this.unseen = count(text);
  }

  // Returns false where a comparison was wanted and is not possible.
  show({ raw, invisible, against = null }) {
    const isSet = !raw && !invisible && against === null && this.html !== null;
    const form = JSON.stringify([isSet, invisible, against]);
    if (form === this.form) return this.isCompared || against === null;
    this.form = form;
    const parts = against === null ? null : compare(against, this.text);
    this.isCompared = parts !== null;
    this.element.classList.toggle("is-set", isSet);
    this.element.classList.toggle("is-compared", this.isCompared);
    if (isSet) setSafe(this.element, this.html);
    else if (parts) this.element.replaceChildren(...parts.flatMap((part) => marked(part, (text) => written(text, invisible))));
    else this.element.replaceChildren(...written(this.text, invisible));
    return this.isCompared || against === null;
  }
}

function written(text, invisible) {
  if (!invisible) return [text];
  return pieces(text).map((piece) => piece.text ?? h("span", { class: "unseen", title: piece.code }, piece.name));
}
