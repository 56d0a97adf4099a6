// The page that shows a new token once: copying it. Without the clipboard (no HTTPS), it is selected instead.

const secret = document.getElementById("secret");
const button = document.getElementById("copy");

secret.focus();
secret.select();
button.addEventListener("click", async () => {
  secret.select();
  try {
    await navigator.clipboard.writeText(secret.value);
  } catch {
    if (!document.execCommand("copy")) return;
  }
  document.getElementById("copied").textContent = button.dataset.done;
});
