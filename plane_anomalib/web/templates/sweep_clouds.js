// Clouds of the report: ground truth beside the anomaly map, one camera for both. They are drawn
// when they come into view, since there may be many.

(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colours = new Colours(data);

  function keys(viewer) {
    viewer.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (viewer.handleKey(event.key)) event.preventDefault();
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
    viewer.paint([colours.ofMask(cloud.count, cloud.truth), colours.ofScores(cloud.scores, scale)]);
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
    const [r, g, b] = colours.palette.subarray(3 * entry, 3 * entry + 3);
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
