"use strict";
// Draws a point cloud as a shaded surface: every point a disc in a z-buffer of our own, put on a
// two-dimensional canvas. What is seen at each pixel is found once for all panes, which differ in
// colour only.

const LIGHT = [-0.42, 0.55, 0.72].map((v) => v / Math.hypot(0.42, 0.55, 0.72));

const TURN_OF_KEY = {
  ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12],
};

class CloudViewer {
  // wheelWhenFocused: on a page that scrolls, the wheel zooms only after a click on the canvas.
  // onPick: called with what was clicked or tapped, as by pick(), or null beside the cloud.
  // overlay: called after every drawing with the context, in CSS pixels, to draw more.
  constructor(canvas, onHover, onTurn, options = {}) {
    const { wheelWhenFocused = false, onPick = () => {}, overlay = () => {} } = options;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.buffer = document.createElement("canvas");
    this.onHover = onHover;
    this.onTurn = onTurn;
    this.wheelWhenFocused = wheelWhenFocused;
    this.onPick = onPick;
    this.overlay = overlay;
    this.cloud = null;
    this.panes = [];
    this.side = 0;
    this.pointers = new Map();
    this.fine = true;
    this.pending = 0;
    this.coarseness = 0;
    this.reset();
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  reset() {
    this.rotation = this.cloud ? this.cloud.rotation.slice() : [1, 0, 0, 0, 1, 0, 0, 0, 1];
    this.zoom = this.cloud ? this.fit() : 1;
    this.shift = [0, 0];
  }

  // Zoom that makes the cloud fill a square from this side; 1 would fit it from every side.
  fit() {
    const { points, radius } = this.cloud, r = this.rotation;
    let reach = 0;
    for (let j = 0; j < points.length; j += 3) {
      const x = points[j], y = points[j + 1], z = points[j + 2];
      reach = Math.max(reach, Math.abs(r[0] * x + r[1] * y + r[2] * z),
        Math.abs(r[3] * x + r[4] * y + r[5] * z));
    }
    return reach > 0 ? 0.93 * radius / reach : 1;
  }

  show(cloud) {
    this.cloud = cloud;
    this.reset();
  }

  // panes: one Uint8Array of 3 x count colours each.
  paint(panes) {
    this.panes = panes;
    this.redraw();
  }

  redraw() {
    if (!this.pending) {
      this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
    }
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      this.pressed = this.pointers.size === 1 ? [event.clientX, event.clientY] : null;
      canvas.classList.add("dragging");
      this.onHover(null);
    });
    const release = (event) => {
      this.pointers.delete(event.pointerId);
      if (!this.pointers.size) {
        canvas.classList.remove("dragging");
        this.fine = true;
        this.onTurn();
        this.redraw();
      }
    };
    canvas.addEventListener("pointerup", (event) => {
      // What hardly moved was a click; the second finger of a pinch makes none.
      if (this.pressed && this.pressed.every((at, k) =>
        Math.abs(at - [event.clientX, event.clientY][k]) < 5)) this.onPick(this.pick(event));
      this.pressed = null;
    });
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => this.onHover(null));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    canvas.addEventListener("wheel", (event) => {
      if (this.wheelWhenFocused && document.activeElement !== canvas) return;
      event.preventDefault();
      this.magnify(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => { this.reset(); this.onTurn(); this.redraw(); });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  magnify(factor) {
    const zoom = Math.min(40, Math.max(0.3, this.zoom * factor));
    this.shift = this.shift.map((value) => value * zoom / this.zoom);
    this.zoom = zoom;
    this.onTurn();
    this.redraw();
  }

  // What a pressed key does: arrows turn, plus and minus zoom; whether it was one of them.
  handleKey(key) {
    if (TURN_OF_KEY[key]) {
      this.turn(...TURN_OF_KEY[key]);
      this.onTurn();
    } else if (key === "+" || key === "=") this.magnify(1.2);
    else if (key === "-") this.magnify(1 / 1.2);
    else return false;
    this.redraw();
    return true;
  }

  moved(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      this.onHover(this.pick(event));
      return;
    }
    const dx = event.clientX - last[0], dy = event.clientY - last[1];
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map((p) => p[1]);
      const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
      const after = Math.hypot(event.clientX - other[0], event.clientY - other[1]);
      if (before > 0) this.magnify(after / before);
    } else if (event.shiftKey || event.buttons & 6) {
      this.shift = [this.shift[0] + dx, this.shift[1] - dy];
    } else {
      this.turn(dx * 0.009, dy * 0.009);
    }
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.fine = false;
    this.onTurn();
    this.redraw();
  }

  // Turn around the screen's axes: what lies under the pointer follows it.
  turn(yaw, pitch) {
    const r = this.rotation;
    const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch);
    for (let k = 0; k < 3; k++) {
      const x = r[k], y = r[3 + k], z = r[6 + k];
      const x1 = cy * x + sy * z, z1 = -sy * x + cy * z;
      r[k] = x1;
      r[3 + k] = cp * y - sp * z1;
      r[6 + k] = sp * y + cp * z1;
    }
  }

  // Columns and rows of panes that leave each one as large as can be.
  grid(width, height) {
    const count = Math.max(1, this.panes.length);
    let best = { columns: 1, rows: count, side: 0 };
    for (let columns = 1; columns <= count; columns++) {
      const rows = Math.ceil(count / columns);
      const side = Math.min(width / columns, height / rows);
      if (side > best.side) best = { columns, rows, side };
    }
    return best;
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!this.cloud || !width || !height) return;
    const started = performance.now();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const { columns, rows } = this.grid(width, height);
    const cell = [width / columns, height / rows], side = Math.min(...cell);
    // What is in the middle stays there when panes become larger or smaller.
    if (this.side) this.shift = this.shift.map((value) => value * side / this.side);
    this.side = side;
    // Twice as fine as the screen smooths edges; while turning, a slow machine draws coarser, and
    // then fewer points.
    const coarse = this.fine ? 0 : this.coarseness;
    let fineness = coarse ? 1 : 2;
    while (fineness > 1 && cell[0] * cell[1] * fineness * fineness > 4e6) fineness -= 0.5;
    const w = Math.round(cell[0] * fineness), h = Math.round(cell[1] * fineness);
    this.rasterise(w, h, fineness, coarse > 1 ? 3 : 1);
    if (this.buffer.width !== w || this.buffer.height !== h) {
      this.buffer.width = w;
      this.buffer.height = h;
    }
    const target = this.buffer.getContext("2d");
    const image = target.createImageData(w, h);
    this.context.imageSmoothingQuality = "high";
    this.panes.forEach((colours, pane) => {
      this.fill(image, colours);
      target.putImageData(image, 0, 0);
      const left = (pane % columns) * cell[0] * ratio;
      const top = Math.floor(pane / columns) * cell[1] * ratio;
      this.context.drawImage(this.buffer, left, top, cell[0] * ratio, cell[1] * ratio);
    });
    this.layout = { columns, cell, fineness, w, h };
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.overlay(this.context);
    const spent = performance.now() - started;
    if (spent > 40 && coarse === this.coarseness) this.coarseness = Math.min(2, coarse + 1);
    else if (spent < 8 && coarse) this.coarseness = coarse - 1;
    this.lastDraw = spent;
  }

  // Pixels of a pane for each unit of the object, and where a point (centered) is in a pane.
  unit() {
    const { cell } = this.layout;
    return 0.47 * Math.min(cell[0], cell[1]) / this.cloud.radius * this.zoom;
  }

  project(point) {
    const { cell } = this.layout, r = this.rotation, unit = this.unit();
    const along = (k) => r[3 * k] * point[0] + r[3 * k + 1] * point[1] + r[3 * k + 2] * point[2];
    return [cell[0] / 2 + this.shift[0] + along(0) * unit, cell[1] / 2 - this.shift[1] - along(1) * unit];
  }

  rasterise(w, h, fineness, stride) {
    const { points, normals, count, radius: extent, spacing } = this.cloud;
    const size = w * h;
    if (!this.index || this.index.length !== size) {
      this.index = new Int32Array(size);
      this.depth = new Float32Array(size);
    }
    if (!this.shade || this.shade.length !== count) this.shade = new Float32Array(count);
    const { index, depth, shade, rotation: r } = this;
    index.fill(-1);
    depth.fill(-1e30);
    const scale = 0.47 * Math.min(w, h) / extent * this.zoom;
    const wide = 2.3 * spacing * Math.sqrt(stride) * scale;
    const reach = Math.min(14 * fineness, Math.max(0.75 * fineness, wide));
    const disc = this.disc(reach, w, spacing);
    const border = Math.ceil(reach);
    const midX = w / 2 + this.shift[0] * fineness, midY = h / 2 - this.shift[1] * fineness;
    for (let i = 0, j = 0; i < count; i += stride, j += 3 * stride) {
      const x = points[j], y = points[j + 1], z = points[j + 2];
      const column = Math.round(midX + (r[0] * x + r[1] * y + r[2] * z) * scale);
      const row = Math.round(midY - (r[3] * x + r[4] * y + r[5] * z) * scale);
      if (column < -border || row < -border || column >= w + border || row >= h + border) continue;
      const inside = column >= border && row >= border && column < w - border && row < h - border;
      const near = r[6] * x + r[7] * y + r[8] * z;
      const a = normals[j], b = normals[j + 1], c = normals[j + 2];
      const nx = r[0] * a + r[1] * b + r[2] * c, ny = r[3] * a + r[4] * b + r[5] * c;
      const nz = r[6] * a + r[7] * b + r[8] * c;
      const light = (nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]) * (nz < 0 ? -1 : 1) / 127;
      shade[i] = 0.34 + 0.78 * Math.max(0, light);
      const base = row * w + column;
      for (let k = 0; k < disc.length; k++) {
        const pixel = base + disc.offset[k], here = near - disc.drop[k];
        if (!inside) {
          const right = column + disc.dx[k], low = row + disc.dy[k];
          if (right < 0 || low < 0 || right >= w || low >= h) continue;
        }
        if (here > depth[pixel]) {
          depth[pixel] = here;
          index[pixel] = i;
        }
      }
    }
    this.darken(w, h, scale, fineness);
  }

  // Discs are domes: where two overlap, each pixel goes to the nearer center.
  disc(reach, width, spacing) {
    const offset = [], drop = [], across = [], down = [], steps = Math.ceil(reach), square = reach * reach;
    for (let dy = -steps; dy <= steps; dy++) {
      for (let dx = -steps; dx <= steps; dx++) {
        const away = dx * dx + dy * dy;
        if (away <= square) {
          offset.push(dy * width + dx);
          across.push(dx);
          down.push(dy);
          drop.push(away / square * spacing * 0.6);
        }
      }
    }
    return {
      offset: Int32Array.from(offset), drop: Float32Array.from(drop), length: drop.length,
      dx: across, dy: down,
    };
  }

  // Darken what lies behind its surroundings: creases and silhouettes (eye-dome lighting).
  darken(w, h, scale, fineness) {
    const { index } = this;
    if (!this.light || this.light.length !== index.length) this.light = new Float32Array(index.length);
    this.light.fill(0);
    const light = this.light, near = Math.max(1, Math.round(2 * fineness));
    const unit = scale / Math.min(w, h);
    this.gather(w, h, near, 2.1, unit);
    this.gather(w, h, near * 4, 0.9, unit);
    for (let p = 0; p < index.length; p++) {
      if (index[p] >= 0) light[p] = this.shade[index[p]] * (1 - Math.min(0.45, light[p]));
    }
  }

  // Adds to `light` how far the pixels `step` away stand out before each one.
  gather(w, h, step, strength, unit) {
    const { index, depth, light } = this, down = step * w;
    for (let row = 0, p = 0; row < h; row++) {
      const above = row >= step, below = row < h - step;
      for (let column = 0; column < w; column++, p++) {
        if (index[p] < 0) continue;
        const here = depth[p] + 0.004 / unit, most = 0.1 / unit;
        let sum = 0, gap = 0;
        if (column >= step && (gap = depth[p - step] - here) > 0) sum += gap < most ? gap : most;
        if (column < w - step && (gap = depth[p + step] - here) > 0) sum += gap < most ? gap : most;
        if (above && (gap = depth[p - down] - here) > 0) sum += gap < most ? gap : most;
        if (below && (gap = depth[p + down] - here) > 0) sum += gap < most ? gap : most;
        light[p] += sum * unit * strength;
      }
    }
  }

  fill(image, colours) {
    const { index, light } = this, data = image.data;
    for (let p = 0, q = 0; p < index.length; p++, q += 4) {
      const i = index[p];
      if (i < 0) {
        data[q + 3] = 0;
        continue;
      }
      // Light adds up linearly; the square root is close to the screen's curve.
      const factor = Math.sqrt(light[p]);
      data[q] = colours[3 * i] * factor;
      data[q + 1] = colours[3 * i + 1] * factor;
      data[q + 2] = colours[3 * i + 2] * factor;
      data[q + 3] = 255;
    }
  }

  // The point under the pointer, and where the pointer is on the stage.
  pick(event) {
    if (!this.layout || !this.index) return null;
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const { cell, fineness, w, h } = this.layout;
    const column = Math.floor((x % cell[0]) * fineness), row = Math.floor((y % cell[1]) * fineness);
    if (column < 0 || row < 0 || column >= w || row >= h) return null;
    const point = this.index[row * w + column];
    return point < 0 ? null : { point, x, y };
  }
}
