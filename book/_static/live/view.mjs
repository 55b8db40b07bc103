// What the reader sees of a reading: the hand, the letter, the text, the state. No recognition happens here.

const BONES = [
  [0, 5, 9, 13, 17, 0], [0, 1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16], [17, 18, 19, 20],
];
const BONE = "#ffb000", JOINT = "#648fff";
const find = (id) => document.getElementById(id);

// Draw a picture (anything that a canvas takes, or null) and the landmarks over it; `cut` is [x, y, width, height].
export function drawPicture(image, cut, hand, mirror) {
  const canvas = find("picture"), context = canvas.getContext("2d");
  const [x, y, width, height] = cut;
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context.save();
  context.clearRect(0, 0, width, height);
  if (mirror) {
    context.translate(width, 0);
    context.scale(-1, 1); // the picture only: the model always sees the hand as it is
  }
  if (image) context.drawImage(image, x, y, width, height, 0, 0, width, height);
  if (hand) drawHand(context, hand.points, width, height);
  context.restore();
}

export function drawHand(context, points, width, height) {
  const at = (i) => [points[3 * i] * width, points[3 * i + 1] * height];
  const thick = Math.max(2, width / 120);
  context.lineWidth = thick;
  context.lineJoin = "round";
  context.strokeStyle = BONE;
  for (const chain of BONES) {
    context.beginPath();
    for (const i of chain) context.lineTo(...at(i));
    context.stroke();
  }
  context.fillStyle = JOINT;
  for (let i = 0; i < points.length / 3; i++) {
    context.beginPath();
    context.arc(...at(i), 1.2 * thick, 0, 2 * Math.PI);
    context.fill();
  }
}

export function showReading({ letter, top3, text, thought }) {
  put("letter", letter ?? "–");
  put("text", text);
  const rows = top3.map(({ letter: name, share }) => {
    const row = document.createElement("li"), label = document.createElement("span");
    const meter = document.createElement("meter"), number = document.createElement("span");
    label.textContent = name;
    meter.value = share;
    meter.setAttribute("aria-label", name);
    number.textContent = `${Math.round(100 * share)}%`;
    row.append(label, meter, number);
    return row;
  });
  find("top").replaceChildren(...rows);
  drawInside(thought);
}

// Two rows of cells: how much of the old each gate of z keeps, bright as in chapter 5, and the state y.
function drawInside(thought) {
  const canvas = find("inside"), context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!thought) {
    find("words").textContent = "";
    return;
  }
  const { gates: { z: gates }, state: { y } } = thought;
  const width = canvas.width / gates.length, half = canvas.height / 2;
  const cells = (values, top, shade) =>
    values.forEach((value, i) => {
      const level = Math.round(255 * Math.min(Math.max(shade(value), 0), 1));
      context.fillStyle = `rgb(${level}, ${level}, ${Math.min(255, level + 40)})`;
      context.fillRect(i * width, top, width - 1, half - 2);
    });
  cells(gates, 0, (gate) => gate);
  cells(y, half, (value) => 0.5 + value / 5);
  const fresh = gates.reduce((sum, gate) => sum + 1 - gate, 0) / gates.length;
  find("words").textContent = `Now ${Math.round(100 * fresh)}% of z is taken anew.`;
}

// Write words where a screen reader may listen: the same words again would be read again.
export function put(id, words) {
  if (find(id).textContent !== words) find(id).textContent = words;
}

export const say = (words) => put("status", words);
