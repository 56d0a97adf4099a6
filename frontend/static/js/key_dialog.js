// The dialog of keys: what each does on this page, as this person has it, and how another is given to it. The server
// says which keys can be had, and keeps them with the account. Who takes the key of another action exchanges the two.

import { ApiError } from "./api.js";
import { find } from "./dom.js";
import { keys } from "./keys.js";
import { defaultOf, exchanged, nameOf } from "./shortcuts.js";
import { sentences, t } from "./words.js";

const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock"];

export class KeyDialog {
  constructor(workspace) {
    Object.assign(this, { workspace, asking: null });
    this.dialog = find("#keys-dialog");
    this.status = find("#keys-status");
    this.all = find("#keys-reset");
    find("#keys-button").addEventListener("click", () => this.open());
    find("#keys-close").addEventListener("click", () => this.dialog.close());
    this.all.addEventListener("click", () => this.keep({}, () => t("keys_reset"), find("#keys-close")));
    for (const button of this.buttons("change")) button.addEventListener("click", () => this.ask(button));
    for (const button of this.buttons("reset")) button.addEventListener("click", () => this.set(button.dataset.reset, defaultOf(keys.defaults, button.dataset.reset)));
    this.dialog.addEventListener("keydown", (event) => this.press(event));
    this.dialog.addEventListener("keyup", (event) => this.release(event));
    this.dialog.addEventListener("focusout", () => this.stop());
    this.dialog.addEventListener("close", () => this.stop());
    // Other pages of this person's, which would otherwise keep what they know over what was chosen here.
    this.others = new BroadcastChannel(`rankloop-keys:${workspace.config.user}`);
    this.others.addEventListener("message", ({ data }) => this.show(data));
    this.render();
  }

  buttons(what) {
    return this.dialog.querySelectorAll(`button[data-${what}]`);
  }

  open() {
    if (this.dialog.open) return;
    this.status.textContent = "";
    this.dialog.showModal();
  }

  // --- asking for a key ---------------------------------------------------------------------------------

  ask(button) {
    this.stop();
    button.focus();
    this.asking = button;
    button.textContent = t("keys_press");
    button.setAttribute("aria-pressed", "true");
    this.say(t("keys_ask", { action: this.label(button.dataset.change) }));
  }

  stop() {
    if (!this.asking) return;
    this.asking.textContent = t("keys_change");
    this.asking.setAttribute("aria-pressed", "false");
    this.asking = null;
  }

  press(event) {
    if (!this.asking || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.key === "Tab" || MODIFIERS.includes(event.key)) return;
    event.preventDefault();
    // The very press that asked, held down.
    if (event.repeat) return;
    const name = this.asking.dataset.change;
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
      const { value } = await this.workspace.api.send("PUT", "me/workspace", { part: "keys", value: chosen });
      this.others.postMessage(value);
      this.show(value);
      focus.focus();
      this.say(said());
    } catch (error) {
      this.say(error instanceof ApiError ? error.message : t("keys_offline"), { isError: true });
    }
  }

  show(chosen) {
    this.stop();
    keys.choose(chosen);
    keys.show();
    this.render();
    if (this.workspace.current) this.workspace.editor.render();
  }

  render() {
    for (const button of this.buttons("reset")) button.hidden = !(button.dataset.reset in keys.chosen);
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
