// Figures that a reader can play with, computed here by the book's own weights: play.html?figure=settle, answers or word.
// Each has a text that says what the picture shows, and is worked by ordinary sliders and lists: no mouse needed.

import { settleIn } from "./frame.mjs";
import { Recognizer, loadModel, motionFeatures, softmax } from "./strm.mjs";
import { drawHand } from "./view.mjs";

const TEXT = {
  hand: "Hand", step: "Step", cycles: "cycles, T", updates: "updates of z in each, n", frame: "Frame", stateful: "carry the state",
  settle: (at) => `${at.what}. It moved by ${at.moved.toFixed(2)}. If asked now, it would say ${at.said}.`,
  start: "Before the first step: y is what is seen, z is what was remembered. Here that is nothing.",
  updated: ({ name, cycle }, count) => (name === "z" ? `Cycle ${cycle}, update ${count} of z` : `Cycle ${cycle}, y is written`),
  moved: "How far y and z move in each step",
  answer: (number, said) => `Answer ${number}: ${said}`,
  word: ({ i, of, letter, share, text, fresh }) =>
    `Frame ${i} of ${of}: ${letter} (${share}%), text so far "${text}". ${fresh}% of z is taken anew.`,
  rows: "Rows from the top: the likeliest letter's share, the gates of z (bright keeps the old), the state y. Time runs to the right.",
};
const INK = "#ffb000", OTHER = "#648fff";

// --- Small builders of page elements

function make(kind, { parent, ...rest } = {}, ...children) {
  const made = Object.assign(document.createElement(kind), rest);
  made.append(...children);
  parent?.append(made);
  return made;
}

// A control with its name and, of a slider, its number.
function labelled(words, control) {
  const label = make("label", { className: control.type }, `${words} `, control);
  if (control.type !== "range") return label;
  const number = make("output", { parent: label }, control.value);
  control.addEventListener("input", () => (number.textContent = control.value));
  return label;
}

const slider = (id, max, value, min = 0) => make("input", { id, type: "range", min, max, value });
const picture = (id, width, height, words) => {
  const canvas = make("canvas", { id, width, height, role: "img" });
  canvas.setAttribute("aria-label", words);
  return canvas;
};

function choice(id, hands) {
  const list = make("select", { id });
  hands.forEach(({ letter }, i) => make("option", { parent: list, value: i }, letter));
  return list;
}

// The likeliest letters as a list of bars.
function bars(names, logits, most) {
  const shares = softmax(logits), order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]).slice(0, most);
  const list = make("ol", { className: "bars" });
  for (const i of order) {
    const meter = make("meter", { value: shares[i] });
    meter.setAttribute("aria-label", names[i]);
    const item = make("li", { parent: list }, make("span", {}, names[i]), meter);
    make("span", { parent: item }, `${Math.round(100 * shares[i])}%`);
  }
  return { list, said: `${names[order[0]]}, ${Math.round(100 * shares[order[0]])}%` };
}

function numbersOf(hand, config) {
  const by = [hand.width, hand.height, hand.width], mirror = hand.side === "Left" ? -1 : 1;
  const points = Float32Array.from(hand.points, (a, i) => a * by[i % 3] * (i % 3 ? 1 : mirror));
  const { wrist_ms: wristMs, palm_ms: palmMs } = config.preprocessing;
  return motionFeatures(points, 0, null, { wristMs, palmMs }).x;
}

function showHand(canvas, hand) {
  const context = canvas.getContext("2d"), { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  // The hand fills the picture, wherever it was.
  const xs = hand.points.filter((_, i) => i % 3 === 0).map((x) => x * hand.width);
  const ys = hand.points.filter((_, i) => i % 3 === 1).map((y) => y * hand.height);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const size = Math.max(Math.max(...xs) - left, Math.max(...ys) - top) * 1.25;
  const centre = (low, all) => low - (size - (Math.max(...all) - low)) / 2;
  const [x0, y0] = [centre(left, xs), centre(top, ys)];
  const points = hand.points.map((a, i) =>
    i % 3 === 0 ? (a * hand.width - x0) / size : i % 3 === 1 ? (a * hand.height - y0) / size : a);
  drawHand(context, points, width, height);
}

const far = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0));

// --- Figure 1: y and z as they settle

function settle(main, model, hands) {
  const list = choice("hand", hands), at = slider("step", 1, 0);
  const cycles = slider("cycles", 6, model.config.T_deep, 1), updates = slider("updates", 6, model.config.n_latent, 1);
  const hand = picture("picture", 240, 240, TEXT.hand), plot = picture("plot", 480, 160, TEXT.moved);
  const said = make("p", { id: "said", role: "status" }), held = make("div");
  main.append(
    make("div", { className: "bar" }, labelled(TEXT.hand, list), labelled(TEXT.cycles, cycles), labelled(TEXT.updates, updates)),
    make("div", { className: "columns" }, hand, held),
    labelled(TEXT.step, at), plot, said,
  );
  let steps, moved;
  const think = () => {
    const x = numbersOf(hands[list.value], model.config);
    const asked = { cycles: Number(cycles.value), updates: Number(updates.value) };
    const { answers, steps: thought, first } = model.step(x, null, asked);
    steps = [{ name: "", ...first }, ...thought];
    moved = steps.map((step, i) =>
      i ? far(step[step.name], steps[i - 1][step.name]) : 0);
    at.max = thought.length;
    at.value = Math.min(at.value, thought.length);
    showHand(hand, hands[list.value]);
    window.strmPlayed = { answers: answers.map((a) => [...a]), moved, steps: steps.map(({ y, z }) => ({ y: [...y], z: [...z] })) };
    show();
  };
  const show = () => {
    const i = Number(at.value), now = steps[i], top = bars(model.names, model.linear("answer", now.y), 5);
    held.replaceChildren(top.list);
    const count = steps.slice(0, i + 1).filter((s) => s.name === "z" && s.cycle === now.cycle).length;
    said.textContent = i
      ? TEXT.settle({ what: TEXT.updated(now, count), moved: moved[i], said: top.said })
      : `${TEXT.start} ${top.said}.`;
    drawMoves(plot, steps, moved, i);
  };
  for (const control of [list, cycles, updates]) control.oninput = think;
  at.oninput = show;
  think();
}

function drawMoves(canvas, steps, moved, now) {
  const context = canvas.getContext("2d"), { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const most = Math.max(...moved), wide = width / steps.length;
  moved.forEach((length, i) => {
    const tall = (height - 30) * length / most;
    context.fillStyle = steps[i].name === "z" ? OTHER : INK;
    context.fillRect(i * wide + 3, height - 18 - tall, wide - 6, tall);
    context.fillStyle = "#fff";
    context.font = "12px system-ui";
    context.fillText(steps[i].name, i * wide + wide / 2 - 4, height - 4);
    if (i === now) {
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.strokeRect(i * wide + 1, 1, wide - 2, height - 2);
    }
  });
}

// --- Figure 2: the T answers side by side

function answers(main, model, hands) {
  const list = choice("hand", hands), cycles = slider("cycles", 6, model.config.T_deep, 1);
  const hand = picture("picture", 240, 240, TEXT.hand), held = make("div", { className: "columns" });
  const said = make("p", { id: "said", role: "status" });
  main.append(
    make("div", { className: "bar" }, labelled(TEXT.hand, list), labelled(TEXT.cycles, cycles)),
    make("div", { className: "columns" }, hand, held), said,
  );
  const show = () => {
    const x = numbersOf(hands[list.value], model.config);
    const given = model.step(x, null, { cycles: Number(cycles.value) }).answers;
    const shown = given.map((logits) => bars(model.names, logits, 3));
    held.replaceChildren(...shown.map(({ list: top }, i) => make("section", {}, make("h2", {}, `${i + 1}`), top)));
    said.textContent = shown.map((one, i) => TEXT.answer(i + 1, one.said)).join(". ");
    showHand(hand, hands[list.value]);
    window.strmPlayed = { answers: given.map((a) => [...a]) };
  };
  list.oninput = cycles.oninput = show;
  show();
}

// --- Figure 3: a word, with its gates and state beneath it

async function word(main, model) {
  const { frames } = (await (await fetch("clip/clips.json")).json()).clips.word;
  const at = slider("frame", frames.length - 1, 0), carry = make("input", { id: "stateful", type: "checkbox", checked: true });
  const hand = picture("picture", 240, 240, TEXT.hand), strip = picture("strip", 692, 200, TEXT.rows);
  const text = make("p", { className: "text" }), said = make("p", { id: "said", role: "status" });
  main.append(
    make("div", { className: "columns" }, hand, make("div", {}, text, make("div", { className: "bar" }, labelled(TEXT.stateful, carry)))),
    labelled(TEXT.frame, at), strip, make("p", { className: "small" }, TEXT.rows), said,
  );
  let seen;
  const read = () => {
    const recognizer = new Recognizer(model, { stateful: carry.checked });
    seen = frames.map((frame) => recognizer.step(frame.hand, frame.t));
    window.strmPlayed = { text: recognizer.text, gates: seen.map(({ thought }) => thought && [...thought.gates.z]) };
    show();
  };
  const show = () => {
    const i = Number(at.value), now = seen[i], [top] = now.top3, gates = now.thought?.gates.z;
    const context = hand.getContext("2d");
    context.clearRect(0, 0, hand.width, hand.height);
    if (frames[i].hand) drawHand(context, frames[i].hand.points, hand.width, hand.height);
    text.textContent = now.text;
    const fresh = gates ? Math.round((100 * gates.reduce((sum, gate) => sum + 1 - gate, 0)) / gates.length) : 0;
    said.textContent = TEXT.word({
      i: i + 1, of: frames.length, letter: now.letter ?? "–", share: Math.round(100 * (top?.share ?? 0)), text: now.text, fresh,
    });
    drawStrip(strip, seen, i);
  };
  at.oninput = show;
  carry.onchange = read;
  read();
}

function drawStrip(canvas, seen, now) {
  const context = canvas.getContext("2d"), wide = canvas.width / seen.length;
  context.clearRect(0, 0, canvas.width, canvas.height);
  seen.forEach(({ confidence, letter, thought }, i) => {
    context.fillStyle = letter ? INK : "#5d6675";
    context.fillRect(i * wide, 40 - 38 * confidence, wide, 38 * confidence);
    if (!thought) return;
    const column = (values, top, shade) => values.forEach((value, j) => {
      const level = Math.round(255 * Math.min(Math.max(shade(value), 0), 1));
      context.fillStyle = `rgb(${level}, ${level}, ${Math.min(255, level + 40)})`;
      context.fillRect(i * wide, top + (j * 78) / values.length, wide, 78 / values.length);
    });
    column(thought.gates.z, 42, (gate) => gate);
    column(thought.state.y, 122, (value) => 0.5 + value / 5);
  });
  context.fillStyle = "#fff";
  context.fillRect(now * wide, 0, 2, canvas.height);
}

async function main() {
  const query = new URLSearchParams(location.search);
  settleIn();
  const place = document.getElementById("main"), figures = { settle, answers, word };
  try {
    const model = await loadModel("model.json");
    const hands = await (await fetch("hands.json")).json();
    document.getElementById("status").remove();
    await (figures[query.get("figure")] ?? settle)(place, model, hands);
    document.body.dataset.ready = "yes";
  } catch (error) {
    console.warn(error);
    place.textContent = "This figure could not be loaded; the picture above it shows the same.";
  }
}

main();
