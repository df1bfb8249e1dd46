"use strict";
// Clouds as `packing.py` packs them.

function decode(text, Type) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  if (Type === Uint8Array) return bytes;
  if (Type === Int8Array) return new Int8Array(bytes.buffer);
  const view = new DataView(bytes.buffer), size = Type.BYTES_PER_ELEMENT;
  const values = new Type(bytes.length / size);
  for (let i = 0; i < values.length; i++) {
    values[i] = size === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true);
  }
  return values;
}

function decodeBits(text, count) {
  if (text === null) return null;
  const bytes = decode(text, Uint8Array);
  const bits = new Uint8Array(count);
  for (let i = 0; i < count; i++) bits[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return bits;
}

// Numbers of one cloud; coordinates are centered, in the object's units: on the cloud itself or, to
// lie beside another one, on that one, and of its size.
function unpackCloud(packed, scores, frame = null) {
  const count = packed.shown;
  const codes = decode(packed.points, Uint16Array);
  const low = [65535, 65535, 65535], high = [0, 0, 0];
  for (let i = 0; i < codes.length; i++) {
    const axis = i % 3;
    if (codes[i] < low[axis]) low[axis] = codes[i];
    if (codes[i] > high[axis]) high[axis] = codes[i];
  }
  const points = new Float32Array(codes.length);
  const middle = low.map((value, axis) => (frame === null ? (value + high[axis]) / 2
    : (frame.center[axis] - packed.origin[axis]) / packed.step));
  let radius = 0;
  for (let i = 0; i < codes.length; i += 3) {
    let square = 0;
    for (let axis = 0; axis < 3; axis++) {
      const value = (codes[i + axis] - middle[axis]) * packed.step;
      points[i + axis] = value;
      square += value * value;
    }
    radius = Math.max(radius, square);
  }
  let values = null;
  if (packed.pointScores !== null) {
    const levels = decode(packed.pointScores, Uint16Array);
    values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      values[i] = levels[i] === 65535 ? NaN : scores.low + levels[i] * scores.step;
    }
  }
  return {
    count, points, scores: values,
    center: middle.map((value, axis) => packed.origin[axis] + value * packed.step),
    radius: frame === null ? Math.sqrt(radius) || 1 : frame.radius,
    normals: decode(packed.normals, Int8Array),
    truth: decodeBits(packed.truth, count),
    predicted: decodeBits(packed.predicted, count),
    spacing: packed.spacing,
    rotation: packed.rotation,
  };
}
