// One judged cloud: map, threshold, views, picking, regions, the good scan beside it.

(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colours = new Colours(data);
  const get = (id) => document.getElementById(id);
  const cloud = unpackCloud(data.cloud, data.scores);
  const indices = decode(data.indices, Uint32Array);
  const regionOf = decode(data.regionOf, Uint16Array);
  const counts = decode(data.slider.counts, Uint32Array);
  const own = data.pointThreshold;
  const NO_REGION = 65535;
  const MODES = [
    ["map", "Anomaly map", cloud.scores !== null],
    ["above", "Above threshold", cloud.scores !== null],
    ["truth", "Ground truth", cloud.truth !== null],
    ["surface", "Surface", true],
  ];
  const slider = data.slider, stopAt = (i) => slider.low + (slider.high - slider.low) * i / slider.stops;
  const stopOf = (v) => Math.round((v - slider.low) / (slider.high - slider.low) * slider.stops);
  // stop: where the slider stands; null: at the detector's own threshold, between stops.
  const state = {
    shown: new Set(["map"]), good: data.good !== null, point: null, region: null, outlined: null,
    stop: own === null ? stopOf(data.scale.center) : null,
  };
  const threshold = () => (state.stop === null ? own.value : stopAt(state.stop));

  // ---- colours -------------------------------------------------------------------------------
  // Below the threshold cold, above it hot: where it leaves the scale, the scale goes with it.
  function colourScale() {
    const center = threshold();
    let { low, high } = data.scale;
    if (center >= high) high = center + Math.max(center - low, 1e-12);
    if (center <= low) low = center - Math.max(high - center, 1e-12);
    return { low, center, high };
  }

  function coloursOf(mode) {
    if (mode === "map") return colours.ofScores(cloud.scores, colourScale());
    if (mode === "above") {
      const limit = threshold();
      return colours.ofCalls(Uint8Array.from(cloud.scores, (v) => (v >= limit ? 1 : 0)), cloud.truth);
    }
    return colours.ofMask(cloud.count, mode === "truth" ? cloud.truth : null);
  }

  // ---- viewers -------------------------------------------------------------------------------
  const marks = () => ({
    places: state.point === null ? [] : [at(state.point)],
    colour: css("--text"), halo: css("--stage"),
  });
  const at = (point) => [...cloud.points.subarray(3 * point, 3 * point + 3)];
  const viewer = new CloudViewer(get("view"), showTip, () => moved(viewer), {
    onPick: (hit) => choosePoint(hit === null ? null : hit.point),
    overlay: (context) => drawMarks(viewer, context, { ...marks(), outlined: state.outlined }),
    wheelWhenFocused: window.matchMedia("(max-width: 900px)").matches,
  });
  let good = null;

  function moved(mover) {
    mover.flight = null;
    follow(mover);
  }

  // The other viewer does what this one did.
  function follow(mover) {
    if (good !== null && state.good) lookAlike(mover === viewer ? good : viewer, mover);
  }

  function showGood() {
    get("goodStage").hidden = !state.good;
    if (!state.good || data.good === null) return;
    if (good === null) {
      good = new CloudViewer(get("good"), () => {}, () => moved(good), {
        overlay: (context) => drawMarks(good, context, marks()),
        wheelWhenFocused: viewer.wheelWhenFocused,
      });
      const scan = unpackCloud(data.good, data.scores, cloud);
      scan.rotation = cloud.rotation;
      good.show(scan);
      good.paint([colours.ofMask(scan.count, null)]);
      keys(good);
    }
    requestAnimationFrame(() => follow(viewer));
  }

  function look(target) {
    fly(viewer, { rotation: cloud.rotation, ...target }, () => follow(viewer));
  }

  function chooseView(name) {
    look(name === "reset" ? {} : { rotation: viewRotation(...VIEWS[name]) });
  }

  function chooseRegion(number) {
    state.region = state.region === number ? null : number;
    state.outlined = state.region === null ? null
      : Uint8Array.from(regionOf, (region) => (region === number ? 1 : 0));
    for (const [i, item] of [...get("regions").children].entries()) {
      item.firstChild.setAttribute("aria-pressed", String(i === state.region));
    }
    if (state.region === null) {
      viewer.redraw();
      return;
    }
    const region = data.regions[state.region];
    look({
      rotation: region.rotation || cloud.rotation,
      at: region.center.map((v, k) => v - cloud.center[k]), reach: region.diameter,
    });
  }

  function choosePoint(point) {
    state.point = point;
    showPoint(get("point"), point === null ? null : facts(point));
    viewer.redraw();
    if (good !== null) good.redraw();
  }

  function facts(point) {
    const region = regionOf[point];
    return {
      at: at(point).map((v, k) => v + cloud.center[k]), step: data.cloud.step,
      score: cloud.scores[point], above: cloud.scores[point] >= threshold(),
      region: region === NO_REGION ? null : region,
      truth: cloud.truth === null ? null : cloud.truth[point] === 1, index: indices[point],
    };
  }

  function showTip(hit) {
    const tip = get("tip");
    tip.hidden = !hit;
    if (!hit) return;
    tip.textContent = `score ${number(cloud.scores[hit.point])}`;
    const stage = get("stage");
    tip.style.left = `${Math.min(hit.x + 14, stage.clientWidth - tip.offsetWidth - 6)}px`;
    tip.style.top = `${Math.min(hit.y + 14, stage.clientHeight - tip.offsetHeight - 6)}px`;
  }

  // ---- painting ------------------------------------------------------------------------------
  function repaint() {
    const modes = MODES.filter(([key]) => state.shown.has(key));
    // Panes of the cloud and of the good scan are equally wide.
    get("stage").style.flexGrow = window.matchMedia("(min-width: 901px)").matches ? modes.length : 0;
    viewer.paint(modes.map(([key]) => coloursOf(key)));
    for (const button of get("modes").children) {
      const on = button.dataset.mode === "good" ? state.good : state.shown.has(button.dataset.mode);
      button.setAttribute("aria-pressed", String(on));
    }
    const { clientWidth, clientHeight } = get("stage"), { columns, rows } = viewer.grid(clientWidth, clientHeight);
    get("labels").replaceChildren(...modes.map(([, label], i) => {
      const made = element("span", label);
      made.style.left = `${(i % columns) / columns * 100}%`;
      made.style.top = `${Math.floor(i / columns) / rows * 100}%`;
      return made;
    }));
    drawLegend();
    showThreshold();
  }

  function drawLegend() {
    const { defect, found, falseAlarm } = data.colours, entries = [];
    const truth = cloud.truth !== null && (state.shown.has("truth") || state.shown.has("above"));
    if (state.shown.has("above")) {
      entries.push(...(truth ? [[found, "found"], [falseAlarm, "false alarm"]] : [[defect, "above threshold"]]));
    }
    if (truth) entries.push([defect, !state.shown.has("above") ? "defect" : state.shown.has("truth") ? "defect / missed" : "missed"]);
    get("legend").replaceChildren(...entries.map(([colour, text]) => {
      const row = element("span"), chip = element("i");
      chip.style.background = rgb(colour);
      row.append(chip, text);
      return row;
    }));
  }

  function showThreshold() {
    const above = state.stop === null ? slider.ownCount : counts[state.stop], limit = threshold();
    get("value").textContent = number(limit, 5);
    get("above").textContent = `${whole(above)} of ${whole(data.cloud.total)} points above (${percent(above, data.cloud.total)})`;
    get("threshold").setAttribute("aria-valuetext", `${number(limit, 5)}, ${get("above").textContent}`);
    get("reset").disabled = state.stop === null;
    const scale = colourScale();
    drawHistogram(get("histogram"), cloud, { scale: slider, colours: data.colours }, limit,
      (score, out, at) => colours.writeScore(score, scale, out, at));
    if (state.point !== null) showPoint(get("point"), facts(state.point));
  }

  function setSlider() {
    get("threshold").value = String(state.stop === null ? stopOf(own.value) : state.stop);
  }

  function toggle(mode) {
    if (mode === "good") {
      state.good = !state.good;
      showGood();
    } else if (!state.shown.delete(mode)) state.shown.add(mode);
    else if (!state.shown.size) state.shown.add(mode);
    repaint();
  }

  // ---- keys ----------------------------------------------------------------------------------
  function keys(mine) {
    mine.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { key } = event, names = Object.keys(VIEWS);
      if (key === "0") chooseView("reset");
      else if ("123456".includes(key)) chooseView(names[Number(key) - 1]);
      else if (key === "p" || key === "P") pickMiddle();
      else if (key === "Escape") letGo();
      else if (!mine.handleKey(key)) return;
      event.preventDefault();
      mine.redraw();
    });
  }

  function pickMiddle() {
    const box = viewer.canvas.getBoundingClientRect(), [w, h] = viewer.layout.cell;
    const hit = viewer.pick({ clientX: box.left + w / 2, clientY: box.top + h / 2 });
    choosePoint(hit === null ? null : hit.point);
  }

  function letGo() {
    choosePoint(null);
    if (state.region !== null) chooseRegion(state.region);
  }

  // ---- start ---------------------------------------------------------------------------------
  function button(place, text, dataset, action) {
    const made = element("button", text);
    made.type = "button";
    Object.assign(made.dataset, dataset);
    made.addEventListener("click", action);
    place.append(made);
    return made;
  }

  for (const [key, label, usable] of MODES) {
    if (usable) button(get("modes"), label, { mode: key }, () => toggle(key));
  }
  if (data.good !== null) button(get("modes"), "Good scan", { mode: "good" }, () => toggle("good"));
  const SIDES = { front: "-y", back: "+y", left: "-x", right: "+x", top: "+z", bottom: "-z" };
  for (const [i, name] of [...Object.keys(VIEWS), "reset"].entries()) {
    const made = button(get("views"), name[0].toUpperCase() + name.slice(1), { view: name }, () => chooseView(name));
    made.title = name === "reset" ? "The first view (key 0)" : `Seen from ${SIDES[name]} (key ${i + 1})`;
  }
  get("threshold").max = String(slider.stops);
  get("threshold").addEventListener("input", (event) => {
    state.stop = Number(event.target.value);
    repaint();
  });
  get("reset").hidden = own === null;
  get("reset").addEventListener("click", () => {
    state.stop = null;
    setSlider();
    repaint();
  });
  if (own !== null) {
    const share = Math.min(1, Math.max(0, (own.value - slider.low) / (slider.high - slider.low)));
    get("own").hidden = false;
    get("own").style.left = `${100 * share}%`;
    get("own").title = `The detector's own threshold ${number(own.value, 5)}: ${own.origin}`;
    get("origin").textContent = `detector's own: ${number(own.value)}, ${own.origin}`;
  } else get("origin").textContent = "no point threshold of the detector is known";
  get("low").textContent = number(slider.low, 3);
  get("high").textContent = number(slider.high, 3);
  get("shown").textContent = data.cloud.shown < data.cloud.total
    ? `${whole(data.cloud.shown)} of ${whole(data.cloud.total)} points shown, anomalous ones first.`
    : `All ${whole(data.cloud.total)} points shown.`;
  get("goodNote").textContent = data.goodNote;
  get("goodLabel").textContent = data.good === null ? "" : `Good scan ${data.good.name}`;
  listRegions(get("regions"), get("regionsNote"), {
    regions: data.regions, threshold: own, units: data.units,
  }, chooseRegion);
  showPoint(get("point"), null);
  if (!viewer.context) {
    get("notice").hidden = false;
    get("notice").textContent = "This browser gives the page no canvas to draw on; the picture beside it shows the map.";
    return;
  }
  viewer.show(cloud);
  keys(viewer);
  setSlider();
  showGood();
  switchTheme(() => {
    repaint();
    if (good !== null) good.redraw();
  });
  new ResizeObserver(() => { repaint(); follow(viewer); }).observe(get("stages"));
  // For tests, and for those who ask in the console.
  window.inspection = { viewer, state, cloud, facts, good: () => good };
}());
