"""`strm live build`: everything that the page needs to read a hand by itself, in one folder of plain files.

What is written by hand stands in book/_static/live; the rest is made here: the weights as numbers, the
detector's nets out of the MediaPipe wheel, its program from npm, a recorded word, a picture of each letter.
"""

import hashlib
import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from strm import book_vendor
from strm.bundle import WEIGHTS, Bundle, load
from strm.data import COORDINATES, read_table
from strm.files import UserError, replacing
from strm.handmodel import model_bundle
from strm.landmarks import Hand, HandDetector
from strm.studio.ship import FOLDER, KEPT

SOURCE = Path(__file__).parents[1] / "book" / "_static" / "live"
MODEL_FILE, WEIGHTS_FILE, LIST_FILE = "model.json", "weights.bin", "files.json"
DETECTOR = "vendor"  # the folder of MediaPipe's program and nets
WORD = "JAZZ"  # a film of data/studio
HELD, HELD_MS, GAP_MS = (30, 95, 145), 1500.0, 1000.0  # frames of it, in the middle of its strokes
COLUMNS, QUALITY = 12, 80  # of the picture that holds all frames


def run(out_dir: str | Path = "outputs/live") -> None:
    """Do what `strm live build` does."""
    build(Path(out_dir))
    size = sum(path.stat().st_size for path in Path(out_dir).rglob("*") if path.is_file())
    print(f"Built {Path(out_dir) / 'index.html'}: {size / 1e6:.0f} MB, a page that needs no other computer.")


def build(out: Path, source: Path = SOURCE) -> None:
    """Fill a folder whose index.html needs no file from elsewhere to read hands, nor has play.html.

    Raises UserError where npm cannot be reached and its archive is not in the cache.
    """
    if not (source / "index.html").exists():
        raise UserError("The live page is not here: run `strm live build` in a clone of the repository.")
    shutil.copytree(source, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("vendor.json"))
    write_model(load(WEIGHTS), out)
    book_vendor.unpack(source / "vendor.json", out / DETECTOR)
    with replacing(out / DETECTOR / "hand_landmarker.task") as path:
        path.write_bytes(model_bundle())
    _write_licences(out / DETECTOR)
    write_clips(out / "clip")
    write_hands(out / "hands.json")
    shutil.copytree(FOLDER / "stills", out / "letters", dirs_exist_ok=True)
    _write_list(out)


def write_model(bundle: Bundle, folder: str | Path) -> None:
    """Write a bundle as model.json, with its configuration, and weights.bin: float32, little-endian.

    model.json tells where in the file each tensor of the state dict begins and how many numbers it has.
    """
    tensors, parts, begins = {}, [], 0
    for name, value in bundle.model.state_dict().items():
        numbers = value.detach().cpu().numpy().astype("<f4").ravel()
        tensors[name] = [begins, len(numbers)]
        parts.append(numbers)
        begins += len(numbers)
    kept = ("class_names", "fps", "alphabet", "preprocessing", "n_latent", "T_deep", "weights_sha256")
    config = {key: bundle.config[key] for key in kept if key in bundle.config}
    description = {"config": config, "weights": WEIGHTS_FILE, "tensors": tensors}
    with replacing(Path(folder) / WEIGHTS_FILE) as path:
        path.write_bytes(np.concatenate(parts).tobytes())
    _write_json(Path(folder) / MODEL_FILE, description)


def write_clips(folder: Path) -> None:
    """Write the recorded word and its poses held still: one picture of all frames, and what is in them.

    The detector has looked at them here, so that a reader without a camera need not load it.
    """
    images, hands, fps = _film(FOLDER / f"{WORD}.mp4")
    height, width = images[0].shape[:2]
    rows = -(-len(images) // COLUMNS)
    sheet = np.zeros((rows * height, COLUMNS * width, 3), np.uint8)
    for i, image in enumerate(images):
        y, x = i // COLUMNS * height, i % COLUMNS * width
        sheet[y : y + height, x : x + width] = image
    ok, coded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert ok
    with replacing(folder / "frames.jpg") as path:
        path.write_bytes(coded.tobytes())
    word = [_frame(1000 * i / fps, i, hand) for i, hand in enumerate(hands)]
    held, start = [], 0.0
    for i in HELD:
        times = np.arange(0, HELD_MS, 1000 / fps)
        held += [_frame(start + t, i, hands[i]) for t in times.tolist()]
        start += HELD_MS
        held += [_frame(start + t, None, None) for t in (0.0, GAP_MS - 1)]
        start += GAP_MS
    sheet_of = {"file": "frames.jpg", "columns": COLUMNS, "width": width, "height": height}
    clips = {"word": {"text": WORD, "frames": word}, "held": {"text": "", "frames": held}}
    _write_json(folder / "clips.json", {"sheet": sheet_of, "clips": clips})


def write_hands(path: Path) -> None:
    """Write one photo's landmarks of each letter, by drawn people whom no training saw, for figures."""
    photos = read_table(FOLDER / "photos.csv.gz")
    judges = photos[photos["signer"].str.startswith(KEPT)]
    hands = []
    for letter, rows in judges.groupby("label"):
        row = rows.iloc[len(rows) // 2]
        points = [round(float(v), 6) for v in row[COORDINATES]]
        size = {"width": int(row["width"]), "height": int(row["height"])}
        hands.append({"letter": letter, "points": points, **size, "side": row["handedness"]})
    _write_json(path, hands)


def _film(path: Path) -> tuple[list[np.ndarray], list[Hand | None], float]:
    """Return a video's pictures, what the detector finds in each, and its frames a second."""
    video = cv2.VideoCapture(str(path))
    fps = video.get(cv2.CAP_PROP_FPS)
    images: list[np.ndarray] = []
    hands: list[Hand | None] = []
    with HandDetector(video=True) as detector:
        while True:
            more, image = video.read()
            if not more:
                return images, hands, fps
            rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            hands.append(detector.detect(rgb, 1000 * len(images) / fps))
            images.append(image)


def _frame(t_ms: float, picture: int | None, hand: Hand | None) -> dict[str, Any]:
    plain = None
    if hand is not None:
        points = [round(float(v), 6) for v in hand.points.ravel()]
        plain = {"points": points, "width": hand.width, "height": hand.height, "side": hand.handedness}
    return {"t": round(t_ms, 3), "frame": picture, "hand": plain}


def _write_licences(folder: Path) -> None:
    """Put the licence that MediaPipe's wheel carries beside what was taken out of it; npm's has none."""
    files = metadata.files("mediapipe") or []
    text = next((file.read_text() for file in files if file.name.upper().startswith("LICENSE")), "")
    notice = (
        "hand_landmarker.task (models) and @mediapipe/tasks-vision: Copyright The MediaPipe Authors, "
        "Apache License 2.0.\n\n"
    )
    with replacing(folder / "LICENSE-mediapipe.txt") as path:
        path.write_text(notice + text, encoding="utf-8")


def _write_list(out: Path) -> None:
    """List what the service worker keeps at once, under a name that changes with any file.

    The detector is not among it: who only reads the book need not load so much.
    """
    paths = sorted(path for path in out.rglob("*") if path.is_file() and path.name != LIST_FILE)
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(out).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    names = [path.relative_to(out).as_posix() for path in paths if path.name != "worker.js"]
    light = [name for name in names if not name.startswith(f"{DETECTOR}/")]
    _write_json(out / LIST_FILE, {"version": total.hexdigest()[:16], "files": ["./", *light]})


def _write_json(path: Path, what: dict[str, Any] | list[dict[str, Any]]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(what, ensure_ascii=False) + "\n", encoding="utf-8")
