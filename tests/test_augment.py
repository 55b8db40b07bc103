"""Drawn, held, varied and spliced hands, and the balance of what one epoch shows."""

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import SIZE, clip, photos, pose, read, rows, still_path, stroke

import strm
from strm.alphabet import ASL
from strm.augment import drawn, hand_size, held, rotation, splice, turn, vary
from strm.curriculum import CLIP_REPEATS, CLIPS_PER_LETTER, PHOTO_REPEATS, STOPS, Curriculum
from strm.landmarks import motion_features
from strm.studio.poses import forms
from strm.studio.skeleton import joints, landmarks, random_shape

START = {path: ASL.moving[letter] for letter, path in ASL.paths.items()}  # the still letter of each stroke
TIP = {"hook": 20, "zigzag": 8}  # the little finger draws a hook, the index finger a zigzag


def rng(seed=0):
    return np.random.default_rng(seed)


def people_showing(letter, count=300):
    """Right hands [count, 21, 3] of different people."""
    pose, random = forms(letter)[0], rng(9)
    placed = [joints(pose.fingers, pose.thumb, random_shape(random)) for _ in range(count)]
    return np.stack([landmarks(one) for one in placed]) * [1, -1, -1]


def tips(path, point=None, frames=40):
    """The course [300, S, 2] of a fingertip that draws, in hand sizes from where it began."""
    hands = people_showing(START[path])
    x = drawn(hands, path, frames, rng(1))[:, :, TIP[path] if point is None else point, :2]
    return (x - x[:, :1]) / hand_size(hands)[:, 0, :, None]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_rotation_is_a_rotation(axis):
    angle = rng().uniform(-3, 3, (5, 7))
    matrix = rotation(axis, angle)
    assert matrix.shape == (5, 7, 3, 3)
    same = np.broadcast_to(np.eye(3), matrix.shape)
    np.testing.assert_allclose(matrix @ np.swapaxes(matrix, -1, -2), same, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(matrix), 1, atol=1e-6)
    np.testing.assert_allclose(matrix @ np.eye(3)[axis], same[..., axis], atol=1e-6, err_msg="its axis stays")
    np.testing.assert_allclose(np.trace(matrix, axis1=-2, axis2=-1), 1 + 2 * np.cos(angle), atol=1e-5)


def test_a_hand_turns_about_its_wrist():
    hands = people_showing("A", 4)
    turned = turn(hands, rotation(2, np.full(4, np.pi / 2)))
    np.testing.assert_allclose(turned[:, 0], hands[:, 0])
    np.testing.assert_allclose(hand_size(turned), hand_size(hands), rtol=1e-5)
    across = (turned - turned[:, :1])[..., 0], -(hands - hands[:, :1])[..., 1]
    np.testing.assert_allclose(*across, atol=1e-5, err_msg="what pointed up points right")


@pytest.mark.parametrize("frames", [1, 2, 3, 16])
def test_shapes(frames):
    hands = people_showing("A", 6)
    streams = [held(hands, frames, rng()), *(drawn(hands, path, frames, rng()) for path in START)]
    streams += [vary(x, rng()) for x in streams]
    for x in streams:
        assert x.shape == (6, frames, 21, 3) and x.dtype == np.float32 and np.isfinite(x).all()
    every = np.repeat(np.arange(6)[:, None], frames, 1)
    x, y, weights = splice(streams[0], every, np.ones((6, frames)), rng())
    assert x.shape == (6, frames, 21, 3) and y.shape == weights.shape == (6, frames)


def test_the_same_generator_draws_the_same():
    hands = people_showing("A", 5)
    for draw in (held, lambda h, s, r: drawn(h, "hook", s, r), lambda h, s, r: vary(held(h, s, r), r)):
        np.testing.assert_array_equal(draw(hands, 8, rng(3)), draw(hands, 8, rng(3)))
        assert not np.array_equal(draw(hands, 8, rng(3)), draw(hands, 8, rng(4)))


def test_an_unknown_stroke_is_an_error():
    with pytest.raises(ValueError, match="hook"):
        drawn(people_showing("A", 1), "spiral", 8, rng())


def test_a_zigzag_is_left_then_right_and_down_then_left():
    """As the camera sees a right hand: image-left is negative x, y counts downwards."""
    course = tips("zigzag")
    away = np.linalg.norm(course, axis=-1)
    stays = away[:, -1] > 0.6 * away.max(1)  # some bring the hand back afterwards; they are not asked
    assert 0.5 < stays.mean() < 0.95
    legs = []
    for one in course[stays]:
        rest = np.linalg.norm(one - one[-1], axis=-1)
        first = np.argmax(np.linalg.norm(one, axis=-1) > 0.12) - 1
        last = len(one) - np.argmax(rest[::-1] > 0.12)
        # A gentle start and stop: a third and two thirds of the way are at 0.387 and 0.613 of the time.
        when = first + np.array([0, 0.387, 0.613, 1]) * (last - first)
        corners = [np.interp(when, np.arange(len(one)), one[:, axis]) for axis in (0, 1)]
        legs.append(np.diff(corners))
    x, y = np.swapaxes(legs, 0, 1)
    for leg, to_the_right in enumerate([False, True, False]):
        assert ((x[:, leg] > 0) == to_the_right).mean() > 0.9
    assert (y[:, 1] > 0).mean() > 0.95 and np.median(y[:, 1]) > 2 * np.abs(
        np.median(y[:, [0, 2]], axis=0)
    ).max()


def test_a_hook_goes_down_and_then_right():
    course = tips("hook")
    end = course[:, -1]
    assert (end > 0).mean(0).min() > 0.85, "nearly all end below and to the right of where they began"
    first, last = [], []
    large = np.linalg.norm(course, axis=-1).max(1) > 0.3  # of a tiny hook no direction can be told
    assert large.mean() > 0.98
    for one in course[large]:
        begin = np.argmax(np.linalg.norm(one, axis=-1) > 0.15) - 1
        one = one[begin : len(one) - np.argmax(np.linalg.norm(one - one[-1], axis=-1)[::-1] > 0.15) + 1]
        way = np.append(0, np.linalg.norm(np.diff(one, axis=0), axis=-1).cumsum())
        at = [np.interp([0, 0.4, 0.6, 1], way / way[-1], one[:, axis]) for axis in (0, 1)]
        first.append(np.diff(at)[:, 0])
        last.append(np.diff(at)[:, 2])
    (right, down), (right_later, down_later) = np.median(first, axis=0), np.median(last, axis=0)
    assert down > 1.3 * right and right_later > 3 * abs(down_later)
    assert (np.array(first)[:, 1] > 0).mean() > 0.7 and (np.array(last)[:, 0] > 0).mean() > 0.8


@pytest.mark.parametrize(
    ("path", "width", "height", "length"), [("hook", 1.6, 1.7, 3.0), ("zigzag", 2.2, 1.9, 6.6)]
)
def test_what_recorded_people_draw_is_among_what_is_drawn(path, width, height, length):
    """Medians measured on recordings, in hand sizes, against the middle 80% of the drawn strokes."""
    course = tips(path)
    found = np.ptp(course[..., 0], axis=1), np.ptp(course[..., 1], axis=1)
    found = *found, np.linalg.norm(np.diff(course, axis=1), axis=-1).sum(1)
    for measured, values in zip((width, height, length), found, strict=True):
        low, high = np.percentile(values, [10, 90])
        assert low < measured < high


def test_the_wrist_carries_a_zigzag_more_than_a_hook():
    def share(path):
        return np.median(np.ptp(tips(path, point=0), axis=1).max(-1) / np.ptp(tips(path), axis=1).max(-1))

    assert 0.5 < share("zigzag") < 0.8, "55 to 75% was measured"
    assert share("hook") < 0.5, "the forearm turns instead"


def test_a_stroke_begins_with_a_pause_and_is_seen_whole():
    for path in START:
        course = tips(path, frames=60)
        waits = np.argmax(np.linalg.norm(course, axis=-1) > 0.15, axis=1)
        assert np.percentile(waits, 75) > 20 and np.percentile(waits, 25) < 20
        late = np.linalg.norm(course[:, -1] - course[:, -2], axis=-1)
        assert (late < 0.2).mean() > 0.9


def test_a_held_hand_drifts_less_than_a_stroke():
    hands = people_showing("A")
    x = held(hands, 16, rng(2))
    drift = np.ptp(x[:, :, 20, :2], axis=1).max(-1) / hand_size(hands)[:, 0, 0]
    assert 0.1 < np.median(drift) < 0.6 and np.percentile(drift, 95) < 1.5, "0.15 to 0.6 was measured"
    for path in START:
        assert np.median(np.ptp(tips(path), axis=1).max(-1)) > 3 * np.median(drift)
    assert drift.max() > 3 * drift.min(), "some hold still, some do not"


def test_varied_hands_differ_as_people_and_cameras_do():
    hands = np.repeat(people_showing("A", 1), 2000, 0)
    x = vary(hands[:, None], rng(4))[:, 0]
    flat = (x[..., 2] == 0).all(1)
    assert 0.25 < flat.mean() < 0.35, "z is hidden in some"
    up = x[:, 9, :2] - x[:, 0, :2]
    lean = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
    assert 10 < lean.std() < 20, "rolled by about 14 degrees"
    stretch = hand_size(x)[:, 0, 0] / hand_size(hands)[:, 0, 0]
    assert 0.05 < stretch.std() < 0.2
    numbers, _ = motion_features(x[:, None])
    assert np.isfinite(numbers).all()


def test_a_varied_stream_is_turned_as_one_and_warped_in_time():
    hands = people_showing("A", 400)
    # The wrist goes one hand size to the right.
    path = np.linspace(0, 1, 24)[None, :, None] * hand_size(hands)[:, :, 0, None]
    x = np.repeat(hands[:, None], 24, 1)
    x[..., 0] += path[..., 0][..., None]
    varied = vary(x, rng(5))
    away = np.linalg.norm(varied[:, :, 0] - varied[:, :1, 0], axis=-1) / hand_size(hands)[:, 0]
    assert away[:, -1].min() < 0.75 and np.median(away[:, -1]) > 0.8, "the slower ones have not arrived"
    arrived = np.argmax(away > 0.9 * away.max(1, keepdims=True), axis=1)
    assert arrived.min() <= 17 and arrived.max() >= 20, "the faster ones wait at the end"


def test_a_splice_teaches_to_let_go():
    """Two letters that never change: which of both a frame shows can be told."""
    batch, frames = 400, 16
    shapes = np.stack([people_showing("A", 1)[0], people_showing("B", 1)[0]])
    y = rng(6).integers(0, 2, batch)
    slow = rng(7).random(batch) < 0.5
    x = np.repeat(shapes[y][:, None], frames, 1)
    given = np.where(slow[:, None], np.linspace(0.1, 1, frames), 0.7)
    given[::50] = 0  # nothing to learn there
    out, labels, weights = splice(x, np.repeat(y[:, None], frames, 1), given, rng(8))
    relative = (out - out[:, :, :1]) / hand_size(out)
    own = (shapes - shapes[:, :1]) / hand_size(shapes)
    shown = np.linalg.norm(relative[:, :, None] - own, axis=(-1, -2)).argmin(-1)
    between = (weights == 0) & (given.min(1, keepdims=True) > 0)
    assert (shown == labels)[weights > 0].all(), "each frame that counts shows what it is called"
    assert (labels[:, -1] == y).all(), "a stream ends with its own letter"
    begun = labels != y[:, None]
    assert 0.15 < begun.any(1).mean() < 0.45, "0.6 are spliced, half of them with the same letter"
    assert begun.sum(1).max() <= frames // 2
    assert (np.diff(begun.astype(int), axis=1) <= 0).all(), "the other letter comes first, and only once"
    assert between.any() and np.median(between.sum(1)[between.any(1)]) <= 4
    assert set(np.unique(weights[begun])) == {0.0, np.float32(0.3)}
    # On the way lies between both letters, and comes right before the change.
    some = between.any(1) & begun.any(1)
    last = np.argmin(begun, axis=1)[some] - 1
    assert (weights[some, last] == 0).all()
    counts = given[:, 0] > 0
    assert (weights[~counts, -1] == 0).all(), "what did not count still does not"
    ends, slow = weights[counts, -1], slow[counts]
    np.testing.assert_array_equal(ends[~slow], np.float32(0.7))
    # A stroke that begins later has not come as far: its last frame counts less.
    late = (weights[counts] == np.float32(0.3)).any(1)
    assert ends[slow & late].max() < 1 == ends[slow].max()
    whole = np.flatnonzero((np.abs(weights - given) < 1e-6).all(1))
    assert 0.3 < len(whole) / batch < 0.5, "the others are left as they are"
    steps = np.linalg.norm(np.diff(out[:, :, 0], axis=1), axis=-1) / hand_size(out)[:, 1:, 0, 0]
    assert steps.max() < 2.5, "hands come from near by"


# What an epoch shows


def taught(tables, folder, frames=16, per_letter=6, seed=0):
    """One epoch: (classes, streams, the label of each)."""
    lessons = Curriculum(read(tables, folder), frames, per_letter)
    x, y, weights = lessons.epoch(rng(seed))
    assert np.isfinite(x).all() and x.shape[1:] == (frames, 21, 3) and y.shape == weights.shape == x.shape[:2]
    assert (y == y[:, :1]).all(), "a stream of the table is of one label"
    return lessons.classes, x, np.array(lessons.classes)[y[:, 0]]


def many(label, signer, count):
    """Photos whose middle fingertip's z says which photo of whom it is."""
    points = np.repeat(pose(label)[None], count, 0)
    points[:, 12, 2] = 0.1 * (1 + int(signer[1:])) + np.arange(count) * 1e-6
    return rows(points, label, signer=signer, frame=0, clip=[f"{signer}{label}{i}" for i in range(count)])


def test_ten_thousand_photos_teach_no_more_than_sixty(tmp_path):
    crowd = [many("A", "p0", 10_000), many("A", "p1", 60), many("A", "p2", 7), many("B", "p1", 60)]
    _, x, labels = taught(crowd, tmp_path, frames=1, per_letter=60)
    owner = np.round(x[:, 0, 12, 2] / SIZE * 10 - 1).astype(int)
    assert Counter(zip(labels, owner.tolist(), strict=True)) == {
        ("A", 0): 60,
        ("A", 1): 60,
        ("A", 2): 7 * PHOTO_REPEATS,
        ("B", 1): 60,
    }
    of_p1 = x[(owner == 1) & (labels == "A"), 0, 12, 2]
    assert len(np.unique(of_p1)) == 60, "who has sixty shows each once"
    of_p2 = Counter(x[owner == 2, 0, 12, 2].tolist())
    assert len(of_p2) == 7 and set(of_p2.values()) == {PHOTO_REPEATS}, (
        "who has seven is not shown over and over"
    )


def test_an_epoch_is_drawn_anew_and_the_same_generator_draws_the_same(tmp_path):
    for frames in (1, 8):
        lessons = Curriculum(read(photos("AIJ", 2, each=9), tmp_path), frames, 4)
        (x, y, _), (again, y2, _), (other, *_) = (lessons.epoch(rng(seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, y2)
        assert not np.array_equal(x, other)


def test_clips_are_balanced_too(tmp_path):
    crowd = [clip("A", 0, still_path(20, i), f"a{i}") for i in range(60)]
    crowd += [clip("A", 1, still_path(9), "one"), clip("B", 1, still_path(40), "two")]
    _, _, labels = taught(pd.concat(crowd), tmp_path)
    # Sixty clips fill the share of a person and letter; one of 9 frames and one of 40 do not.
    assert Counter(labels.tolist()) == {"A": CLIPS_PER_LETTER + CLIP_REPEATS, "B": 2 * CLIP_REPEATS}


def extent(x):
    """How far the fingertips move within a stream, in hand sizes."""
    return np.ptp(x[:, :, [8, 20], :2], axis=1).max((-1, -2)) / hand_size(x)[:, 0, 0, 0]


def test_strokes_move_and_their_still_poses_are_nothing_or_where_they_began(tmp_path):
    letters = [letter for letter in ASL.letters if letter in ASL.moving]
    crowd = photos([*"AB", *letters, *ASL.moving.values()], people=3, each=5)
    classes, x, labels = taught(crowd, tmp_path, per_letter=20)
    assert classes == ASL.order({"A", "B", *letters, *ASL.moving.values(), ASL.nothing})
    for letter in letters:
        moving, start = extent(x[labels == letter]), extent(x[labels == ASL.moving[letter]])
        assert np.median(moving) > 3 * np.median(start)
        assert np.percentile(moving, 3) > 0.35, "a still pose is no movement"
    assert np.percentile(extent(x[labels == ASL.nothing]), 80) < 0.8, "but for hands that wander"
    assert (labels == ASL.nothing).sum() > 20


def is_pose(x, label, people=3):
    """Which streams [N, S, 21, 3] begin with somebody's pose of this label."""
    relative = (x[:, 0] - x[:, 0, :1]) / hand_size(x[:, 0])
    own = np.stack([pose(label, person) for person in range(people)])
    own = (own - own[:, :1]) / hand_size(own)
    return (np.linalg.norm(relative[:, None] - own, axis=-1).mean(-1) < 0.12).any(1)


def test_a_photo_of_a_movement_is_never_a_still_letter(tmp_path):
    assert not is_pose(photos_x("I"), "J").any() and is_pose(photos_x("J"), "J").all(), (
        "they can be told apart"
    )
    _, x, labels = taught(photos("AIJ", people=3, each=5), tmp_path, per_letter=20)
    assert {*labels[is_pose(x, "J")]} == {"J", ASL.nothing}
    assert np.percentile(extent(x[labels == "J"]), 3) > 0.35, "held still it is nothing"
    _, x, labels = taught(photos("AIJ", people=3, each=5), tmp_path, frames=1)
    assert {*labels[is_pose(x, "J")]} == {"J"}, "a table of photos only says what it says"


def photos_x(label):
    return np.stack([pose(label, person) for person in range(3)])[:, None]


def test_a_filmed_stroke_comes_with_its_still_poses(tmp_path):
    films = [clip("J", person, stroke(18), f"j{person}{i}") for person in range(2) for i in range(4)]
    classes, x, labels = taught([pd.concat(films), photos("A", 2)], tmp_path)
    assert classes == ["A", "I", "J", "nothing"], "what it began with has a name, though nobody showed it"
    assert Counter(labels.tolist()) == {"A": 12, "J": 24, "I": 8, "nothing": 8 * STOPS}
    moves, wanders = extent(x[labels == "J"]), extent(x[labels == "I"])
    assert moves.min() > 0.7 and np.median(moves) > 1.3 * np.median(wanders), "held hands wander, but less"


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 16])
@pytest.mark.parametrize(
    "kind", ["photos", "clips", "both", "one person", "strokes only", "photos of strokes"]
)
def test_any_mixture_can_be_taught(tmp_path, kind, frames):
    films = [clip("A", p, still_path(2 + 9 * p), f"a{p}") for p in range(3)]
    strokes = [clip(letter, p, stroke(2 + 7 * p), f"{letter}{p}") for letter in "JZ" for p in range(3)]
    tables = {
        "photos": [photos("ABDIJZ", 2)],
        "clips": films + strokes,
        "both": [*films, *strokes, photos("BI", 2)],
        "one person": [photos("AI", 1)],
        "strokes only": strokes,
        "photos of strokes": [photos("JZ", 1, each=1)],
    }[kind]
    classes, _, labels = taught(tables, tmp_path, frames=frames, per_letter=1)
    assert {*labels} <= {*classes} and len({*labels}) >= 2
    if frames > 1:
        assert {*labels} == {*classes}, "there is something to learn of every class"


def test_the_code_names_letters_in_one_table_only():
    package = Path(strm.__file__).parent
    for path in package.rglob("*.py"):
        if path.name == "alphabet.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        placeholders = {
            id(word.value)
            for word in ast.walk(tree)
            if isinstance(word, ast.keyword) and word.arg == "metavar"
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in placeholders:
                assert node.value not in ASL.letters, f"{path.name}, line {node.lineno}: {node.value!r}"
