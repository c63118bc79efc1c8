// Light or dark, chosen before the first paint: a dark page never flashes light. No module, as those run too late.

{
  const KEY = "maillab-theme"; // auto, light or dark
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

  const apply = () => {
    let chosen = "auto";
    try {
      chosen = localStorage.getItem(KEY) ?? chosen;
    } catch {
      // a browser that keeps nothing for pages: the system decides
    }
    const dark = chosen === "auto" ? systemIsDark.matches : chosen === "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };

  systemIsDark.addEventListener("change", apply);
  addEventListener("storage", apply); // chosen in another tab
  addEventListener("maillab-theme", apply); // chosen in this one
  apply();
}
