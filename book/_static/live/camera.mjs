// The camera and MediaPipe's hand detector, loaded only when somebody asks for them.

const VENDOR = new URL("vendor/", import.meta.url);
let loading = null;

// Loads the detector once, whoever asks; and anew where that failed.
function detector() {
  loading ??= load();
  loading.catch(() => (loading = null));
  return loading;
}

async function load() {
  const program = new URL("@mediapipe/tasks-vision/", VENDOR);
  const { HandLandmarker } = await import(new URL("vision_bundle.mjs", program));
  const wasm = {
    wasmLoaderPath: new URL("wasm/vision_wasm_internal.js", program).href,
    wasmBinaryPath: new URL("wasm/vision_wasm_internal.wasm", program).href,
  };
  const modelAssetPath = new URL("hand_landmarker.task", VENDOR).href;
  return HandLandmarker.createFromOptions(wasm, {
    baseOptions: { modelAssetPath, delegate: "CPU" },
    runningMode: "VIDEO",
    numHands: 1,
  });
}

// Why there is no picture, in words for the reader.
const TROUBLE = {
  NotAllowedError: "The camera may not be used: allow it for this page, or play the recorded word.",
  NotFoundError: "No camera was found. The recorded word plays instead.",
  NotReadableError: "Another program is using the camera: close it, or play the recorded word.",
};
export const NO_CAMERA = "NotFoundError";

const INSECURE =
  "Browsers lend the camera only to pages of https or of their own computer. The recorded word plays instead.";

export class CameraError extends Error {
  constructor(name, words = TROUBLE[name]) {
    super(words ?? "The camera did not start. The recorded word plays instead.");
    this.name = name;
  }
}

// Read the camera until `signal` is aborted, at whatever moment: onFrame({image, width, height, hand, t, ms}) for every
// picture. Throws CameraError, or Error where the detector could not be loaded.
export async function watch(video, onFrame, onEnd, signal) {
  if (!isSecureContext) throw new CameraError(NO_CAMERA, INSECURE);
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraError(NO_CAMERA);
  let stream;
  try {
    const size = { width: { ideal: 640 }, height: { ideal: 480 } };
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", ...size }, audio: false });
  } catch (error) {
    throw new CameraError(error.name);
  }
  const end = () => {
    stream.getTracks().forEach((track) => track.stop());
    if (video.srcObject === stream) video.srcObject = null;
  };
  signal.addEventListener("abort", end);
  if (signal.aborted) return end();
  let last = 0;
  try {
    const hands = await detector();
    if (signal.aborted) return;
    video.srcObject = stream;
    await video.play();
    const next = (look) =>
      video.requestVideoFrameCallback ? video.requestVideoFrameCallback(look) : requestAnimationFrame(look);
    const look = () => {
      if (signal.aborted) return;
      const t = Math.max(performance.now(), last + 1); // times must increase
      last = t;
      const { landmarks, handedness } = hands.detectForVideo(video, t);
      const [width, height] = [video.videoWidth, video.videoHeight];
      const hand = landmarks.length ? found(landmarks[0], handedness[0][0].categoryName, width, height) : null;
      onFrame({ image: video, width, height, hand, t, ms: performance.now() - t });
      next(look);
    };
    next(look);
    stream.getVideoTracks()[0].addEventListener("ended", () => signal.aborted || onEnd());
  } catch (error) {
    end();
    throw error;
  }
}

const found = (landmarks, side, width, height) => ({
  points: landmarks.flatMap(({ x, y, z }) => [x, y, z]),
  width,
  height,
  side,
});
