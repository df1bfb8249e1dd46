"use strict";
// Light or dark, as the system has it until the page's button says otherwise; `changed` is called
// now and after each change.

function switchTheme(changed) {
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const set = (dark) => {
    root.classList.toggle("dark", dark);
    changed();
  };
  scheme.addEventListener("change", () => set(scheme.matches));
  document.getElementById("theme").addEventListener("click", () => {
    set(!root.classList.contains("dark"));
  });
  set(scheme.matches);
}
