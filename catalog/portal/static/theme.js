// Light, dark, or as the system: the choice stays in this browser. Runs before the first paint, so that nothing flashes.
(() => {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];
  const read = () => { try { return localStorage.getItem("theme") ?? "auto"; } catch { return "auto"; } };
  const apply = (theme) => { if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme; };
  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (button) {
      const tell = (theme) => { document.getElementById("theme-name").textContent = button.dataset[theme]; };
      button.hidden = false;
      tell(read());
      button.addEventListener("click", () => {
        const next = order[(order.indexOf(root.dataset.theme ?? "auto") + 1) % order.length];
        try { localStorage.setItem("theme", next); } catch { /* without storage it holds for this page */ }
        apply(next);
        tell(next);
        document.dispatchEvent(new Event("theme"));
      });
    }
    for (const copy of document.querySelectorAll("button.copy")) {
      if (!navigator.clipboard) break;
      copy.hidden = false;
      copy.addEventListener("click", async () => {
        await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
        const said = copy.textContent;
        copy.textContent = copy.dataset.done;
        document.getElementById("announce").textContent = copy.dataset.done;
        setTimeout(() => { copy.textContent = said; }, 2000);
      });
    }
  });
})();
