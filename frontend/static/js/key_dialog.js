// The dialog of keys: what each does on this page, as this person has it, and how another is given to it. The server
// says which keys can be had, and keeps them with the account. Who takes the key of another action exchanges the two.

import { ApiError } from "./api.js";
import { find, h } from "./dom.js";
import { keys } from "./keys.js";
import { defaultOf, exchanged, nameOf } from "./shortcuts.js";
import { sentences, t } from "./words.js";

const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock"];

let dialog = null;

export function openKeys(workspace) {
  dialog ??= new KeyDialog(workspace.api);
  dialog.open();
}

class KeyDialog {
  constructor(api) {
    Object.assign(this, { api, asking: null });
    this.dialog = find("#keys-dialog");
    this.status = find("#keys-status");
    this.all = find("#keys-reset");
    find("#keys-fixed").before(...keys.parts.map((part) => this.part(part)));
    find("#keys-close").addEventListener("click", () => this.dialog.close());
    this.all.addEventListener("click", () => this.keep({}, () => t("keys_reset"), find("#keys-close")));
    this.dialog.addEventListener("keydown", (event) => this.press(event));
    this.dialog.addEventListener("keyup", (event) => this.release(event));
    this.dialog.addEventListener("focusout", () => this.stop());
    this.dialog.addEventListener("close", () => this.stop());
    document.addEventListener("keys", () => this.render());
    keys.show();
    this.render();
  }

  part({ title, actions }) {
    return h("tbody", {}, h("tr", {}, h("th", { colspan: 3, scope: "rowgroup" }, title)), ...actions.map((action) => this.row(...action)));
  }

  row(name, label, methods) {
    const button = (does, text, more) => h("button", { type: "button", id: `${does}-${name}`, "aria-labelledby": `${does}-${name} keys-of-${name}`, ...more }, text);
    const change = button("change", t("keys_change"), { class: "button button--small", "aria-pressed": "false", onclick: () => this.ask(name) });
    const reset = button("reset", t("keys_reset_one"), { class: "button button--quiet button--small", "data-reset": name, onclick: () => this.set(name, defaultOf(keys.defaults, name)) });
    return h("tr", { "data-for": methods.join(" ") || false }, h("td", { "data-keys": name }), h("td", { id: `keys-of-${name}` }, label), h("td", {}, reset, " ", change));
  }

  // A ranking lists what its way has.
  open() {
    if (this.dialog.open) return;
    const { method } = find("#work").dataset;
    for (const row of this.dialog.querySelectorAll("[data-for]")) row.hidden = !row.dataset.for.split(" ").includes(method);
    for (const part of this.dialog.querySelectorAll("tbody")) part.hidden = !part.querySelector("tr:has(td):not([hidden])");
    this.status.textContent = "";
    this.dialog.showModal();
  }

  // --- asking for a key ---------------------------------------------------------------------------------

  ask(name) {
    this.stop();
    const button = find(`#change-${name}`);
    button.focus();
    this.asking = name;
    button.textContent = t("keys_press");
    button.setAttribute("aria-pressed", "true");
    this.say(t("keys_ask", { action: this.label(name) }));
  }

  stop() {
    if (!this.asking) return;
    const button = find(`#change-${this.asking}`);
    button.textContent = t("keys_change");
    button.setAttribute("aria-pressed", "false");
    this.asking = null;
  }

  press(event) {
    if (!this.asking || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.key === "Tab" || MODIFIERS.includes(event.key)) return;
    event.preventDefault();
    // The very press that asked, held down.
    if (event.repeat) return;
    const name = this.asking;
    this.taken = event.key;
    this.stop();
    if (event.key === "Escape") this.say(t("keys_left"));
    else this.set(name, nameOf(event));
  }

  // A key that was taken presses no button.
  release(event) {
    if (this.taken === event.key) event.preventDefault();
    this.taken = null;
  }

  // --- giving it ----------------------------------------------------------------------------------------

  set(name, key) {
    const before = keys.actions;
    const said = () => {
      const others = keys.actions.filter((action, place) => action.name !== name && action.key !== before[place].key);
      const here = [name, ...others.map((action) => action.name)].filter((each) => this.label(each));
      return sentences(here.map((each) => t("keys_set", { action: this.label(each), key: keys.cap(each) })));
    };
    this.keep(exchanged(keys.defaults, keys.chosen, name, key), said, find(`#change-${name}`));
  }

  async keep(chosen, said, focus) {
    try {
      const { value } = await this.api.send("PUT", "me/workspace", { part: "keys", value: chosen });
      keys.tell(value);
      focus.focus();
      this.say(said());
    } catch (error) {
      this.say(error instanceof ApiError ? error.message : t("keys_offline"), { isError: true });
    }
  }

  render() {
    for (const button of this.dialog.querySelectorAll("[data-reset]")) button.hidden = !(button.dataset.reset in keys.chosen);
    this.all.hidden = Object.keys(keys.chosen).length === 0;
  }

  label(name) {
    return find(`#keys-of-${name}`)?.textContent;
  }

  say(text, { isError = false } = {}) {
    this.status.textContent = text;
    this.status.classList.toggle("is-error", isError);
  }
}
