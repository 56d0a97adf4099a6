// What happens when a key is pressed on a page of work. Where somebody types, or a dialog is open, a key is just a
// key; and all one-key shortcuts can be switched off (they get in the way of speech input).

import { find } from "./dom.js";
import { keys } from "./keys.js";
import { t } from "./words.js";

const SWITCH = "rankloop-shortcuts";

export function bindKeys(workspace) {
  const { editor } = workspace;
  const help = () => import("./key_dialog.js").then(({ openKeys }) => openKeys(workspace), () => workspace.view.say(t("offline")));
  const last = find("#last-answers");
  last?.addEventListener("click", (event) => goOnceSent(event, workspace));
  // What a key does on every page of work; the second while there is an item on it.
  const always = { keys: help, last: () => last.click(), undo: () => workspace.view.undo?.() };
  const working = { skip: () => workspace.current?.revising || workspace.openSkip(), submit: () => workspace.submit() };
  find("#keys-button").addEventListener("click", help);
  const toggle = find("#keys-on");
  toggle.checked = remembered();
  toggle.addEventListener("change", () => remember(toggle.checked));
  keys.show();
  document.addEventListener("keys", () => workspace.current && editor.render());

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      workspace.submit();
      return;
    }
    if (event.ctrlKey || event.metaKey || isTyping(event.target) || isForControl(event)) return;
    if (!toggle.checked && !event.altKey) return;
    const isWorking = !find("#work").hidden;
    const pressed = keys.pressed(event, isWorking ? editor.scope?.() : null);
    const run = always[pressed.action] ?? (isWorking ? working[pressed.action] : null);
    if (run) run();
    else if (!isWorking || !editor.press(pressed)) return;
    event.preventDefault();
  });
}

// What was answered a moment ago is in the list, too; and nobody is taken away minutes later.
function goOnceSent(event, { line, trouble, view }) {
  if (!line.waiting || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (trouble.isCutOff) view.say(t(trouble.said === "offline" ? "offline" : "signed_out"));
  else line.tail.then(() => event.target.click());
}

function isTyping(target) {
  return target.closest?.("textarea, select, input:not([type=radio]):not([type=checkbox])") !== null;
}

// What a key does to the very thing that has the focus comes first.
function isForControl({ key, altKey, target }) {
  if (key === "Enter") return target.closest("a, button, summary") !== null;
  if (key === " ") return target.closest("a, button, summary, input") !== null;
  return key.startsWith("Arrow") && !altKey && target.type === "radio";
}

function remembered() {
  try {
    return localStorage.getItem(SWITCH) !== "off";
  } catch {
    return true;
  }
}

function remember(isOn) {
  try {
    localStorage.setItem(SWITCH, isOn ? "on" : "off");
  } catch {
    // The choice lasts as long as the page.
  }
}
