// The parts of the page around the work itself: what is said aloud, the state of saving, notices, toasts.

import { find, h } from "./dom.js";
import { hint } from "./keys.js";
import { t } from "./words.js";

const TOAST_FOR = 8000;
// Notices that are about no item on the page: the state of the line, and what was left unfinished; and those of
// answers that have left, which stay until the next one does.
const OF_THE_PAGE = ["line", "begun"];
const OF_THE_LAST = ["resent", "extra", "elsewhere", "storage"];

export class View {
  constructor() {
    this.live = find("#live");
    this.state = find("#line-state");
    this.notices = find("#notices");
    this.toasts = find("#toasts");
    this.panels = { work: find("#work"), empty: find("#empty"), loading: find("#loading") };
  }

  // For a screen reader. The same words twice are said twice.
  say(text) {
    this.live.textContent = this.live.textContent === text ? `${text}\u00a0` : text;
  }

  panel(name) {
    for (const [key, element] of Object.entries(this.panels)) element.hidden = key !== name;
  }

  saving(state) {
    this.state.textContent = t(`line_${state.replace("-", "_")}`);
    this.state.dataset.state = state;
  }

  // One notice of each name at a time. `actions` are [label, function] pairs.
  notice(name, text, { tone = "warn", actions = [] } = {}) {
    this.clear(name);
    const buttons = actions.map(([label, run]) =>
      h("button", { class: "button button--small", type: "button", onclick: run }, label),
    );
    this.notices.append(
      h("div", { class: `notice notice--${tone}`, "data-name": name, role: "alert" }, h("span", {}, text), ...buttons),
    );
  }

  clear(...names) {
    this.drop((name) => names.includes(name));
  }

  clearLast() {
    this.clear(...OF_THE_LAST);
  }

  // What was said about the item that leaves the page.
  clearItem() {
    this.drop((name) => !OF_THE_PAGE.includes(name) && !OF_THE_LAST.includes(name));
  }

  drop(isMeant) {
    for (const notice of [...this.notices.children]) if (isMeant(notice.dataset.name)) notice.remove();
  }

  // A toast stays while the pointer or the focus is on it.
  toast(text, label, run) {
    this.untoast();
    const button = h("button", { class: "button button--small", type: "button" }, label, " ", hint("undo"));
    const toast = h("div", { class: "toast" }, h("span", {}, text), button);
    const leave = () => (toast.matches(":hover, :focus-within") ? (this.timer = setTimeout(leave, 1500)) : this.untoast());
    this.undo = () => {
      this.untoast();
      run();
    };
    button.addEventListener("click", this.undo);
    this.toasts.replaceChildren(toast);
    this.timer = setTimeout(leave, TOAST_FOR);
  }

  untoast() {
    clearTimeout(this.timer);
    this.undo = null;
    this.toasts.replaceChildren();
  }
}
