// Cameras of viewers: named views, flights, two viewers that move as one, and marks on a cloud.

const VIEWS = {
  front: [-90, 0], back: [90, 0], left: [180, 0], right: [0, 0], top: [-90, 90], bottom: [-90, -90],
};

// As `view_rotation` of raster.py: x to the right, y up, z to the viewer; the object's z is up.
function viewRotation(azimuth, elevation) {
  const a = azimuth * Math.PI / 180, e = elevation * Math.PI / 180;
  const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
  return [-sa, ca, 0, -se * ca, -se * sa, ce, ce * ca, ce * sa, se];
}

const times = (a, b) => Array.from({ length: 9 }, (_, i) => {
  const row = 3 * Math.floor(i / 3), column = i % 3;
  return a[row] * b[column] + a[row + 1] * b[3 + column] + a[row + 2] * b[6 + column];
});

// The axis (a unit vector) and angle that lead from one rotation to another.
function turnBetween(from, to) {
  const back = [0, 3, 6, 1, 4, 7, 2, 5, 8].map((k) => from[k]), r = times(to, back);
  const angle = Math.acos(Math.min(1, Math.max(-1, (r[0] + r[4] + r[8] - 1) / 2)));
  let axis = [r[7] - r[5], r[2] - r[6], r[3] - r[1]];
  if (Math.hypot(...axis) < 1e-6) {
    // Half a turn: the axis is the longest column of r + 1.
    const columns = [0, 1, 2].map((k) => [r[k] + (k === 0), r[3 + k] + (k === 1), r[6 + k] + (k === 2)]);
    axis = columns.sort((a, b) => Math.hypot(...b) - Math.hypot(...a))[0];
  }
  const length = Math.hypot(...axis) || 1;
  return { axis: axis.map((v) => v / length), angle };
}

function rotationAbout([x, y, z], angle) {
  const c = Math.cos(angle), s = Math.sin(angle), d = 1 - c;
  return [
    c + x * x * d, x * y * d - z * s, x * z * d + y * s,
    y * x * d + z * s, c + y * y * d, y * z * d - x * s,
    z * x * d - y * s, z * y * d + x * s, c + z * z * d,
  ];
}

// Moves a viewer: to `rotation`, with `at` (centered coordinates; null: the cloud's middle) in the
// middle of the pane and `reach` (in the object's units; null: the whole cloud) to be seen around
// it. `moved` is called at each step.
function fly(viewer, { rotation, at = null, reach = null }, moved) {
  if (!viewer.layout) viewer.draw();
  const start = viewer.rotation.slice(), { axis, angle } = turnBetween(start, rotation);
  const before = viewer.zoom, middle = at || [0, 0, 0];
  const side = Math.min(...viewer.layout.cell), unit = viewer.unit();
  // What is in the middle now, seen from the side: moves to where `at` is.
  const gap = viewer.project(middle).map((v, k) => v - viewer.layout.cell[k] / 2).map((v) => v / unit);
  viewer.rotation = rotation.slice();
  // Not so near that points no longer close the surface, but nearer than from where all is seen.
  const closed = 5.5 * viewer.cloud.radius / (0.47 * side * viewer.cloud.spacing);
  const nearest = Math.max(closed, 2.5 * viewer.fit());
  const wanted = 0.75 * viewer.cloud.radius / Math.max(reach, 1e-12);
  const after = reach === null ? viewer.fit() : Math.max(0.8, Math.min(12, nearest, wanted));
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const began = performance.now(), flight = {};
  viewer.flight = flight;
  const step = (now) => {
    if (viewer.flight !== flight) return;
    const time = still ? 1 : Math.min(1, Math.max(0, (now - began) / 450));
    const share = time * time * (3 - 2 * time);
    viewer.rotation = time === 1 ? rotation.slice() : times(rotationAbout(axis, angle * share), start);
    viewer.zoom = before * (after / before) ** share;
    const scale = 0.47 * side / viewer.cloud.radius * viewer.zoom, r = viewer.rotation;
    const along = (k) => r[3 * k] * middle[0] + r[3 * k + 1] * middle[1] + r[3 * k + 2] * middle[2];
    viewer.shift = [
      (gap[0] * (1 - share) - along(0)) * scale, (-gap[1] * (1 - share) - along(1)) * scale,
    ];
    viewer.fine = time === 1;
    if (time === 1) viewer.flight = null;
    moved();
    viewer.redraw();
    if (time < 1) requestAnimationFrame(step);
  };
  step(still ? began + 1e9 : began);
}

// Makes a viewer look as another one does at a cloud of the same frame, in a pane of any size.
function lookAlike(viewer, other) {
  if (!other.layout || !viewer.canvas.clientWidth) return;
  const { clientWidth, clientHeight } = viewer.canvas;
  const { columns, rows } = viewer.grid(clientWidth, clientHeight);
  const share = Math.min(clientWidth / columns, clientHeight / rows) / Math.min(...other.layout.cell);
  viewer.rotation = other.rotation.slice();
  viewer.zoom = other.zoom;
  viewer.shift = other.shift.map((v) => v * share);
  viewer.side = Math.min(clientWidth / columns, clientHeight / rows);
  viewer.fine = other.fine;
  viewer.redraw();
}

// Draws the border of some points of the cloud (a Uint8Array, one for each) and rings at places
// (centered coordinates) in each pane.
function drawMarks(viewer, context, { outlined = null, places = [], colour, halo }) {
  const { columns, cell, fineness } = viewer.layout;
  viewer.panes.forEach((_, pane) => {
    context.save();
    context.translate((pane % columns) * cell[0], Math.floor(pane / columns) * cell[1]);
    context.beginPath();
    context.rect(0, 0, cell[0], cell[1]);
    context.clip();
    if (outlined !== null) {
      const edge = border(viewer, outlined);
      for (const [wide, paint] of [[3.5, halo], [1.8, colour]]) {
        context.fillStyle = paint;
        for (const [x, y] of edge) {
          context.fillRect(x / fineness - wide / 2, y / fineness - wide / 2, wide, wide);
        }
      }
    }
    for (const place of places) {
      const [x, y] = viewer.project(place);
      for (const [wide, paint] of [[5, halo], [2, colour]]) {
        context.lineWidth = wide;
        context.strokeStyle = paint;
        context.beginPath();
        context.arc(x, y, 8, 0, 2 * Math.PI);
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          context.moveTo(x + 8 * dx, y + 8 * dy);
          context.lineTo(x + 14 * dx, y + 14 * dy);
        }
        context.stroke();
      }
    }
    context.restore();
  });
}

// Pixels of what is outlined beside a pixel that is not.
function border(viewer, outlined) {
  const { index } = viewer, { w, h } = viewer.layout, found = [];
  const inside = new Uint8Array(index.length);
  for (let p = 0; p < index.length; p++) if (index[p] >= 0) inside[p] = outlined[index[p]];
  for (let row = 1; row < h - 1; row++) {
    for (let column = 1, p = row * w + 1; column < w - 1; column++, p++) {
      if (inside[p] && !(inside[p - 1] && inside[p + 1] && inside[p - w] && inside[p + w])) {
        found.push([column, row]);
      }
    }
  }
  return found;
}
