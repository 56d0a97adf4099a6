// After so many minutes of work, a quiet word about a break. It blocks nothing and comes once a spell.

import { ActiveClock } from "./clock.js";
import { find, h } from "./dom.js";
import { Store } from "./storage.js";
import { t } from "./words.js";
import { WorkSpell } from "./work_spell.js";

const NAME = "spell";
const config = JSON.parse(find("#config").textContent);
const wanted = config.break_after_minutes * 60;
const store = new Store(config.user);
const kept = store.get(NAME);
const spell = new WorkSpell(ActiveClock, Date.now(), kept);
let isSaid = Boolean(kept?.isSaid) && spell.seconds > 0;
let saved = 0;

function note() {
  if (spell.note(Date.now())) isSaid = false;
  if (spell.seconds >= wanted && !isSaid) say();
  if (Date.now() - saved > 5000) save();
}

function save() {
  saved = Date.now();
  store.put(NAME, { ...spell.kept(), isSaid });
}

function say() {
  isSaid = true;
  const text = t("rest", { n: Math.round(spell.seconds / 60) });
  const close = h("button", { class: "button button--small button--quiet", type: "button", onclick: () => notice.remove() }, t("rest_later"));
  const notice = h("div", { class: "notice" }, h("span", {}, text), close);
  find("#rest").replaceChildren(notice);
  save();
}

for (const name of ["pointerdown", "keydown", "wheel", "scroll", "touchmove"]) {
  addEventListener(name, note, { passive: true, capture: true });
}
addEventListener("pagehide", save);
note();
