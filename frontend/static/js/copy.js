// Buttons that copy a field: <button data-copy="id of the field" data-copied="Copied">.

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  field.addEventListener("focus", () => field.select());
  if (document.activeElement === field) field.select();
  button.addEventListener("click", async () => {
    field.focus();
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      return; // Without a secure connection there is no clipboard; the selected text can be copied by key.
    }
    button.textContent = button.dataset.copied;
    const status = document.getElementById(`${button.dataset.copy}-status`);
    if (status) status.textContent = button.dataset.copied;
  });
}
