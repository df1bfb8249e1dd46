// Plots and tables. All text goes in through textContent, never as markup.

const number = (v, digits = 4) => (v === null || v === undefined || Number.isNaN(v)
  ? "-" : String(Number(v.toPrecision(digits))));

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rgb = (c) => `rgb(${c[0]} ${c[1]} ${c[2]})`;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function compare(a, b) {
  if (typeof a === "number") return a < b ? -1 : a > b ? 1 : 0;
  return a.localeCompare(b, "en", { numeric: true });
}

function context(canvas, height) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const made = canvas.getContext("2d");
  made.scale(ratio, ratio);
  return [made, width];
}

// Scores of the points shown, true defects beside the others; heights are square roots, so that
// a small defect is seen beside a large surface.
function drawHistogram(canvas, cloud, data, threshold, scoreColour) {
  const { scores, truth } = cloud;
  const height = 56, strip = 8;
  const [c, width] = context(canvas, height);
  const { low, high } = data.scale, bins = Math.max(20, Math.min(120, Math.floor(width / 6)));
  if (!scores) return;
  const normal = new Float64Array(bins), defective = new Float64Array(bins);
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) continue;
    const place = Math.floor((scores[i] - low) / (high - low) * bins);
    (truth && truth[i] ? defective : normal)[Math.max(0, Math.min(bins - 1, place))] += 1;
  }
  const tallest = Math.sqrt(Math.max(1, ...normal, ...defective));
  const bar = width / bins, room = height - strip - 3, colour = [0, 0, 0];
  for (let b = 0; b < bins; b++) {
    const tall = Math.sqrt(normal[b]) / tallest * room;
    c.fillStyle = rgb(data.colours.neutral);
    c.fillRect(b * bar + 0.5, room - tall, bar - 1, tall);
    const red = Math.sqrt(defective[b]) / tallest * room;
    c.fillStyle = rgb(data.colours.defect);
    c.globalAlpha = 0.8;
    c.fillRect(b * bar + 0.5, room - red, bar - 1, red);
    c.globalAlpha = 1;
  }
  for (let x = 0; x < width; x++) {
    scoreColour(low + x / width * (high - low), colour, 0);
    c.fillStyle = rgb(colour);
    c.fillRect(x, height - strip, 1.5, strip);
  }
  if (threshold !== null) {
    const x = (threshold - low) / (high - low) * width;
    c.fillStyle = css("--text");
    c.fillRect(x - 1, 0, 2, height);
  }
}

// One line per category, one dot per cloud; says in words what it shows, or nothing if empty.
function drawObjects(canvas, data) {
  const scored = data.objects.filter((o) => o.score !== null);
  if (!scored.length) return "";
  const categories = [...new Set(scored.map((o) => o.category))].sort();
  const line = 26, top = 4, left = Math.min(170, 20 + 7.2 * Math.max(...categories.map((n) => n.length)));
  const [c, width] = context(canvas, top + line * categories.length + 22);
  canvas.style.height = `${top + line * categories.length + 22}px`;
  const values = scored.map((o) => o.score);
  const limit = data.objectThreshold;
  const low = Math.min(...values), high = Math.max(...values, low + 1e-12);
  const place = (v) => left + 8 + (v - low) / (high - low) * (width - left - 24);
  c.font = "12px system-ui, sans-serif";
  c.textBaseline = "middle";
  categories.forEach((category, row) => {
    const y = top + line * (row + 0.5);
    c.fillStyle = css("--line");
    c.fillRect(left, y, width - left, 1);
    c.fillStyle = css("--text");
    c.fillText(category.length > 22 ? `${category.slice(0, 20)}...` : category || "all", 0, y);
  });
  // Good above the line and defective below it, so that neither hides the other.
  for (const object of scored) {
    const y = top + line * (categories.indexOf(object.category) + 0.5);
    const bad = object.anomalous === true;
    c.globalAlpha = 0.75;
    c.fillStyle = bad ? rgb(data.colours.defect) : object.anomalous === null ? css("--faint")
      : rgb(data.colours.falseAlarm);
    c.beginPath();
    c.arc(place(object.score), y + (object.anomalous === null ? 0 : bad ? 6 : -6), 4, 0, 7);
    c.fill();
  }
  c.globalAlpha = 1;
  const foot = top + line * categories.length;
  if (limit !== null && limit >= low && limit <= high) {
    c.fillStyle = css("--text");
    c.fillRect(place(limit) - 0.75, 0, 1.5, foot + 4);
    c.textAlign = "center";
    c.fillText(`threshold ${number(limit)}`, Math.max(left + 60, place(limit)), foot + 12);
  }
  c.fillStyle = css("--faint");
  c.textAlign = "left";
  if (limit === null || place(limit) > left + 150) c.fillText(number(low), left, foot + 12);
  c.textAlign = "right";
  if (limit === null || place(limit) < width - 130) c.fillText(number(high), width - 8, foot + 12);
  const labelled = scored.some((o) => o.anomalous !== null);
  return labelled
    ? `All ${scored.length} clouds of the run: defective ones orange, below the line; good ones blue, above it.`
    : `All ${scored.length} clouds of the run; their labels are not known.`;
}

// A table that sorts by any of its columns.
function fillMetrics(table, place, list) {
  const line = (entry) => {
    const row = element("tr");
    row.append(element("td", entry.name), ...entry.values.map((value) => {
      const cell = element("td", value === null ? "-" : value.toFixed(4), "number");
      if (value !== null) cell.dataset.value = String(value);
      return cell;
    }));
    return row;
  };
  const head = element("tr");
  ["category", ...table.columns].forEach((title, i) => {
    const cell = element("th", undefined, i ? "number" : ""), button = element("button", title);
    button.type = "button";
    cell.append(button);
    head.append(cell);
  });
  place.tHead.append(head);
  place.tBodies[0].append(...table.rows.map(line));
  place.tFoot.append(...table.summary.map(line));
  list.append(...table.notes.map((note) => element("li", note)));
  makeSortable(place);
}
