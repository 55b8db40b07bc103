// What a notebook in Colab does in the reader's browser: it asks for the camera, takes fifteen small pictures
// a second, and hands them over when Python asks by `next`. The picture that was read last is shown, with its hand.
window.strmCamera = (() => {
  const EVERY = 66, KEPT = 20, ALONE = 15000; // ms; pictures that may wait; ms without Python: the camera is freed
  const made = (name, parent, words) => {
    const element = parent.appendChild(document.createElement(name));
    if (words) element.textContent = words;
    return element;
  };
  let words, chains, message, buttons, text, letters, video, seen, stream, timer, asked;
  let frames = [], sent = new Map(), pressed = new Set(), stopped = false;

  const open = (said, bones) => {
    [words, chains] = [said, bones];
    const panel = made('div', document.body);
    panel.style.cssText = 'max-width:44em;font:14px sans-serif';
    message = made('p', panel, words.colab);
    message.setAttribute('role', 'status');
    buttons = {};
    for (const name of ['start', 'stop', 'reset']) {
      buttons[name] = made('button', panel, words[name]);
      buttons[name].style.cssText = 'font:inherit;margin:0 .5em .5em 0;padding:.3em .8em';
      buttons[name].onclick = () => pressed.add(name);
    }
    text = made('div', panel);
    const row = made('div', panel);
    row.style.cssText = 'display:flex;flex-wrap:wrap;gap:1em';
    seen = made('canvas', row);
    seen.style.cssText = 'width:320px;max-width:100%;transform:scaleX(-1)'; // a mirror, for eyes only
    seen.setAttribute('role', 'img');
    seen.hidden = true;
    video = made('video', panel); // there, because some browsers play no others, and not to be seen
    video.muted = video.playsInline = video.ariaHidden = true;
    video.style.cssText = 'position:absolute;width:1px;height:1px;opacity:0;pointer-events:none';
    letters = made('div', row);
    grow();
  };

  // Colab shows a cell's output in a frame of its own.
  const grow = () => window.google?.colab?.output?.setIframeHeight(document.documentElement.scrollHeight, true);

  const until = async (ready, ms) => {
    for (const end = performance.now() + ms; !ready() && performance.now() < end;) {
      await new Promise((go) => setTimeout(go, 20));
    }
    return ready();
  };

  // Returns {} when pictures come, or why none do: 'unasked', or what the browser calls it.
  const start = async (patience) => {
    if (!await until(() => pressed.has('start'), patience)) return {reason: 'unasked'};
    pressed.clear();
    try {
      stream = await navigator.mediaDevices.getUserMedia({video: {width: 480, facingMode: 'user'}});
      if (stopped) return stop(words.stopped); // the question was answered too late
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      return {reason: error.name};
    }
    message.textContent = words.sending;
    buttons.start.disabled = true;
    const small = document.createElement('canvas');
    asked = performance.now();
    timer = setInterval(() => {
      if (performance.now() - asked > ALONE) {
        pressed.add('stop');
        return stop(words.stopped);
      }
      [small.width, small.height] = [480, Math.round(480 * video.videoHeight / video.videoWidth)];
      small.getContext('2d').drawImage(video, 0, 0, small.width, small.height);
      frames.push([performance.now(), small.toDataURL('image/jpeg', 0.8)]);
      frames = frames.slice(-KEPT);
    }, EVERY);
    grow();
    return {};
  };

  // Shows what was read, and returns the pictures since the last time, and which buttons were pressed.
  const next = async (told) => {
    asked = performance.now();
    letters.innerHTML = told.letters;
    text.innerHTML = told.text;
    await draw(told);
    await until(() => frames.length || pressed.size, 2000);
    const answer = {frames, pressed: [...pressed]};
    frames.forEach(([time, picture]) => sent.set(time, picture));
    frames = [];
    pressed.clear();
    return answer;
  };

  const draw = async ({time, hand, alt}) => {
    if (!sent.has(time)) return;
    const read = new Image();
    read.src = sent.get(time);
    sent.clear(); // all that was sent is read by now
    await read.decode();
    [seen.width, seen.height, seen.hidden] = [read.width, read.height, false];
    seen.setAttribute('aria-label', alt);
    const pen = seen.getContext('2d');
    pen.drawImage(read, 0, 0);
    pen.strokeStyle = '#ffb000';
    pen.lineWidth = seen.width / 160;
    for (const chain of hand ? chains : []) {
      pen.beginPath();
      for (const i of chain) pen.lineTo(hand[i][0] * seen.width, hand[i][1] * seen.height);
      pen.stroke();
    }
    grow();
  };

  const stop = (said) => {
    stopped = true;
    clearInterval(timer);
    stream?.getTracks().forEach((track) => track.stop());
    seen.hidden = true;
    for (const button of Object.values(buttons)) button.disabled = true;
    message.textContent = said;
    grow();
  };

  return {open, start, next, stop};
})();
