// What stands beside the cloud: the point that was picked, the regions. Text goes in through
// textContent, never as markup.

// A number with as many digits as the quantisation step of the page's coordinates allows.
function fixed(value, step) {
  const digits = Math.min(9, Math.max(0, Math.ceil(-Math.log10(step))));
  return value.toFixed(digits);
}

const whole = (count) => count.toLocaleString("en");

function percent(part, total) {
  const share = total ? 100 * part / total : 0;
  return `${share === 0 || share >= 1 ? share.toFixed(1) : share.toPrecision(2)} %`;
}

function pairs(entries) {
  const list = element("dl");
  for (const [name, value] of entries) list.append(element("dt", name), element("dd", value));
  return list;
}

// facts: at, score, above (null: no threshold), region (null: none), truth (null: not known),
// index, step, units, name.
function showPoint(place, facts) {
  if (facts === null) {
    place.replaceChildren(element("p", "Click or tap a point of the cloud.", "faint small"));
    return;
  }
  const entries = ["x", "y", "z"].map((axis, k) => [axis, fixed(facts.at[k], facts.step)]);
  const above = facts.above === null ? "" : facts.above ? ", above the threshold" : ", below the threshold";
  entries.push(["score", `${number(facts.score, 5)}${above}`]);
  entries.push(["region", facts.region === null ? "none" : String(facts.region + 1)]);
  if (facts.truth !== null) entries.push(["ground truth", facts.truth ? "defect" : "normal"]);
  entries.push(["index", `${facts.index} of the input, from 0`]);
  place.replaceChildren(pairs(entries));
}

function heightText(height) {
  return `${height > 0 ? "stands out" : "sunken"} by ${number(Math.abs(height), 3)}`;
}

// One button for each region; `chosen` is called with its number.
function listRegions(place, note, { regions, threshold, units }, chosen) {
  const lengths = units ? ` Lengths: ${units}.` : "";
  if (threshold === null) note.textContent = "No point threshold of the detector is known, so there are none.";
  else if (!regions.length) note.textContent = "No part is above the detector's threshold.";
  else {
    note.textContent = `Connected parts above the detector's threshold. Click one to look at it.${lengths}`;
  }
  place.replaceChildren(...regions.map((region, i) => {
    const item = element("li"), button = element("button"), title = element("b");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    title.append(element("span", `Region ${i + 1}`), element("span", `${number(100 * region.share, 2)} %`));
    const list = (values) => values.map((v) => number(v, 3));
    button.append(title, element("span", `at ${list(region.center).join(", ")}`),
      element("span", `size ${list(region.size).join(" x ")}`),
      ...(region.height === null ? [] : [element("span", heightText(region.height))]),
      element("span", `${whole(region.points)} points, peak score ${number(region.peak, 3)}`, "faint"));
    button.addEventListener("click", () => chosen(i));
    item.append(button);
    return item;
  }));
}
