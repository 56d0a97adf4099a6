// The dialog that asks why an item is skipped.

import { find } from "./dom.js";
import { t } from "./words.js";

export function skipDialog(onSkip) {
  const dialog = find("#skip-dialog");
  const form = dialog.querySelector("form");
  const reasons = [...form.elements.reason];
  const { comment } = form.elements;
  // Who reports a prompt says what is wrong with it.
  const renew = () => {
    const isReport = form.elements.reason.value === "report";
    comment.required = isReport;
    comment.setCustomValidity(isReport && !comment.value.trim() ? t("report_why") : "");
    for (const hint of form.querySelectorAll("[data-when]")) hint.hidden = (hint.dataset.when === "report") !== isReport;
  };
  form.addEventListener("input", renew);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    onSkip({ reason: form.elements.reason.value, comment: comment.value });
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.target === comment || event.ctrlKey || event.metaKey || event.altKey) return;
    const reason = reasons[Number(event.key) - 1];
    if (reason) {
      event.preventDefault();
      reason.checked = true;
      renew();
      reason.focus();
    } else if (event.key === "Enter" && event.target.type === "radio") {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  return () => {
    if (dialog.open) return;
    form.reset();
    renew();
    dialog.showModal();
    reasons[0].focus();
  };
}
