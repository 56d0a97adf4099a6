// A text as others will see it. What is Markdown in it the server has set as safe HTML (labeling/markdown.py).

import { find } from "./dom.js";
import { t } from "./words.js";

export class Preview {
  // `show(region)` fills the region, and may take its time; `editing` is hidden meanwhile.
  constructor({ editing, show, focus, say }) {
    Object.assign(this, { editing, show, focus, say });
    this.region = find("#preview");
    this.button = find("#preview-button");
    this.button.addEventListener("click", () => this.toggle());
  }

  get isOn() {
    return !this.region.hidden;
  }

  async toggle() {
    if (this.isOn) {
      this.off();
      this.focus();
      return;
    }
    this.set(true);
    this.region.setAttribute("aria-busy", "true");
    this.region.replaceChildren();
    try {
      await this.show(this.region);
      this.say(t("preview_shown"));
    } catch (error) {
      this.region.textContent = t("preview_failed", { reason: error.message });
      this.say(this.region.textContent);
    }
    this.region.removeAttribute("aria-busy");
  }

  off() {
    if (this.isOn) this.set(false);
  }

  set(isOn) {
    this.region.hidden = !isOn;
    this.editing.hidden = isOn;
    this.button.textContent = t(isOn ? "preview_edit" : "preview");
    this.button.setAttribute("aria-expanded", String(isOn));
  }
}

// Parsed apart from the page: even if the server were wrong, nothing in it would run.
export function setSafe(element, html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  element.replaceChildren(...body.childNodes);
}
