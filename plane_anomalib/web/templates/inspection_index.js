"use strict";
(function () {
  const get = (id) => document.getElementById(id);
  const items = [...get("clouds").children];

  function filter() {
    const words = get("search").value.toLowerCase().trim(), decision = get("decision").value;
    let matches = 0;
    for (const item of items) {
      const fits = item.dataset.name.includes(words)
        && (decision === "" || item.dataset.decision === decision);
      item.hidden = !fits;
      matches += fits;
    }
    get("matches").textContent = matches < items.length ? `${matches} of ${items.length}` : "";
    get("none").hidden = matches > 0;
  }

  get("search").addEventListener("input", filter);
  get("decision").addEventListener("change", filter);
  switchTheme(() => {});
  filter();
}());
