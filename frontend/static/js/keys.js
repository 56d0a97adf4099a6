// The keys of a page of work as this person has them: what each does, and where that is shown.
//
// The page shows an action's key in `kbd[data-key]` and behind the name of `[data-title-key]`, all of its keys in
// `[data-keys]`, and the key of the flag at a place in `kbd[data-flag-place]`.

import { find, h } from "./dom.js";
import { actionOf, cap, isShifted, left, nameOf, withChosen } from "./shortcuts.js";

const FLAG_ROW = "1234567890QWERTYUIOP";
const OWN = /^[\p{L}\p{Nd}]$/u;

class Keys {
  // `parts`: what this page lists. `scope`: the state in which it begins; an editor may say that it is in another.
  constructor({ user, keys: { actions, parts, chosen, scope } }) {
    Object.assign(this, { defaults: actions, parts, scope });
    this.others = new BroadcastChannel(`rankloop-keys:${user}`);
    this.others.addEventListener("message", ({ data }) => this.change(data));
    this.choose(chosen);
  }

  // Chosen here: this person's other pages learn it at once, lest they keep what they know over it.
  tell(chosen) {
    this.others.postMessage(chosen);
    this.change(chosen);
  }

  change(chosen) {
    this.choose(chosen);
    this.show();
    document.dispatchEvent(new Event("keys"));
  }

  choose(chosen) {
    this.chosen = chosen;
    this.actions = withChosen(this.defaults, chosen);
    // A flag's key is the item's: it gives way to what else a key means while flags are set.
    this.flags = left(FLAG_ROW, this.actions, "flags");
  }

  cap(name) {
    return this.caps(name)[0] ?? "";
  }

  caps(name) {
    const action = this.actions.find((each) => each.name === name);
    return action ? [action.key, ...action.also].map(cap) : [];
  }

  // What an editor is told of a key: the action, or the letter or digit that is the item's own.
  pressed(event, scope = null) {
    const { key, altKey } = event;
    const action = actionOf(this.actions, scope ?? this.scope, nameOf(event));
    return { action, own: !action && !altKey && OWN.test(key) ? key.toUpperCase() : "", key, isBack: isShifted(event) };
  }

  show() {
    for (const kbd of document.querySelectorAll("kbd[data-key]")) kbd.textContent = this.cap(kbd.dataset.key);
    for (const kbd of document.querySelectorAll("kbd[data-flag-place]")) kbd.textContent = this.flags[kbd.dataset.flagPlace] ?? "";
    for (const named of document.querySelectorAll("[data-title-key]")) named.title = `${named.getAttribute("aria-label")} (${this.cap(named.dataset.titleKey)})`;
    for (const all of document.querySelectorAll("[data-keys]")) all.replaceChildren(...this.caps(all.dataset.keys).flatMap((each) => [h("kbd", {}, each), " "]));
  }
}

export const keys = new Keys(JSON.parse(find("#config").textContent));

export const hint = (name) => h("kbd", { "data-key": name, "aria-hidden": "true" }, keys.cap(name));
