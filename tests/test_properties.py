"""Whatever comes in, what comes out is right, or one sentence that says why not, by Hypothesis."""

import csv
import io
import json
import os
import string

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from made_up import clip, pose, still_path

from strm import checkpoint
from strm.alphabet import ASL
from strm.bundle import CONFIG_FILE, WEIGHTS_FILE, Bundle, describe, load
from strm.data import COORDINATES, TEXT, clips, hands, photo_features, read_table
from strm.extract import COLUMNS, FORMULA, harmless
from strm.files import UserError, visible
from strm.landmarks import FARTHEST, Hand, normalise, right_handed
from strm.model import TRM
from strm.parts import read_part, write_part
from strm.pictures import find
from strm.recorder import Recorder
from strm.stream import Recognizer
from strm.suggest import suggestions

# In CI the same examples every time; elsewhere others in every run, and the line that repeats a failure.
usual = settings(
    deadline=None,
    max_examples=int(os.environ.get("STRM_EXAMPLES", "30")),  # `pytest -m long` asks for many more
    print_blob=True,
    derandomize=bool(os.environ.get("STRM_CI")),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
anything = st.text(st.characters(), max_size=30)  # lone surrogates and control characters too
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=10,
)
shares = st.floats(-2, 3, width=32)


def sentence(error: Exception) -> str:
    """What a UserError says, if it is one sentence that can be printed."""
    said = str(error)
    note(said)
    assert said and said.isprintable() and said.rstrip()[-1] in ".)", said
    return said


@st.composite
def hand_points(draw, unusual: bool = False) -> np.ndarray:
    """A hand that somebody could have, anywhere in the picture, or with `unusual` any 63 numbers."""
    if unusual:
        number = st.floats(width=32) | st.sampled_from([0.0, 1.0, 1e-30, 1e30, float("nan"), float("inf")])
        return np.array(draw(st.lists(number, min_size=63, max_size=63)), np.float32).reshape(21, 3)
    base = pose(draw(st.sampled_from(ASL.letters)), draw(st.integers(0, 5)))
    moved = base * draw(st.floats(0.1, 1.5)) + np.array([draw(shares), draw(shares), 0])
    return moved.astype(np.float32)


# --- tables


@st.composite
def tables(draw) -> pd.DataFrame:
    """A legal table, of clips and photos, with whatever names its owner likes."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        frames = draw(st.integers(1, 4))
        part = clip(draw(st.sampled_from(ASL.letters)), number, still_path(frames, number), f"c{number}")
        part["t_ms"] = np.cumsum([draw(st.floats(1e-3, 5000)) for _ in range(frames)])
        part["signer"], part["source"] = draw(names), draw(names)
        part["score"] = draw(st.floats(0, 1))
        part["handedness"] = draw(st.sampled_from(["Left", "Right"]))
        part[["width", "height"]] = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
        made.append(part)
    return pd.concat(made, ignore_index=True)


@usual
@given(tables(), st.booleans())
def test_a_table_that_was_written_is_read_as_it_is(tmp_path, table, packed):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    table.to_csv(path, index=False)
    back = read_table(path)
    for name in ("label", "signer", "clip", "handedness"):
        assert back[name].tolist() == table[name].tolist(), name
    assert back["source"].tolist() == [name or "t" for name in table["source"]], (
        "the file's name, if there is none"
    )
    for name in ("t_ms", "frame", "score", "width", "height", *COORDINATES):
        np.testing.assert_allclose(back[name], table[name], rtol=1e-12, atol=0, err_msg=name)
    assert np.isfinite(photo_features(back)).all() and len(clips(back)) == table["clip"].nunique()


cells = anything | st.sampled_from(
    [
        "",
        "nan",
        "-inf",
        "1e400",
        "1e-400",
        "0",
        "-0.0",
        "True",
        "1,5",
        '"',
        "'",
        "\r",
        "\0",
        "9" * 400,
        "0x10",
        "=1+1",
    ]
)


@usual
@given(tables(), st.data())
def test_a_table_with_any_cell_is_read_or_refused_in_a_sentence(tmp_path, table, data):
    table = table.astype(object)
    for _ in range(data.draw(st.integers(1, 3))):
        column = data.draw(st.sampled_from([*table.columns]))
        table.loc[data.draw(st.integers(0, len(table) - 1)), column] = data.draw(cells)
    path = tmp_path / "t.csv"
    path.write_text(
        table.to_csv(index=False), "utf-8", errors="surrogateescape" if os.name != "nt" else "replace"
    )
    assert_read_or_refused(path)


@usual
@given(tables(), st.data())
def test_a_table_with_any_bytes_is_read_or_refused_in_a_sentence(tmp_path, table, data):
    content = bytearray(table.to_csv(index=False).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=12))
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert_read_or_refused(path)


def assert_read_or_refused(path):
    for words in (False, True):
        try:
            table = read_table(path, words=words)
            found = clips(table)
        except UserError as error:
            sentence(error)
            continue
        assert len(table) and np.isfinite(hands(table)).all() and np.isfinite(photo_features(table)).all()
        assert all(np.isfinite(one.hands).all() and len(one.hands) for one in found)
        assert set(table["handedness"]) <= {"Left", "Right"} and (table["clip"] != "").all()
        assert words or set(table["label"]) <= {*ASL.letters, *ASL.extras}


# --- landmarks


@usual
@given(hand_points(), shares, shares, st.floats(0.05, 20), st.sampled_from(["Left", "Right"]))
def test_a_photo_reads_the_same_wherever_the_hand_is_and_however_large(points, dx, dy, k, side):
    x, _ = normalise(points, 640, 480, side)
    moved, _ = normalise(points + np.array([dx, dy, 0]), 640, 480, side)
    larger, _ = normalise(points, 640 * k, 480 * k, side)
    np.testing.assert_allclose(moved, x, atol=1e-3)
    np.testing.assert_allclose(larger, x, atol=1e-3)


@usual
@given(st.lists(hand_points(), min_size=1, max_size=5), st.data())
def test_a_left_hand_in_a_mirror_is_a_right_one_and_a_cut_stream_the_same_stream(frames, data):
    points = np.stack(frames)
    t = np.cumsum([data.draw(st.floats(0, 3000)) for _ in frames])
    x, state = normalise(points, 640, 480, "Right", t)
    mirrored = points * np.array([-1, 1, 1], np.float32) + np.array([1, 0, 0], np.float32)
    again, _ = normalise(mirrored, 640, 480, "Left", t)
    # The picture's width added and taken away again costs digits: single ones of a 7-digit number.
    np.testing.assert_allclose(again, x, atol=2e-3)
    cut = data.draw(st.integers(0, len(frames)))
    parts, kept = [], None
    for part in (slice(0, cut), slice(cut, None)):
        if len(points[part]):
            some, kept = normalise(points[part], 640, 480, "Right", t[part], kept)
            parts.append(some)
    np.testing.assert_array_equal(np.concatenate(parts), x)
    for ours, whole in zip(kept, state, strict=True):
        np.testing.assert_array_equal(ours, whole)


sizes = st.floats() | st.integers(-10, 10**40) | st.sampled_from([0, 1, 640])


@usual
@given(hand_points(True) | hand_points(), sizes, sizes, anything | st.just("Left"), st.floats() | st.none())
def test_any_numbers_are_a_hand_or_an_error(points, width, height, side, t_ms):
    try:
        x, state = normalise(points, float(width), float(height), side, t_ms)
    except (ValueError, OverflowError) as error:
        assert str(error)
        return
    assert x.shape == (63,) and np.isfinite(x).all() and (x.reshape(21, 3)[0] == 0).all()
    assert all(np.isfinite(part).all() for part in state)
    assert (np.abs(right_handed(points, width, height, side)) <= FARTHEST).all()


# --- the stream


def small(classes: list[str] | None = None, seed: int = 0, **sizes) -> Bundle:
    torch.manual_seed(seed)
    classes = classes or [*ASL.letters, *ASL.extras]
    shape = {"latent_dim": 8, "hidden_dim": 8, "n_latent": 1, "T_deep": 1} | sizes
    net = TRM(num_classes=len(classes), **shape).eval()
    with torch.no_grad():
        net.answer.weight *= 20  # sure of what it says, whatever it is
    return Bundle(net, describe(net, classes, 0.1, True, {}))


@pytest.fixture(scope="module")
def reader():
    return small()


@st.composite
def seen(draw) -> tuple[Hand | None, float]:
    """A frame, and the time since the last: mostly what a camera gives, now and then what none does."""
    kind = draw(st.sampled_from(["hand"] * 6 + ["none", "odd", "far"]))
    hand = None
    if kind != "none":
        points = draw(hand_points(kind == "odd"))
        width, height = (
            draw(st.sampled_from([640, 480, 0, -5, 10**9])) if kind == "far" else 640 for _ in "ab"
        )
        hand = Hand(points, draw(st.sampled_from(["Left", "Right"])), 0.9, width, height)
    jump = st.sampled_from([0.0, -1.0, 1e9, 1e15, 1e300, float("inf"), float("nan")])
    return hand, draw(st.floats(0, 200) | (jump if kind in ("odd", "far") else st.floats(0, 200)))


@usual
@given(st.lists(seen(), min_size=1, max_size=40))
def test_a_recogniser_outlives_any_stream(reader, frames):
    recognizer, now = Recognizer(reader, confidence=0.2, hold_ms=60, moving_hold_ms=30), 0.0
    for hand, dt in frames:
        before = recognizer.text
        try:
            reading = recognizer.step(hand, now + dt)
        except ValueError as error:
            assert str(error) and recognizer.text == before
            continue
        now += dt
        text = reading.text
        assert text == recognizer.text and 0 <= reading.confidence <= 1
        assert [p for _, p in reading.top3] == sorted((p for _, p in reading.top3), reverse=True)
        # A frame adds letters at the end, or takes the last back; what stood before them stays.
        assert text[: max(0, len(before) - 4)] == before[: max(0, len(before) - 4)]
        if reading.committed is None:
            assert text == before
        if recognizer._state is not None:
            assert all(part.shape == (1, 8) and torch.isfinite(part).all() for part in recognizer._state)
    # Whatever it was, a new stream is read as by a new recogniser.
    recognizer.reset()
    recognizer.clear()
    fresh = Recognizer(reader, confidence=0.2, hold_ms=60, moving_hold_ms=30)
    for i in range(12):
        hand = Hand(pose("A", i // 6).astype(np.float32), "Right", 1.0, 640, 480)
        assert recognizer.step(hand, 66.0 * i) == fresh.step(hand, 66.0 * i)


@usual
@given(anything | st.text(string.ascii_letters, max_size=10_000), st.sampled_from(["en", "fr", "none", ""]))
def test_any_word_has_a_few_suggestions_or_none(word, language):
    found = suggestions(word, language)
    assert len(found) <= 5 and all(
        other == other.upper() and abs(len(other) - len(word)) <= 1 for other in found
    )


# --- saved models, checkpoints, parts


@settings(usual, max_examples=12)
@given(st.data())
def test_any_legal_model_is_loaded_as_it_was_saved(tmp_path, data):
    classes = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
    labels = data.draw(st.lists(classes, min_size=1, max_size=30, unique=True))
    of = {name: data.draw(st.integers(1, 12)) for name in ("latent_dim", "hidden_dim", "n_latent", "T_deep")}
    bundle = small(labels, data.draw(st.integers(0, 99)), **of)
    bundle.config["dropout"] = data.draw(st.floats(0, 0.99))
    bundle.config["provenance"] = data.draw(st.dictionaries(names, any_json.filter(plain), max_size=3))
    bundle.save(tmp_path)
    back = load(tmp_path)
    assert back.config == bundle.config and back.class_names == labels
    for name, value in bundle.model.state_dict().items():
        assert torch.equal(back.model.state_dict()[name], value), name


def plain(value) -> bool:
    """Whether JSON and UTF-8 can keep it: NaN is not equal to itself, half a character is none."""
    try:
        return json.loads(json.dumps(value, ensure_ascii=False).encode()) == value
    except UnicodeEncodeError:
        return False


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    small(["A", "B"]).save(folder)
    return folder, json.loads((folder / CONFIG_FILE).read_text("utf-8")), (folder / WEIGHTS_FILE).read_bytes()


@usual
@given(st.data())
def test_any_configuration_is_used_or_refused_in_a_sentence(saved, data):
    folder, config, _ = saved
    changed = dict(config)
    for name in data.draw(st.lists(st.sampled_from([*config]), min_size=1, max_size=3)):
        old = config[name]
        inner = {}
        if isinstance(old, dict) and old and data.draw(st.booleans()):
            inner = old | {data.draw(st.sampled_from([*old])): data.draw(any_json)}
        changed[name] = inner or data.draw(any_json)
    (folder / CONFIG_FILE).write_text(json.dumps(changed), "utf-8")
    try:
        bundle = load(folder)
    except UserError as error:
        sentence(error)
        return
    reading = Recognizer(bundle, confidence=0).step(
        Hand(pose("A").astype(np.float32), "Right", 1, 640, 480), 0
    )
    assert all(name.isprintable() for name, _ in reading.top3) and 0 <= reading.confidence <= 1


@usual
@given(st.data())
def test_any_weights_are_used_or_refused_in_a_sentence(saved, data):
    import hashlib

    folder, config, weights = saved
    content = bytearray(weights)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    (folder / WEIGHTS_FILE).write_bytes(content)
    changed = config | {"weights_sha256": hashlib.sha256(content).hexdigest()}
    (folder / CONFIG_FILE).write_text(json.dumps(changed), "utf-8")
    try:
        bundle = load(folder)
    except UserError as error:
        sentence(error)
        return
    assert all(torch.isfinite(value).all() for value in bundle.model.state_dict().values())
    assert (folder / WEIGHTS_FILE).read_bytes() == content, "reading changes nothing"


@usual
@given(st.binary(max_size=60) | any_json.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_checkpoint_and_no_part_is_not_gone_on_with(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert checkpoint.load(path, "mark") is None
    found = read_part(path, len(COLUMNS))
    assert found is None or found == ([], [])


@usual
@given(
    st.lists(
        st.lists(anything | st.integers() | st.floats(allow_nan=False), min_size=3, max_size=3), max_size=4
    )
)
def test_a_part_is_read_as_it_was_written(tmp_path, rows):
    write_part(tmp_path / "part", rows, [])
    assert read_part(tmp_path / "part", 3) == (rows, [])


# --- names


@usual
@given(anything)
def test_any_label_is_a_class_or_refused_in_a_sentence(text):
    for meaning in (ASL.label, ASL.word):
        try:
            found = meaning(text)
        except UserError as error:
            sentence(error)
            continue
        assert meaning == ASL.word or found in (*ASL.letters, *ASL.extras)
        assert set(found) <= set(ASL.letters) or found in ASL.extras


file_names = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"] if os.name == "nt" else ["Cs"], exclude_characters='\0/\\:*?"<>|'
    ),
    min_size=1,
    max_size=20,
)


@usual
@given(st.lists(st.tuples(file_names, file_names, st.sampled_from([".mp4", ".JPG", ".txt", ""])), max_size=4))
def test_any_folder_is_listed_or_refused_in_a_sentence(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("names")
    for folder, name, suffix in files:
        try:
            (root / folder).mkdir(exist_ok=True)
            (root / folder / f"{name}{suffix}").touch()
        except (OSError, ValueError):  # not on this system
            assume(False)
    for videos in (False, True):
        try:
            items = find(root, videos)
        except UserError as error:
            sentence(error)
            continue
        assert items and all(
            (root / item.path).is_file() and item.label in ASL.letters + ASL.extras for item in items
        )
        assert len({item.clip for item in items}) == len(items)


@usual
@given(anything)
def test_what_is_shown_can_be_printed_and_what_is_written_is_no_formula(text):
    assert visible(text).isprintable() and (visible(text) == text or not text.isprintable())
    visible(text).encode("utf-8")
    written = harmless(text)
    assert not written.startswith(FORMULA) and (written.endswith(text) or not text.isprintable())
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerow([written, written])
    assert [*csv.reader(io.StringIO(table.getvalue(), newline=""))] == [[written, written]]


@usual
@given(st.lists(st.lists(anything, min_size=1, max_size=12), max_size=4), st.booleans(), st.data())
def test_any_recording_goes_on_or_is_refused_in_a_sentence(tmp_path, rows, headed, data):
    path = tmp_path / "mine.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[*COLUMNS], *rows] if headed else rows)
    content = text.getvalue().encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    try:
        recorder = Recorder(path, data.draw(names))
    except UserError as error:
        sentence(error)
        return
    recorder.begin("A")
    for i in range(3):
        recorder.take(Hand(pose("A").astype(np.float32), "Right", 0.9, 640, 480), 40.0 * i)
    recorder.end()
    assert path.read_bytes().startswith(content.rstrip(b"\n")), "what was there stays"
    kept = [*csv.reader(io.StringIO(path.read_text("utf-8"), newline=""))][-3:]
    assert all(row[0] == "A" and len(row) == len(COLUMNS) for row in kept)
    assert not any(cell.startswith(FORMULA) for row in kept for cell in row[: len(TEXT)])
