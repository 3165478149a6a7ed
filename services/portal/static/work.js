// The working pages' own movement. Without this script every form works: buttons send the form and it comes back changed.
"use strict";

(() => {
  // What stands in the way is read first; otherwise go to where a button of the form changed it.
  const focus = document.querySelector("[data-focus]");
  const at = document.querySelector("form[data-at]")?.dataset.at;
  if (focus) focus.focus();
  else if (at) {
    const rows = document.getElementById(at)?.querySelectorAll(":scope > .row");
    const place = rows?.length ? rows[rows.length - 1].querySelector("select, input:not([type=hidden])") : null;
    (place ?? document.getElementById(at))?.focus();
  }

  // Enter in a search for an entry looks for it instead of sending the form.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches?.("[data-pick]")) return;
    event.preventDefault();
    window.htmx?.trigger(event.target, "search");
  });

  // A form is sent once: a second click while the first is under way does nothing (the key would make it count once anyway).
  document.querySelectorAll("form.work-form").forEach((form) => {
    let underWay = false;
    form.addEventListener("submit", (event) => {
      if (underWay) event.preventDefault();
      underWay = true;
    });
    window.addEventListener("pageshow", () => (underWay = false));
  });

  // Leaving with something typed asks first.
  let typed = false;
  document.querySelectorAll("form.work-form").forEach((form) => {
    form.addEventListener("input", () => (typed = true));
    form.addEventListener("submit", () => (typed = false));
  });
  window.addEventListener("beforeunload", (event) => {
    if (typed) event.preventDefault();
  });
})();
