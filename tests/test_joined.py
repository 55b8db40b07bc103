"""Words joined from clips: the letters in their order, one size, no jumps, and traps that move nothing."""

import ast
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
from made_up import pose, still_path

import strm
from strm.alphabet import ASL
from strm.augment import rotation, turn
from strm.data import Clip
from strm.files import UserError
from strm.joined import WORDS, _way, joined
from strm.landmarks import FPS, KNUCKLES

SEED = 3
PACKAGE = Path(strm.__file__).parent


def shape_of(label: str) -> np.ndarray:
    """A hand of its own for every letter, in pixels."""
    return pose(label) * 400


def held(label: str, person: str = "anna", size: float = 1.0) -> Clip:
    sway = np.concatenate([still_path(20), np.zeros((20, 1))], 1)[:, None] * 100
    return Clip(label, person, "made", f"{person}/{label}", (shape_of(label) + sway) * size)


def stroke(label: str, person: str = "anna", waits: int = 10, down: float = 150) -> Clip:
    """After a wait the hand goes down and turns on its side, then waits again."""
    u = np.clip((np.arange(30) - waits) / 8, 0, 1)
    x = turn(np.repeat(shape_of(label)[None], 30, 0), rotation(2, 1.2 * u))
    return Clip(label, person, "made", f"{person}/{label}", x + u[:, None, None] * [0, down, 0])


def signer(letters: str, person: str = "anna", size: float = 1.0) -> list[Clip]:
    return [stroke(c, person) if c in ASL.moving else held(c, person, size) for c in letters]


EVERYTHING = "".join(ASL.letters)


def words(*spelt: str, trapped: float = 0.0, seed: int = SEED):
    return joined(signer(EVERYTHING), [], spelt, np.random.default_rng(seed), trapped)


def palm(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[:, KNUCKLES] - x[:, :1], axis=-1).mean(-1)


def letters_of(x: np.ndarray) -> str:
    """Read a stream by its shapes alone: what is nearest for three frames or more, each change once."""
    known = {label: relative(shape_of(label)[None])[0] for label in ASL.letters}
    frames = relative(x)
    near = [min(known, key=lambda label, f=f: np.linalg.norm(known[label] - f)) for f in frames]
    far = [np.linalg.norm(known[label] - f) for label, f in zip(near, frames, strict=True)]
    seen = [label if d < 0.8 else "" for label, d in zip(near, far, strict=True)]
    return "".join(label for label, run in groupby(seen) if label and len(list(run)) >= 3)


def relative(x: np.ndarray) -> np.ndarray:
    return (x - x[:, :1]) / palm(x)[:, None, None]


@pytest.mark.parametrize("word", ["BACK", "FLOWER", "QUICK"])
@pytest.mark.parametrize("seed", range(3))
def test_the_letters_stand_in_their_order(word, seed):
    (one,) = words(word, seed=seed)
    assert letters_of(one.hands) == word
    assert one.word == word and one.person == "anna" and one.accepted == (word,)


def test_a_seed_decides_everything():
    one, same, other = words("JAZZ"), words("JAZZ"), words("JAZZ", seed=SEED + 1)
    assert np.array_equal(one[0].hands, same[0].hands)
    assert one[0].hands.shape != other[0].hands.shape or not np.allclose(one[0].hands, other[0].hands)


def test_what_the_signer_lacks_comes_from_others_and_has_the_signers_size():
    others = signer("CK", "bob", size=3.0)
    (one,) = joined(signer("AB"), others, ["BACK"], np.random.default_rng(0), 0)
    assert letters_of(one.hands) == "BACK"
    sizes = palm(one.hands)
    assert sizes.min() > 90 and sizes.max() < 110, "a palm is 100 pixels, whoever signs"
    with pytest.raises(UserError, match="shows C"):
        joined(signer("AB"), [], ["BACK"], np.random.default_rng(0))


def test_no_join_is_faster_than_a_hand():
    """0.8 palms a frame on average, and gentle starts and stops make the middle 1.9 times as fast."""
    for one in words(*WORDS):
        assert np.linalg.norm(np.diff(one.hands[:, 0], axis=0), axis=-1).max() < 1.6 * 100
        assert one.hands.dtype == np.float32 and np.isfinite(one.hands).all()


def test_the_way_back_from_afar_takes_its_time():
    clips = [stroke("J", down=900), held("A")]
    for seed in range(5):
        (one,) = joined(clips, [], ["JA"], np.random.default_rng(seed), 0)
        back = -np.diff(one.hands[:, 0, 1]) / 100
        assert back.max() < 1.6


def test_letters_are_held_for_a_quarter_to_most_of_a_second():
    length = [len(one.hands) for one in words(*["AB"] * 40)]
    # Two letters of 4 to 12 frames, 2 to 6 between, 2 to 6 of rest.
    assert min(length) >= 12 and max(length) <= 36
    assert max(length) - min(length) > 12


def test_a_turned_hand_on_its_way_keeps_its_shape():
    """Points on straight lines would shrink a hand that turns: here it is the same hand at every moment."""
    a = shape_of("B")
    b = turn(a, rotation(2, np.array(2.0))) + np.array([300, 0, 0])
    way = _way(a, b, 5, np.zeros(3), np.random.default_rng(0))
    assert np.allclose(palm(way), palm(a[None]), rtol=1e-6)
    far = np.linalg.norm(way[:, 8] - way[:, 0], axis=-1)
    assert np.allclose(far, np.linalg.norm(a[8] - a[0]), rtol=1e-6)
    step = np.diff(np.concatenate([a[:1], way[:, 0], b[:1]])[:, 0])
    assert (step > 0).all() and step[0] < 0.3 * step[2] and step[-1] < 0.3 * step[2], "gently"


def test_one_shape_grows_into_the_other():
    a, b = shape_of("A"), shape_of("Y")
    way = _way(a, b, 6, np.zeros(3), np.random.default_rng(0))
    from_a, to_b = (np.linalg.norm(relative(way) - relative(x[None]), axis=(1, 2)) for x in (a, b))
    assert (np.diff(from_a) > 0).all() and (np.diff(to_b) < 0).all()
    assert from_a[0] < 0.2 * from_a[-1] and to_b[-1] < 0.2 * to_b[0]


def test_doubled_letters_are_told_by_a_movement_or_a_change_of_shape():
    for seed in range(20):
        (one,) = words("BB", seed=seed)
        x = one.hands / 100
        far = np.linalg.norm(x[:, 0, :2] - np.median(x[:, 0, :2], 0), axis=-1).max()
        bent = np.linalg.norm(relative(one.hands) - relative(one.hands[:1]), axis=(1, 2)).max()
        assert far > 0.4 or bent > 0.4, seed


def test_a_stroke_comes_whole_but_without_its_waits():
    for seed in range(10):
        (one,) = joined([stroke("J")], [], ["J"], np.random.default_rng(seed), 0)
        down = (one.hands[:, 0, 1] - one.hands[0, 0, 1]) / palm(one.hands)
        moving = np.abs(np.diff(down)) > 0.1
        assert down[-1] > 1, "the whole way"
        assert 1 <= np.argmax(moving) + 1 <= 5, "one to four frames before"


def test_a_movement_often_begins_with_its_still_letter():
    shown = [letters_of(one.hands)[:1] for one in words(*["JA"] * 20)]
    assert 10 <= shown.count("I") < 20


def test_a_trap_is_a_still_pose_of_a_movement_and_spells_nothing():
    traps = words(*["BACK"] * 20, trapped=1.0)
    for one in traps:
        assert one.kinds == ["other", "trap"]
        moving = next(m for m in ASL.moving if ASL.moving[m] in one.accepted[1])
        late = turn(relative(shape_of(moving)[None]), rotation(2, np.linspace(0.5, 1.2, 8)))
        like = np.linalg.norm(relative(one.hands)[:, None] - late, axis=(2, 3)).min(1) < 0.5
        assert 8 <= like.sum() <= 21, "half a second to a second, and what leads there"
        speed = np.linalg.norm(np.diff(one.hands[like][1:-1, 0, :2], axis=0), axis=-1) / 100
        assert np.median(speed) < 0.15, "it sways, no more"
    assert {one.accepted[1] for one in traps} >= {"BIACK", "BADCK"}, "the still letter is no error there"
    assert all(one.kinds == ["other"] for one in words(*["BACK"] * 20, trapped=0.0))


def test_no_trap_stands_beside_a_letter_that_it_looks_like():
    for one in words(*["DIZZY", "JAZZ", "KID"] * 5, trapped=1.0):
        if len(one.accepted) > 1:
            at = next(i for i, c in enumerate(one.word) if one.accepted[1][i] != c)
            assert not {*one.word[at - 1 : at + 1]} & {*"IJDZ"}
    assert not any(len(one.accepted) > 1 for one in words(*["JAZZ"] * 5, trapped=1.0)), "no place for one"


def test_a_stream_is_what_a_camera_would_give():
    (one,) = words("JAZZ")
    stream = one.stream()
    assert stream.word == "JAZZ" and np.allclose(np.diff(stream.t_ms), 1000 / FPS)
    assert np.array_equal(np.stack([hand.points for hand in stream.hands]), one.hands)


def test_the_words_are_about_movement_and_doubles():
    assert len(set(WORDS)) == len(WORDS) >= 60
    assert set("".join(WORDS)) == set(ASL.letters)
    text = "".join(WORDS)
    assert sum(text.count(c) for c in "IJDZ") / len(text) > 0.25
    assert sum(any(a == b for a, b in pairwise(w)) for w in WORDS) >= 15
    # A still letter right before the movement that begins with it: nobody could tell the two apart.
    assert not [w for w in WORDS for m, start in ASL.moving.items() if start + m in w]


def imported(module: Path, seen: set[Path]) -> set[Path]:
    """Which modules of the package a module loads when it is imported, and those in turn."""
    if module not in seen:
        seen.add(module)
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "strm":
                path = PACKAGE.joinpath(*node.module.split(".")[1:])
                for found in (path, *(path / name.name for name in node.names)):
                    for file in (found.with_suffix(".py"), found / "__init__.py"):
                        if file.is_file():
                            imported(file, seen)
    return seen


def test_no_training_uses_the_code_that_joins():
    """Nor does anything that a training uses: words that judge are made by code of their own."""
    joins = PACKAGE / "joined.py"
    assert joins in imported(PACKAGE / "strangers.py", set()), "whoever judges does"
    teachers = [PACKAGE / f"{name}.py" for name in ("train", "trainer", "curriculum", "moving", "variants")]
    for path in [*teachers, *(PACKAGE / "studio").glob("*.py")]:
        assert joins not in imported(path, set()), path.name
