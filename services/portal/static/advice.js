// The number of open recommendations beside the menu's link; without it the link is there all the same.
const link = document.querySelector("a[data-advice-count]");
if (link) {
  fetch("/advice/count", { headers: { accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : null))
    .then((told) => {
      if (!told || !told.open) return;
      const badge = document.createElement("span");
      badge.className = told.urgent ? "bell urgent" : "bell";
      badge.textContent = told.open > 999 ? "999+" : String(told.open);
      badge.title = told.text;
      const words = document.createElement("span");
      words.className = "sr";
      words.textContent = ` – ${told.text}`;
      badge.setAttribute("aria-hidden", "true");
      link.append(" ", badge, words);
    })
    .catch(() => {});
}
