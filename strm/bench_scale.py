"""What large sets of hands would cost: rates measured here in CPU time, and a sum for each set on paper.

CPU seconds of one process count, of all its threads, not the clock's: so that a busy machine may be measured
on, and cores may be multiplied.
"""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from strm import timing
from strm.data import read_table
from strm.evaluate import one_thread
from strm.extract import extract_images, extract_videos
from strm.files import UserError
from strm.landmarks import FPS
from strm.onnx_model import need
from strm.pictures import read_picture
from strm.studio.album import save_picture
from strm.studio.ship import FOLDER, WORD
from strm.studio.takes import KINDS
from strm.train import METRICS_FILE, Settings
from strm.trainer import Trainer
from strm.trials import SHAPE

COPIES = 4  # of each photo that ships, and of the video
PEOPLE = 4  # drawn ones, to train on
SIDE = 200  # pixels, of an ASL Alphabet photo
ROWS = (10_000, 60_000)  # of two tables: what the second needs more is the rows'
DEPTHS = {"paper": {}, "shipped": SHAPE}
ALPHABET = {"photos": 87_000, "classes": 29, "people": 1}  # Kaggle: grassknoted/asl-alphabet
# Google's set, as its makers describe it (Georg and others, "FSboard", 2025, arXiv:2407.15806).
FINGERSPELLING = {"characters": 3_200_000, "people": 147, "hours": 266, "fps": 30}
HOUR = 3600


def cpu_seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def extraction(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of a photo, and of a sampled frame of a video, from file to row."""
    for path in sorted((FOLDER / "stills").glob("*.jpg")):
        picture = read_picture(path)
        assert picture is not None
        for copy in range(COPIES):
            save_picture(folder / "photos" / path.stem / f"{copy}.jpg", cv2.resize(picture, (SIDE, SIDE)))
    film = (FOLDER / f"{WORD}.mp4").read_bytes()
    (folder / "films").mkdir()
    for copy in range(COPIES):
        (folder / "films" / f"{WORD[0]}_{copy}.mp4").write_bytes(film)
    seen: dict[str, Any] = {}

    def photos() -> None:
        seen["photos"] = extract_images(folder / "photos", folder / "photos.csv")

    def videos() -> None:
        seen["videos"] = extract_videos(folder / "films", folder / "films.csv")

    with contextlib.redirect_stdout(io.StringIO()):
        spent = {"photo_s": cpu_seconds(photos), "frame_s": cpu_seconds(videos)}
    frames = seen["videos"].rows + seen["videos"].no_hand
    return {"photo_s": spent["photo_s"] / seen["photos"].files, "frame_s": spent["frame_s"] / frames}


def training(path: Path) -> dict[str, Any]:
    """Return, for each depth, the CPU seconds of a photo and of a stream's frame, the album beside it
    included, and the share of these that is the drawing of batches, which every process of a team does."""
    out: dict[str, Any] = {}
    table = read_table(path)
    for name, shape in DEPTHS.items():
        out[name] = {}
        for unit in ("photo", "frame"):
            settings = Settings(epochs=1, sequence_mode=unit == "frame", **shape)
            trainer = Trainer(table, settings, None)
            shown = trainer.steps * settings.batch_size * (settings.seq_len if unit == "frame" else 1)
            drawing = cpu_seconds(partial(_draw, trainer))
            whole = cpu_seconds(partial(trainer.epoch, 0, lambda loss: None))
            out[name] |= {f"{unit}_s": whole / shown, f"{unit}_drawing_share": drawing / whole}
    return out


def _draw(trainer: Trainer) -> None:
    """Draw an epoch's batches, and learn nothing from them."""
    rng, size = np.random.default_rng(0), trainer.settings.batch_size
    x, y, weights = trainer.lessons.epoch(rng)
    pages = None if trainer.album is None else trainer._photos(trainer.album, rng)
    for step in range(trainer.steps):
        batch = slice(step * size, (step + 1) * size)
        trainer.lesson((x[batch], y[batch], weights[batch]), rng)
        if pages is not None:
            trainer.lesson(next(pages), rng)


READING = """
import sys, time
from strm.data import read_table
from strm.trainer import Settings, Trainer
def most():
    return int(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))
start = time.process_time()
table = read_table(sys.argv[1])
print(time.process_time() - start, most())
Trainer(table, Settings(sequence_mode=True, per_letter=1), None)
print(most())
"""


def tables(folder: Path, clips: pd.DataFrame) -> dict[str, float] | str:
    """Return what a million rows take: as CSV, CPU seconds to read, memory when read and to train on."""
    if sys.platform != "linux":
        return "not measured: only Linux tells the most that a process had"
    seen = []
    for rows in ROWS:
        copies = [clips.assign(clip=clips["clip"] + f"#{n}") for n in range(1 + rows // len(clips))]
        path = folder / f"{rows}.csv"
        pd.concat(copies).head(rows).to_csv(path, index=False, float_format="%.5f")
        done = subprocess.run(
            [sys.executable, "-c", READING, path], capture_output=True, text=True, check=True
        )
        seen.append([path.stat().st_size, *map(float, done.stdout.split())])
    csv_bytes, seconds, read_kb, train_kb = ((np.array(seen[1]) - seen[0]) / (ROWS[1] - ROWS[0])).tolist()
    kb = 1024 / 1e9 * 1e6
    return {
        "csv_gb": csv_bytes / 1e9 * 1e6,
        "read_s": seconds * 1e6,
        "memory_gb": read_kb * kb,
        "training_memory_gb": train_kb * kb,
    }


def together(few: Path) -> dict[str, Any]:
    """Train alone, and with the same global batch in two processes under `accelerate launch`: return by how
    much the epochs' losses differ at most, as a share of them. Without dropout, which each process draws."""
    launch = "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no"
    launch += " --dynamo_backend no --main_process_port 0"
    out: dict[str, Any] = {"processes": 2, "epochs": 2}
    for name, flags in (("photos", []), ("streams", ["--sequence_mode", "--seq_len", "8"])):
        shape = ["--epochs", "2", "--dropout", "0", "--n_latent", "2", "--T_deep", "2"]
        train = ["strm", "train", "--csv", str(few), *shape, *flags]
        losses = []
        for how in ([], [*launch.split(), "-m"]):
            target = few.with_name(f"{name}{len(how)}")
            command = [sys.executable, "-m", *how, *train, "--out_dir", str(target)]
            subprocess.run(command, capture_output=True, check=True)
            history = json.loads((target / METRICS_FILE).read_text("utf-8"))["history"]
            losses.append([epoch["loss"] for epoch in history])
        alone, shared = np.array(losses)
        out[name] = {"loss": alone.tolist(), "largest_difference": float(np.abs(shared / alone - 1).max())}
    return out


def sums(rates: dict[str, Any]) -> dict[str, Any]:
    """Say what the two sets cost, by these rates."""
    million, train = rates["million_rows"], rates["training"]
    photos, some = ALPHABET["photos"], 400 * ALPHABET["classes"]
    frames = FINGERSPELLING["hours"] * HOUR * FINGERSPELLING["fps"]
    slow = FINGERSPELLING["hours"] * HOUR * FPS
    alphabet = ALPHABET | {
        "extraction_core_hours": photos * rates["extraction"]["photo_s"] / HOUR,
        "extraction_of_400_core_minutes": some * rates["extraction"]["photo_s"] / 60,
        "photos_of_400": some,
        "pass_core_minutes": {name: photos * each["photo_s"] / 60 for name, each in train.items()},
    }
    spelling = FINGERSPELLING | {
        "million_frames": frames / 1e6,
        "model_fps": FPS,
        "million_frames_at_model_fps": slow / 1e6,
        "pass_core_hours": {name: slow * each["frame_s"] / HOUR for name, each in train.items()},
        "extraction_core_hours": slow * rates["extraction"]["frame_s"] / HOUR,
    }
    if isinstance(million, dict):
        for of, rows in ((alphabet, photos), (spelling, frames)):
            of |= {key: value * rows / 1e6 for key, value in million.items() if key.endswith("_gb")}
            of["read_core_minutes"] = million["read_s"] * rows / 1e6 / 60
    return {"asl_alphabet": alphabet, "google_fingerspelling": spelling}


def measure() -> dict[str, Any]:
    """Do all of `strm bench --scale`, in some minutes."""
    photos, clips = (pd.read_csv(FOLDER / f"{kind}.csv.gz", keep_default_na=False) for kind in KINDS[:2])
    with one_thread(), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        few = folder / "few.csv"
        both = pd.concat([photos, clips])
        both[both["signer"].isin(both["signer"].unique()[:PEOPLE])].to_csv(few, index=False)
        rates = {
            "extraction": extraction(folder),
            "training": training(few),
            "million_rows": tables(folder, clips),
        }
        report = {"rates": rates, "sums": sums(rates), "two_processes": together(few)}
    return _rounded(report) | {"machine": timing.machine(threads=1)}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def run(as_json: bool, out: str | None) -> None:
    """Do what `strm bench --scale` does."""
    need("accelerate")
    if not FOLDER.is_dir():
        raise UserError(f"There is no {FOLDER} to measure on: run this in a clone of the book's repository.")
    report = measure()
    if timing.tell(report, as_json, out):
        return
    for part in ("rates", "sums", "two_processes"):
        for name, figures in report[part].items():
            print(f"{name}: {json.dumps(figures)}")
