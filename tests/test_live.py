"""The page's recogniser, in JavaScript, is Python's: the same numbers, the same logits, the same text."""

import inspect
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from strm.bundle import WEIGHTS, Bundle, load
from strm.data import read_table
from strm.landmarks import Hand, motion_features, right_handed
from strm.live import write_model
from strm.stream import Recognizer
from strm.studio.ship import FOLDER

LIVE = Path(__file__).parents[1] / "book" / "_static" / "live"
NODE = shutil.which("node")
WORDS = ("ELJXB", "DZL", "MCJ")  # the last by a left hand
SCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
const [, , library, folder, task] = process.argv;
const { DEFAULTS, Recognizer, makeModel } = await import(library);
const description = JSON.parse(readFileSync(`${folder}/model.json`, "utf8"));
const bytes = readFileSync(`${folder}/weights.bin`);
const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const model = makeModel(description, own);
const { streams, options } = JSON.parse(readFileSync(task, "utf8"));
const read = (frames) => {
  const recognizer = new Recognizer(model, options);
  return frames.map(({ hand, t }) => {
    const { letter, confidence, committed, replaced, text, top3, thought } = recognizer.step(hand, t);
    const inside = thought && { x: [...thought.x], logits: [...thought.logits], gate: [...thought.gates.z],
                                y: [...thought.state.y], answers: thought.answers.map((a) => [...a]) };
    return { letter, confidence, committed, replaced, text, top3, inside };
  });
};
writeFileSync(`${folder}/out.json`, JSON.stringify({ defaults: DEFAULTS, streams: streams.map(read) }));
"""
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed: the page's code was not run")


def frames_of(rows, every: int = 1) -> list[tuple[Hand | None, float]]:
    """A clip's frames as a camera would give them, with a gap of a second where the table has none."""
    out = []
    for _, row in rows.sort_values("t_ms").iloc[::every].iterrows():
        points = row[[f"{axis}{i}" for i in range(21) for axis in "xyz"]].to_numpy(np.float32).reshape(21, 3)
        hand = Hand(points, row["handedness"], 1.0, int(row["width"]), int(row["height"]))
        out.append((hand, float(row["t_ms"])))
    return out


def in_javascript(bundle: Bundle, streams: list, folder: Path, **options) -> dict:
    write_model(bundle, folder)

    def plain(hand: Hand | None):
        if hand is None:
            return None
        points = hand.points.astype(float).ravel().tolist()
        return {"points": points, "width": hand.width, "height": hand.height, "side": hand.handedness}

    task = {"options": options, "streams": [[{"hand": plain(h), "t": t} for h, t in s] for s in streams]}
    (folder / "task.json").write_text(json.dumps(task), "utf-8")
    (folder / "run.mjs").write_text(SCRIPT, "utf-8")
    command = [NODE, folder / "run.mjs", (LIVE / "strm.mjs").as_uri(), folder, folder / "task.json"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "out.json").read_text("utf-8"))


def read_by_both(bundle: Bundle, streams: list, folder: Path, **options) -> list[str]:
    """Read streams in Python and in JavaScript, and see that they say the same; return the texts."""
    told = in_javascript(bundle, streams, folder, **options)
    texts = []
    for frames, seen in zip(streams, told["streams"], strict=True):
        recognizer = Recognizer(bundle, **options)
        for (hand, t), page in zip(frames, seen, strict=True):
            reading = recognizer.step(hand, t)
            assert (page["committed"], page["replaced"]) == (reading.committed, reading.replaced)
            assert (page["letter"], page["text"]) == (reading.letter, reading.text)
            assert page["confidence"] == pytest.approx(reading.confidence, abs=1e-4)
            assert [top["letter"] for top in page["top3"]] == [letter for letter, _ in reading.top3]
        texts.append(recognizer.text)
    return texts


@pytest.fixture(scope="module")
def streams() -> list:
    """Words of drawn people: at the camera's pace and at half of it, a lost hand, a left hand, a pause."""
    words = read_table(FOLDER / "words.csv.gz", words=True)
    of = {word: words[words["label"] == word] for word in WORDS}
    right, z, left = (frames_of(rows) for rows in of.values())
    lost = [(None if 20 <= i < 23 else hand, t) for i, (hand, t) in enumerate(right)]
    later = right[-1][1] + 1500
    return [right, z, left, right[::2], lost, [*right, *((hand, t + later) for hand, t in left)]]


@needs_node
@pytest.mark.parametrize("stateful", [True, False])
def test_frame_by_frame_the_page_reads_what_python_reads(streams, stateful, tmp_path):
    texts = read_by_both(load(WEIGHTS), streams, tmp_path, stateful=stateful)
    assert (texts[:3] == [*WORDS]) == stateful, "the state writes J and Z, and without it they are lost"


@needs_node
def test_signs_that_edit_the_text_do_so_in_the_page_too(streams, tmp_path):
    """A data set may have signs for 'delete' and 'space': here two letters of the word stand for them."""
    bundle = load(WEIGHTS)
    signs = {"L": "space", "X": "del"}
    names = [signs.get(name, name) for name in bundle.class_names]
    text = read_by_both(Bundle(bundle.model, bundle.config | {"class_names": names}), streams[:1], tmp_path)
    assert text == ["E B"], "E, space, J, which is deleted, B"


@needs_node
def test_a_model_without_the_motion_slot_gets_none_in_the_page_either(streams, tmp_path):
    bundle = load(WEIGHTS)
    without = bundle.config["preprocessing"] | {"motion": False}
    bundle = Bundle(bundle.model, bundle.config | {"preprocessing": without})
    read_by_both(bundle, streams, tmp_path)
    seen = in_javascript(bundle, streams[:1], tmp_path)["streams"][0]
    assert all(frame["inside"]["x"][:3] == [0, 0, 0] for frame in seen)


@needs_node
def test_numbers_logits_gates_and_state_are_pythons(streams, tmp_path):
    bundle = load(WEIGHTS)
    # A camera at exactly the model's rate: every frame is a tick, and both sides can be followed.
    frames = [(hand, i * 1000 / 15) for i, (hand, _) in enumerate(streams[0])]
    (told,) = in_javascript(bundle, [frames], tmp_path)["streams"]
    state = motion = None
    for (hand, t), page in zip(frames, told, strict=True):
        points = right_handed(hand.points, hand.width, hand.height, hand.handedness)
        x, motion = motion_features(points, t, motion)
        before = bundle.model.initial_state(1) if state is None else state
        with torch.inference_mode():
            answers, state = bundle.model(
                torch.tensor(x)[None], state, return_all_outputs=True, return_state=True
            )
        inside = page["inside"]
        np.testing.assert_allclose(inside["x"], x, atol=1e-5)
        np.testing.assert_allclose(inside["answers"], torch.cat(answers), atol=1e-3)
        np.testing.assert_allclose(inside["y"], state[0][0], atol=1e-4)
        gate = np.array(inside["gate"])
        assert ((gate > 0) & (gate < 1)).all() and not torch.equal(before[1], state[1])


@needs_node
def test_both_sides_have_the_same_defaults(tmp_path):
    told = in_javascript(load(WEIGHTS), [], tmp_path)["defaults"]
    names = {"holdMs": "hold_ms", "movingHoldMs": "moving_hold_ms", "forgetMs": "forget_ms"}
    parameters = inspect.signature(Recognizer).parameters
    ours = {names.get(name, name): value for name, value in told.items()}
    assert ours == {name: parameters[name].default for name in ours}
