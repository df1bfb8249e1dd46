// Clouds of the report: ground truth beside the anomaly map, one camera for both. They are drawn
// when they come into view, since there may be many.

(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const palette = decode(data.palette, Uint8Array);
  const { neutral, defect } = data.colours;
  const TURN = 0.12;

  function fraction(score, { low, center, high }) {
    if (score <= low) return 0;
    if (score >= high) return 1;
    return score < center ? 0.5 * (score - low) / (center - low)
      : 0.5 + 0.5 * (score - center) / (high - center);
  }

  function truthColours(cloud) {
    const out = new Uint8Array(3 * cloud.count);
    for (let i = 0; i < cloud.count; i++) {
      out.set(cloud.truth !== null && cloud.truth[i] ? defect : neutral, 3 * i);
    }
    return out;
  }

  function mapColours(cloud, scale) {
    const out = new Uint8Array(3 * cloud.count);
    for (let i = 0; i < cloud.count; i++) {
      const score = cloud.scores[i], entry = 3 * Math.round(fraction(score, scale) * 255);
      out.set(Number.isNaN(score) ? neutral : palette.subarray(entry, entry + 3), 3 * i);
    }
    return out;
  }

  function keys(viewer) {
    const turns = {
      ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN],
    };
    viewer.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (turns[event.key]) viewer.turn(...turns[event.key]);
      else if (event.key === "+" || event.key === "=") viewer.magnify(1.2);
      else if (event.key === "-") viewer.magnify(1 / 1.2);
      else return;
      event.preventDefault();
      viewer.redraw();
    });
  }

  const viewers = new Map();

  function start(canvas) {
    if (viewers.has(canvas)) return;
    const { cloud: packed, scale, scores } = data.clouds[Number(canvas.dataset.cloud)];
    const viewer = new CloudViewer(canvas, () => {}, () => {}, { wheelWhenFocused: true });
    if (!viewer.context) return;
    const cloud = unpackCloud(packed, scores);
    viewer.show(cloud);
    viewer.paint([truthColours(cloud), mapColours(cloud, scale)]);
    keys(viewer);
    viewers.set(canvas, viewer);
  }

  const canvases = document.querySelectorAll("canvas[data-cloud]");
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        seen.unobserve(entry.target);
        start(entry.target);
      }
    }
  }, { rootMargin: "300px" });
  for (const canvas of canvases) seen.observe(canvas);

  const stops = [0, 64, 128, 160, 200, 255].map((entry) => {
    const [r, g, b] = palette.subarray(3 * entry, 3 * entry + 3);
    return `rgb(${r} ${g} ${b}) ${entry / 2.55}%`;
  });
  for (const ramp of document.querySelectorAll(".ramp")) {
    ramp.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  }

  // What is folded away or not drawn yet is on paper too.
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("section.data details")) fold.open = true;
    for (const canvas of canvases) {
      start(canvas);
      if (viewers.has(canvas)) viewers.get(canvas).draw();
    }
  });
}());
