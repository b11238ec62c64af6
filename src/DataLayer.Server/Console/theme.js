// Runs before the first paint, so that a chosen theme does not flash. The token never goes to localStorage; the theme may.
(() => {
  const key = "datalayer-theme";
  const root = document.documentElement;
  const read = () => {
    try {
      return localStorage.getItem(key) ?? "auto";
    } catch {
      return "auto";
    }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") {
      root.dataset.theme = theme;
    } else {
      delete root.dataset.theme;
    }
    root.dispatchEvent(new Event("themechange"));
  };
  globalThis.datalayerTheme = {
    get: read,
    set(theme) {
      try {
        localStorage.setItem(key, theme);
      } catch {
        // A browser that keeps nothing still shows it until the page is left.
      }
      apply(theme);
    },
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => root.dispatchEvent(new Event("themechange")));
  apply(read());
})();
