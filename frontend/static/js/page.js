// What every page does: menus that close, the theme, the time zone told once.

const root = document.documentElement;

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

function showTheme() {
  const theme = root.dataset.theme ?? "auto";
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
  }
}

for (const button of document.querySelectorAll("[data-set-theme]")) {
  button.addEventListener("click", () => {
    const theme = button.dataset.setTheme;
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      localStorage.setItem("rankloop-theme", theme);
    } catch {
      // The choice then lasts as long as the page.
    }
    showTheme();
  });
}
showTheme();

// The server asks for the time zone while it knows none; the answer is kept with the person.
const zoneForm = document.querySelector("form[data-time-zone]");
if (zoneForm) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const body = new FormData(zoneForm);
    body.set("time_zone", zone);
    fetch(zoneForm.action, { method: "POST", body, redirect: "manual" }).catch(() => {});
  }
}
