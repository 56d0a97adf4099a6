// The dialog that asks why an item is skipped.

import { find } from "./dom.js";

export function skipDialog(onSkip) {
  const dialog = find("#skip-dialog");
  const form = dialog.querySelector("form");
  const reasons = [...form.elements.reason];
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    onSkip({ reason: form.elements.reason.value, comment: form.elements.comment.value });
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.target === form.elements.comment || event.ctrlKey || event.metaKey || event.altKey) return;
    const reason = reasons[Number(event.key) - 1];
    if (reason) {
      event.preventDefault();
      reason.checked = true;
      reason.focus();
    } else if (event.key === "Enter" && event.target.type === "radio") {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  return () => {
    if (dialog.open) return;
    form.reset();
    dialog.showModal();
    reasons[0].focus();
  };
}
