// Runs before the first paint, so that a chosen theme does not flash. The rest of the page's script is page.js.
(() => {
  try {
    const theme = localStorage.getItem("rankloop-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme is right then.
  }
})();
