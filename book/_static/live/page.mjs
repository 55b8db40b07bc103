// The live page: one recogniser, fed by the camera or by a recording, and the buttons around it.

import { NO_CAMERA, CameraError, watch } from "./camera.mjs";
import { settleIn } from "./frame.mjs";
import { Practice } from "./practice.mjs";
import { Recognizer, loadModel } from "./strm.mjs";
import { drawPicture, put, say, showReading } from "./view.mjs";

const find = (id) => document.getElementById(id);
const RECENT = 30; // frames, of which the speed is told
let recognizer, practice, recording, sheet;
let stop = () => {}; // ends whatever is running
let times = [];
// What a test or a curious reader can look at: every frame since the start.
const seen = (window.strmSeen = { frames: [], ready: false });

function begin(model) {
  const text = recognizer?.text ?? "";
  recognizer = new Recognizer(model, { stateful: find("stateful").checked });
  recognizer.speller.text = text;
}

function read({ image, cut, hand, t, ms = null, mirror = false }) {
  const own = hand && find("left").checked ? { ...hand, side: "Left" } : hand;
  const started = performance.now(), reading = recognizer.step(own, t);
  const own_ms = performance.now() - started;
  drawPicture(image, cut, hand, mirror);
  showReading(reading);
  if (reading.committed) find("score").textContent = practice.take(reading.committed, reading.replaced);
  const { letter, confidence, committed, replaced, text, thought } = reading;
  seen.frames.push({ t, hand: own, letter, confidence, committed, replaced, text,
                     x: thought && [...thought.x], logits: thought && [...thought.logits] });
  if (seen.frames.length > 5000) seen.frames.shift();
  if (ms !== null) tell(t, ms, own_ms);
}

function tell(t, detector, own) {
  times.push({ t, detector, own });
  if (times.length > RECENT) times.shift();
  if (times.length < RECENT || seen.frames.length % 10) return;
  const mean = (key) => times.reduce((sum, one) => sum + one[key], 0) / times.length;
  const rate = (1000 * (times.length - 1)) / (times.at(-1).t - times[0].t);
  find("speed").textContent =
    `${rate.toFixed(0)} frames a second; detector ${mean("detector").toFixed(0)} ms, the rest ${mean("own").toFixed(1)} ms.`;
}

function fresh(words) {
  stop();
  stop = () => {};
  recognizer.reset();
  recognizer.speller.clear();
  times = [];
  seen.frames = [];
  find("speed").textContent = "";
  find("scrub").hidden = true;
  find("stop").disabled = false;
  say(words);
}

function ended(words) {
  stop();
  stop = () => {};
  find("stop").disabled = true;
  say(words);
}

// --- The camera

async function startCamera() {
  fresh("Asking for the camera, and loading the detector…");
  const wanted = new AbortController();
  stop = () => wanted.abort();
  let unseen = 0;
  try {
    const onFrame = ({ image, width, height, hand, t, ms }) => {
      unseen = hand ? 0 : unseen + 1;
      if (unseen === 15) say("No hand in the picture. Hold it up, a forearm's length from the camera.");
      else if (hand && unseen === 0) say("Reading.");
      read({ image, cut: [0, 0, width, height], hand, t, ms, mirror: find("mirror").checked });
    };
    const lost = () => ended("The camera went away. Start it again when it is back.");
    await watch(find("video"), onFrame, lost, wanted.signal);
    if (!wanted.signal.aborted) say("Reading. Hold a letter up.");
  } catch (error) {
    if (wanted.signal.aborted) return; // something else was begun meanwhile
    if (!(error instanceof CameraError)) {
      console.warn(error);
      ended("The detector could not be loaded: check the connection and try again, or play the recorded word.");
    } else if (error.name === NO_CAMERA) {
      await startRecording("word");
      say(error.message);
    } else ended(error.message);
  }
}

// --- A recording: frames with their times, so that it is read the same at any speed

async function load() {
  if (recording) return;
  const answer = await fetch("clip/clips.json");
  recording = await answer.json();
  sheet = new Image();
  sheet.src = `clip/${recording.sheet.file}`;
  await sheet.decode();
}

async function startRecording(name, playing = true) {
  fresh("Loading the recording…");
  await load();
  const { frames } = recording.clips[name];
  Object.assign(find("frame"), { max: frames.length - 1, value: 0 });
  find("scrub").hidden = false;
  let at = -1, timer = 0;
  const show = (i) => {
    if (i <= at) { // a state cannot go back: begin anew, and read up to there
      recognizer.reset();
      recognizer.speller.clear();
      seen.frames = [];
      at = -1;
    }
    while (at < i) step(frames[++at]);
    find("frame").value = at;
  };
  const pause = () => clearInterval(timer);
  const wanted = (i) => {
    pause();
    show(Math.min(Math.max(i, 0), frames.length - 1));
    say(`Frame ${at + 1} of ${frames.length}.`);
  };
  find("frame").oninput = (event) => wanted(Number(event.target.value));
  find("back").onclick = () => wanted(at - 1);
  find("on").onclick = () => wanted(at + 1);
  stop = pause;
  say(name === "word" ? "A recorded word, letter by letter." : "The poses of its J and Zs, each held still.");
  if (!playing) return show(0);
  const pace = frames[1].t - frames[0].t;
  timer = setInterval(() => {
    if (at + 1 < frames.length) return show(at + 1);
    pause();
    ended(recognizer.text ? `The recording spelt ${recognizer.text}.` : "The recording wrote nothing.");
  }, pace);
}

function step({ frame, hand, t }) {
  const { columns, width, height } = recording.sheet;
  const cut = [(frame % columns) * width, Math.floor(frame / columns) * height, width, height];
  read({ image: frame === null ? null : sheet, cut: frame === null ? [0, 0, width, height] : cut, hand, t });
}

// --- The buttons

const SHORT = { " ": "space", Backspace: "delete", Delete: "clear" };

function wire(model) {
  find("camera").onclick = startCamera;
  find("play").onclick = () => startRecording("word");
  find("held").onclick = () => startRecording("held");
  find("stop").onclick = () => ended("Stopped.");
  find("stateful").onchange = () => {
    begin(model);
    say(find("stateful").checked ? "The state is carried from frame to frame." : "Every frame is read on its own.");
  };
  const edits = { space: "space", delete: "backspace", clear: "clear" };
  for (const [id, edit] of Object.entries(edits)) {
    find(id).onclick = () => {
      recognizer.speller[edit]();
      put("text", recognizer.text);
    };
  }
  document.addEventListener("keydown", (event) => {
    const id = SHORT[event.key], free = !event.target.closest("button, input, summary, a");
    if (id && free && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      find(id).click();
    }
  });
  find("ask").onsubmit = (event) => {
    event.preventDefault();
    find("score").textContent = practice.begin(find("word").value);
  };
}

async function offline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("worker.js");
  } catch (error) {
    console.warn("No offline copy:", error.message); // the page works all the same
  }
}

async function main() {
  settleIn();
  try {
    const model = await loadModel("model.json");
    begin(model);
    practice = new Practice(model.names.filter((name) => name.length === 1));
    await load();
    await startRecording("word", false);
    wire(model);
    ended("Ready. Start the camera, or play the recorded word. The picture stays in this page.");
    seen.ready = true;
    window.strmPlay = { show: (name) => startRecording(name, false) };
  } catch (error) {
    console.warn(error);
    say("The model could not be loaded: reload the page when there is a connection.");
  }
  offline();
}

main();
