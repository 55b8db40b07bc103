// The S-TRM and its recogniser in plain JavaScript: from a hand's 21 points to text, as strm.stream does it in Python.
// One file for the live page and for every figure that a reader can play with. No dependencies, no DOM.
// Symbols as in strm/model.py: x the input, y the answer, z the thought, n updates of z in each of T cycles.

const POINTS = 21, WRIST = 0, KNUCKLES = [5, 9, 13, 17];
const ROUNDING_MS = 1e-3, SMALLEST_PALM = 1e-6;

// --- Linear algebra on Float32Array: rows of a matrix lie one after the other, as PyTorch keeps them.

function erf(x) {
  // Abramowitz and Stegun 7.1.26: wrong by less than 1.5e-7.
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

const gelu = (v) => v.map((a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2)));
const sigmoid = (v) => v.map((a) => 1 / (1 + Math.exp(-a)));
const plus = (v, w) => v.map((a, i) => a + w[i]);
const mixed = (gate, old, fresh) => gate.map((g, i) => g * old[i] + (1 - g) * fresh[i]);

function joined(...parts) {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function norm(v) {
  const mean = v.reduce((sum, a) => sum + a, 0) / v.length;
  const variance = v.reduce((sum, a) => sum + (a - mean) ** 2, 0) / v.length;
  const scale = 1 / Math.sqrt(variance + 1e-5);
  return v.map((a) => (a - mean) * scale);
}

export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Float64Array.from(logits, (a) => Math.exp(a - most));
  const sum = powers.reduce((total, a) => total + a, 0);
  return powers.map((a) => a / sum);
}

// --- The model

export class Model {
  // config: trm_config.json. tensors: {name: Float32Array}, named as in PyTorch's state dict.
  constructor(config, tensors) {
    this.config = config;
    this.names = config.class_names;
    this.tensors = tensors;
  }

  initialState() {
    return { y: this.tensors.y_reset.slice(), z: this.tensors.z_reset.slice() };
  }

  linear(name, v) {
    const weight = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
    const out = new Float32Array(weight.length / v.length);
    for (let i = 0, at = 0; i < out.length; i++) {
      let sum = bias ? bias[i] : 0;
      for (let j = 0; j < v.length; j++, at++) sum += weight[at] * v[j];
      out[i] = sum;
    }
    return out;
  }

  block(name, ...parts) {
    return this.linear(`${name}.second`, gelu(norm(this.linear(`${name}.first`, joined(...parts)))));
  }

  // Read one frame: x are 63 unscaled numbers, state is {y, z} or null for the reset state.
  // Returns {logits, state, gates: {y, z}, answers: [T logits], steps: [{name, cycle, y, z}], first: {y, z}}.
  // cycles and updates change how long it thinks; without them it thinks as it was trained.
  step(x, state = null, { cycles = this.config.T_deep, updates = this.config.n_latent } = {}) {
    const { mean, scale } = this.tensors;
    const before = state ?? this.initialState();
    const seen = this.linear("see", Float32Array.from(x, (a, i) => (a - mean[i]) / scale[i]));
    const e = plus(seen, this.linear("remember", before.y));
    let y = e, z = before.z;
    const answers = [], steps = [], first = { y, z };
    for (let cycle = 1; cycle <= cycles; cycle++) {
      for (let update = 1; update <= updates; update++) {
        z = norm(plus(z, this.block("latent", e, y, z)));
        steps.push({ name: "z", cycle, y, z });
      }
      y = norm(plus(y, this.block("deep", y, z)));
      steps.push({ name: "y", cycle, y, z });
      answers.push(this.linear("answer", y));
    }
    const gates = {
      y: sigmoid(this.linear("gate_y", joined(before.y, y))),
      z: sigmoid(this.linear("gate_z", joined(before.z, z))),
    };
    const next = { y: mixed(gates.y, before.y, y), z: mixed(gates.z, before.z, z) };
    return { logits: answers.at(-1), state: next, gates, answers, steps, first };
  }
}

// Load model.json and the weights beside it; both come from `strm live build`.
export async function loadModel(address) {
  const description = await fetched(address, "json");
  const bytes = await fetched(new URL(description.weights, new URL(address, location.href)), "arrayBuffer");
  return makeModel(description, bytes);
}

async function fetched(address, kind) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${new URL(address, location.href).pathname}: ${answer.status}`);
  return answer[kind]();
}

// description: {config, tensors: {name: [offset, size]}} in floats; bytes: an ArrayBuffer.
export function makeModel(description, bytes) {
  const all = new Float32Array(bytes);
  const cut = ([name, [offset, size]]) => [name, all.subarray(offset, offset + size)];
  return new Model(description.config, Object.fromEntries(Object.entries(description.tensors).map(cut)));
}

// --- From points to the 63 numbers

// hand: {points: 63 numbers as the detector gives them, width, height, side: "Left" or "Right"}.
// Points in pixels, still of either hand: x and z over the picture's width, y over its height.
function isotropic(hand) {
  const by = [hand.width, hand.height, hand.width];
  return Float32Array.from(hand.points, (a, i) => a * by[i % 3]);
}

// The 63 numbers of right-handed points, and the two slow averages that they are measured by.
// averages: {wrist: [x, y], palm, tMs} of the frame before, or null.
export function motionFeatures(points, tMs, averages, { wristMs, palmMs }) {
  const wrist = [points[3 * WRIST], points[3 * WRIST + 1]];
  const depth = points[3 * WRIST + 2];
  let palm = 0;
  for (const k of KNUCKLES) {
    palm += Math.hypot(points[3 * k] - wrist[0], points[3 * k + 1] - wrist[1], points[3 * k + 2] - depth);
  }
  palm /= KNUCKLES.length;
  if (!(palm > SMALLEST_PALM)) throw new RangeError("a hand has no size: its wrist and knuckles are one point");
  const old = averages ?? { wrist, palm, tMs };
  const gone = Math.max(tMs - old.tMs, 0);
  const keep = (now, before, ms) => now + Math.exp(-gone / ms) * (before - now);
  const slow = {
    wrist: wrist.map((a, i) => keep(a, old.wrist[i], wristMs)),
    palm: keep(palm, old.palm, palmMs),
    tMs,
  };
  const x = new Float32Array(3 * POINTS);
  for (let i = 0; i < x.length; i++) x[i] = (points[i] - points[i % 3]) / slow.palm;
  x[0] = (wrist[0] - slow.wrist[0]) / slow.palm;
  x[1] = (wrist[1] - slow.wrist[1]) / slow.palm;
  x[2] = 0;
  return { x, averages: slow };
}

// --- From the frames of any camera to the model's own rate

const LATCH_MS = 500; // how long a stream's frames vote on which hand it is

export class Resampler {
  constructor(fps) {
    this.period = 1000 / fps;
    this.reset();
  }

  reset() {
    this.side = "Right";
    this.votes = 0;
    this.points = null;
    this.start = this.tMs = 0;
    this.ticks = 0;
  }

  // Return [{points, tMs}] for each tick that this frame completes: right-handed points.
  step(hand, tMs) {
    const points = isotropic(hand);
    if (this.points === null) [this.points, this.start, this.tMs] = [points, tMs, tMs];
    if (tMs - this.start <= LATCH_MS) {
      this.votes += hand.side === "Right" ? 1 : -1;
      if (this.votes) this.side = this.votes > 0 ? "Right" : "Left";
    }
    const before = this.points, tBefore = this.tMs, out = [];
    [this.points, this.tMs] = [points, tMs];
    for (;;) {
      const tick = this.start + this.ticks * this.period;
      if (tick > tMs + ROUNDING_MS) return out;
      this.ticks++;
      const share = tMs > tBefore ? Math.min((tick - tBefore) / (tMs - tBefore), 1) : 1;
      const mirror = this.side === "Left" ? -1 : 1;
      const between = points.map((a, i) => (before[i] + share * (a - before[i])) * (i % 3 ? 1 : mirror));
      out.push({ points: between, tMs: tick });
    }
  }
}

// --- When was a letter meant? As strm.spell.

const RELEASE_MS = 200, RELEASE_MOVE = 0.6, GROW_MS = 1000;

export class Speller {
  constructor({ moving, nothing }, { confidence, holdMs, movingHoldMs }) {
    Object.assign(this, { moving, nothing, confidence, holdMs, movingHoldMs });
    this.text = "";
    this.release();
  }

  release() {
    this.candidate = this.last = null;
    this.since = 0;
    this.spent = new Map(); // what counts again only after a release, and when it last won
    this.keep();
  }

  keep() {
    this.grows = { letter: "", lastWon: 0 }; // the letter that the text ends with
  }

  // Take the winner of one tick and how far the wrist has moved; return {committed, replaced}.
  step(best, confidence, moved, tMs) {
    if (best === this.grows.letter) this.grows.lastWon = tMs;
    for (const [letter, lastWon] of [...this.spent]) {
      if (best === letter || best === this.last) this.spent.set(letter, tMs);
      else if (tMs - lastWon >= RELEASE_MS - ROUNDING_MS) this.spent.delete(letter);
    }
    const candidate = best !== this.nothing && confidence >= this.confidence ? best : null;
    if (candidate !== this.candidate) [this.candidate, this.since] = [candidate, tMs];
    if (moved > RELEASE_MOVE && best === this.last && !(best in this.moving)) {
      this.spent.delete(best);
      this.since = tMs;
    }
    const hold = candidate in this.moving ? this.movingHoldMs : this.holdMs;
    const early = tMs - this.since < hold - ROUNDING_MS;
    if (candidate === null || this.spent.has(candidate) || early) return { committed: null, replaced: null };
    return { committed: candidate, replaced: this.commit(candidate, tMs) };
  }

  commit(letter, tMs) {
    const start = this.moving[letter], { letter: grown, lastWon } = this.grows;
    const replaced = grown && grown === start && tMs - lastWon <= GROW_MS ? grown : null;
    this.last = letter;
    this.spent = new Map([letter, start].filter(Boolean).map((spent) => [spent, tMs]));
    this.grows = { letter, lastWon: tMs };
    if (letter === "del") this.backspace();
    else if (letter === "space") this.space();
    else {
      if (replaced && this.text.endsWith(replaced)) this.text = this.text.slice(0, -replaced.length);
      this.text += letter;
    }
    return replaced;
  }

  space() {
    this.text += " ";
    this.keep();
  }

  backspace() {
    this.text = this.text.slice(0, -1);
    this.keep();
  }

  clear() {
    this.text = "";
    this.keep();
  }
}

// --- One stream of hands, read

// The same defaults as strm.stream.Recognizer; a test holds them equal.
export const DEFAULTS = {
  stateful: true, smoothing: 0.5, confidence: 0.5, holdMs: 200, movingHoldMs: 130, forgetMs: 700,
};

export class Recognizer {
  constructor(model, options = {}) {
    Object.assign(this, DEFAULTS, options);
    this.model = model;
    this.resampler = new Resampler(model.config.fps);
    this.weight = 1 - (1 - this.smoothing) ** (15 / model.config.fps);
    this.speller = new Speller(model.config.alphabet, this);
    const { wrist_ms: wristMs, palm_ms: palmMs, motion } = model.config.preprocessing;
    this.slowness = { wristMs, palmMs };
    this.motionSlot = motion;
    this.reset();
  }

  get text() {
    return this.speller.text;
  }

  // Forget the stream, its clock too; the text stays.
  reset() {
    this.seen = -Infinity;
    this.resampler.reset();
    this.forget();
  }

  forget() {
    this.state = this.averages = this.probabilities = this.thought = null;
    this.side = this.resampler.side;
    this.speller.release();
  }

  // hand: as `isotropic` takes it, or null. Returns {letter, confidence, top3, committed, replaced, text, thought};
  // thought is what the model's last step returned.
  step(hand, tMs) {
    if (tMs - this.seen > this.forgetMs) {
      this.resampler.reset();
      this.forget();
    }
    let news = { committed: null, replaced: null };
    if (hand) {
      this.seen = tMs;
      for (const tick of this.resampler.step(hand, tMs)) {
        if (this.resampler.side !== this.side) this.forget(); // all so far was seen in a mirror
        const made = this.think(tick);
        if (made.committed) news = made;
      }
    }
    return { ...this.reading(), ...news, text: this.text, thought: this.thought };
  }

  think({ points, tMs }) {
    const { x, averages } = motionFeatures(points, tMs, this.averages, this.slowness);
    this.averages = averages;
    const moved = Math.hypot(x[3 * WRIST], x[3 * WRIST + 1]);
    if (!this.motionSlot) x.fill(0, 3 * WRIST, 3 * WRIST + 3); // a model that was trained without it
    this.thought = { x, ...this.model.step(x, this.stateful ? this.state : null) };
    this.state = this.thought.state;
    const fresh = softmax(this.thought.logits), old = this.probabilities ?? fresh;
    this.probabilities = old.map((a, i) => a + this.weight * (fresh[i] - a));
    const best = this.probabilities.indexOf(Math.max(...this.probabilities));
    return this.speller.step(this.model.names[best], this.probabilities[best], moved, tMs);
  }

  reading() {
    if (!this.probabilities) return { letter: null, confidence: 0, top3: [] };
    const order = [...this.probabilities.keys()].sort((a, b) => this.probabilities[b] - this.probabilities[a]);
    const top3 = order.slice(0, 3).map((i) => ({ letter: this.model.names[i], share: this.probabilities[i] }));
    const [{ letter, share }] = top3;
    const sure = letter !== this.speller.nothing && share >= this.confidence;
    return { letter: sure ? letter : null, confidence: share, top3 };
  }
}
