// The page around the viewer: list, panes, threshold, plots, tables. All text goes in through
// textContent, never as markup.

(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colours = new Colours(data);
  const get = (id) => document.getElementById(id);
  const MODES = [
    { key: "input", label: "Input" },
    { key: "truth", label: "Ground truth" },
    { key: "score", label: "Anomaly map" },
    { key: "prediction", label: "Prediction" },
  ];
  const state = {
    chosen: null, cloud: null, sort: "name", down: false,
    panes: new Set(["truth", "score"]),
    threshold: data.scale.threshold, moved: false,
  };

  // ---- colours -------------------------------------------------------------------------------
  // The threshold, wherever it was moved to, is the scale's middle.
  function colourScale() {
    const { low, center, high } = data.scale;
    return { low, center: state.threshold === null ? center : state.threshold, high };
  }

  // The stored prediction, or scores against the threshold once it was moved.
  function called(cloud) {
    if (!state.moved) return cloud.predicted;
    if (!cloud.scores || state.threshold === null) return null;
    return Uint8Array.from(cloud.scores, (score) => (score >= state.threshold ? 1 : 0));
  }

  function paneColours(mode, cloud) {
    if (mode === "score") return colours.ofScores(cloud.scores, colourScale());
    if (mode === "prediction") return colours.ofCalls(called(cloud), cloud.truth);
    return colours.ofMask(cloud.count, mode === "truth" ? cloud.truth : null);
  }

  function available(mode, cloud) {
    if (mode === "truth") return cloud.truth !== null;
    if (mode === "score") return cloud.scores !== null;
    if (mode === "prediction") return called(cloud) !== null;
    return true;
  }

  // ---- viewer --------------------------------------------------------------------------------
  const viewer = new CloudViewer(get("view"), showTip, () => { get("hint").style.opacity = 0; });

  function shownModes() {
    const usable = MODES.filter((m) => available(m.key, state.cloud));
    const wanted = usable.filter((m) => state.panes.has(m.key));
    return wanted.length ? wanted : usable.slice(0, 1);
  }

  function repaint() {
    if (!state.cloud) return;
    const modes = shownModes();
    viewer.paint(modes.map((m) => paneColours(m.key, state.cloud)));
    for (const button of get("modes").children) {
      const mode = button.dataset.mode;
      button.setAttribute("aria-pressed", String(modes.some((m) => m.key === mode)));
      button.disabled = !available(mode, state.cloud);
    }
    placeLabels(modes);
    drawLegend(modes);
    const scale = colourScale();
    drawHistogram(get("histogram"), state.cloud, data, state.threshold,
      (score, out, at) => colours.writeScore(score, scale, out, at));
    describeAgreement();
  }

  function placeLabels(modes) {
    const stage = get("stage"), { columns, rows } = viewer.grid(stage.clientWidth, stage.clientHeight);
    get("labels").replaceChildren(...modes.map((mode, i) => {
      const label = element("span", mode.label);
      label.style.left = `${(i % columns) / columns * 100}%`;
      label.style.top = `${Math.floor(i / columns) / rows * 100}%`;
      return label;
    }));
  }

  function drawLegend(modes) {
    const { defect, found, falseAlarm } = data.colours;
    const entries = [];
    const truth = state.cloud.truth !== null;
    const prediction = modes.some((m) => m.key === "prediction");
    if (prediction && truth) {
      entries.push([found, "found"], [defect, "defect (missed, in the prediction)"],
        [falseAlarm, "false alarm"]);
    } else if (prediction) entries.push([defect, "called anomalous"]);
    else if (modes.some((m) => m.key === "truth")) entries.push([defect, "defect (ground truth)"]);
    get("legend").replaceChildren(...entries.map(([colour, text]) => {
      const row = element("span"), chip = element("i");
      chip.style.background = rgb(colour);
      row.append(chip, text);
      return row;
    }));
  }

  function showTip(hit) {
    const tip = get("tip"), cloud = state.cloud;
    tip.hidden = !hit;
    if (!hit) return;
    const at = [0, 1, 2].map((k) => number(cloud.points[3 * hit.point + k] + cloud.center[k], 5));
    const lines = [at.join(", ")];
    if (cloud.scores) lines.push(`score ${number(cloud.scores[hit.point])}`);
    if (cloud.truth) lines.push(cloud.truth[hit.point] ? "true defect" : "truly normal");
    const calls = called(cloud);
    if (calls) lines.push(calls[hit.point] ? "called anomalous" : "called normal");
    tip.textContent = lines.join("\n");
    const stage = get("stage");
    tip.style.left = `${Math.min(hit.x + 14, stage.clientWidth - tip.offsetWidth - 6)}px`;
    tip.style.top = `${Math.min(hit.y + 14, stage.clientHeight - tip.offsetHeight - 6)}px`;
  }

  function truthText(packed) {
    if (packed.anomalous === null) return "";
    if (!packed.anomalous) return "good";
    return packed.defect && packed.defect !== "good" ? packed.defect : "anomalous";
  }

  function choose(packed) {
    if (state.chosen === packed) return;
    state.chosen = packed;
    state.cloud = unpackCloud(packed, data.scores);
    viewer.show(state.cloud);
    get("name").textContent = packed.category ? `${packed.category} / ${packed.name}` : packed.name;
    get("name").title = packed.path;
    const facts = [];
    const truth = truthText(packed);
    if (truth) facts.push(`truth: ${truth}`);
    if (packed.score !== null) facts.push(`object score ${number(packed.score)}`);
    if (packed.called !== null) facts.push(packed.called ? "called anomalous" : "called normal");
    const total = packed.total.toLocaleString("en"), shown = packed.shown.toLocaleString("en");
    facts.push(packed.shown < packed.total
      ? `${shown} of ${total} points shown, evenly spread` : `${total} points`);
    get("facts").textContent = facts.join(", ");
    for (const row of get("clouds").tBodies[0].rows) {
      row.classList.toggle("chosen", row.packed === packed);
    }
    repaint();
  }

  // ---- list ----------------------------------------------------------------------------------
  const KEYS = {
    name: (c) => `${c.category}\u0000${c.name}`,
    truth: (c) => truthText(c),
    score: (c) => (c.score === null ? -Infinity : c.score),
  };

  function listed() {
    const words = get("search").value.toLowerCase(), category = get("category").value;
    const key = KEYS[state.sort];
    const found = data.clouds.filter((c) => (category === "" || c.category === category)
      && `${c.category} ${c.name} ${c.defect}`.toLowerCase().includes(words));
    if (state.sort !== "name" || state.down) {
      found.sort((a, b) => (state.down ? -1 : 1) * compare(key(a), key(b)));
    }
    return found;
  }

  function fillList() {
    const rows = listed().map((packed) => {
      const row = element("tr");
      row.packed = packed;
      row.classList.toggle("chosen", packed === state.chosen);
      const wrong = packed.called !== null && packed.anomalous !== null
        && packed.called !== packed.anomalous;
      const score = element("td", number(packed.score), wrong ? "number wrong" : "number");
      if (wrong) score.title = packed.anomalous ? "missed" : "false alarm";
      const name = element("td", packed.name);
      name.title = packed.path;
      row.append(name, element("td", truthText(packed), packed.anomalous ? "bad" : "faint"), score);
      row.addEventListener("click", () => choose(packed));
      return row;
    });
    get("clouds").tBodies[0].replaceChildren(...rows);
    for (const head of get("clouds").tHead.rows[0].cells) {
      if (head.firstChild.dataset.key === state.sort) {
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      } else head.removeAttribute("aria-sort");
    }
  }

  function step(by) {
    const rows = [...get("clouds").tBodies[0].rows];
    const at = rows.findIndex((row) => row.packed === state.chosen);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    if (next) {
      choose(next.packed);
      next.scrollIntoView({ block: "nearest" });
    }
  }

  // ---- threshold -----------------------------------------------------------------------------
  function showObjects() {
    const section = get("objectsSection");
    section.hidden = !data.objects.some((o) => o.score !== null);
    if (!section.hidden) get("objectsNote").textContent = drawObjects(get("objects"), data);
  }

  function describeAgreement() {
    const { cloud } = state, calls = called(cloud);
    get("value").textContent = state.threshold === null ? "not set" : number(state.threshold);
    let text = "";
    if (calls && cloud.truth) {
      let hit = 0, alarms = 0, defects = 0;
      for (let i = 0; i < cloud.count; i++) {
        hit += calls[i] & cloud.truth[i];
        alarms += calls[i];
        defects += cloud.truth[i];
      }
      const share = (part, whole) => (whole ? `${(100 * part / whole).toFixed(1)} %` : "-");
      text = defects ? `points shown: ${share(hit, defects)} of the defect found, ${share(hit, alarms)} of the calls right`
        : `points shown: ${share(alarms, cloud.count)} called anomalous`;
    } else if (calls) {
      text = `points shown: ${calls.reduce((a, b) => a + b, 0)} called anomalous`;
    }
    get("agreement").textContent = text;
  }

  function setSlider() {
    const { low, high, center } = data.scale;
    const at = state.threshold === null ? center : state.threshold;
    get("threshold").value = String(Math.round((at - low) / (high - low) * 1000));
  }

  // ---- start ---------------------------------------------------------------------------------
  function togglePane(mode) {
    const usable = shownModes().map((m) => m.key);
    const next = new Set(usable);
    if (next.has(mode)) next.delete(mode);
    else next.add(mode);
    if (next.size) state.panes = next;
    repaint();
  }

  MODES.forEach((mode) => {
    const button = element("button", mode.label);
    button.type = "button";
    button.dataset.mode = mode.key;
    button.addEventListener("click", () => togglePane(mode.key));
    get("modes").append(button);
  });
  const categories = [...new Set(data.clouds.map((c) => c.category))].sort();
  get("category").append(new Option("All", ""), ...categories.map((name) => new Option(name || "-", name)));
  get("category").hidden = categories.length < 2;
  get("category").addEventListener("change", fillList);
  get("search").addEventListener("input", fillList);
  for (const button of get("clouds").tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const { key } = button.dataset;
      state.down = state.sort === key ? !state.down : key === "score";
      state.sort = key;
      fillList();
    });
  }
  get("threshold").addEventListener("input", (event) => {
    const { low, high } = data.scale, share = Math.min(999, Math.max(1, Number(event.target.value)));
    state.threshold = low + share / 1000 * (high - low);
    state.moved = true;
    repaint();
  });
  get("reset").addEventListener("click", () => {
    state.threshold = data.scale.threshold;
    state.moved = false;
    setSlider();
    repaint();
  });
  get("reset").hidden = data.scale.threshold === null;
  get("low").textContent = number(data.scale.low, 3);
  get("high").textContent = number(data.scale.high, 3);
  get("scaleNote").textContent = data.clouds.some((c) => c.truth !== null)
    ? "scores of the points shown (height: square root), true defects orange"
    : "scores of the points shown (height: square root)";
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if ("1234".includes(event.key)) {
      const { key } = MODES[Number(event.key) - 1];
      if (available(key, state.cloud)) togglePane(key);
      return;
    } else return;
    event.preventDefault();
  });
  new ResizeObserver(() => { repaint(); showObjects(); }).observe(get("stage"));
  switchTheme(() => { repaint(); showObjects(); });
  if (data.metrics) {
    get("metricsSection").hidden = false;
    fillMetrics(data.metrics, get("metrics"), get("notes"));
  }
  fillList();
  setSlider();
  if (!viewer.context) {
    get("notice").hidden = false;
    get("notice").textContent = "This browser gives the page no canvas to draw on; the pictures beside it (overview.png, images/) show the same.";
  } else if (data.clouds.length) {
    choose(data.clouds[0]);
  } else {
    get("notice").hidden = false;
    get("notice").textContent = "This run kept no cloud to look at.";
  }
}());
