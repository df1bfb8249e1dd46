"use strict";
// Colours of points, three bytes for each: scores by the palette, whose middle is the threshold,
// masks by what they say.

class Colours {
  constructor({ palette, colours }) {
    this.palette = decode(palette, Uint8Array);
    this.masks = colours;
  }

  // Writes the colour of a score on a scale of low < center < high.
  writeScore(score, { low, center, high }, out, at) {
    let share = score < center ? 0.5 * (score - low) / (center - low)
      : 0.5 + 0.5 * (score - center) / (high - center);
    share = Math.min(1, Math.max(0, share));
    const entry = 3 * Math.round(share * 255);
    for (let k = 0; k < 3; k++) {
      out[at + k] = Number.isNaN(score) ? this.masks.neutral[k] : this.palette[entry + k];
    }
  }

  ofScores(scores, scale) {
    const out = new Uint8Array(3 * scores.length);
    for (let i = 0; i < scores.length; i++) this.writeScore(scores[i], scale, out, 3 * i);
    return out;
  }

  // The surface alone where there is no mask.
  ofMask(count, mask) {
    const { neutral, defect } = this.masks, out = new Uint8Array(3 * count);
    for (let i = 0; i < count; i++) out.set(mask !== null && mask[i] ? defect : neutral, 3 * i);
    return out;
  }

  // Of what is called anomalous: whether it is right, where the truth is known.
  ofCalls(calls, truth) {
    if (truth === null) return this.ofMask(calls.length, calls);
    const { neutral, defect, found, falseAlarm } = this.masks;
    const out = new Uint8Array(3 * calls.length);
    for (let i = 0; i < calls.length; i++) {
      const right = truth[i] ? found : falseAlarm, wrong = truth[i] ? defect : neutral;
      out.set(calls[i] ? right : wrong, 3 * i);
    }
    return out;
  }
}
