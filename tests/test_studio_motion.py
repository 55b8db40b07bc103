"""Hands that move: thumbs, fingertips, strokes as measured, and streams whose frames tell the truth."""

from dataclasses import replace

import numpy as np
import pytest

from strm.alphabet import ASL
from strm.files import UserError
from strm.studio import AVERAGE, Signer, random_signer
from strm.studio.complexion import skin
from strm.studio.fit import fit_hand, typical
from strm.studio.measure import Take, compare, fit
from strm.studio.noise import Noise, constants, fast, palm, seen, speed
from strm.studio.poses import forms, stray
from strm.studio.reach import between, swing, touch
from strm.studio.render import Camera, Look, render
from strm.studio.skeleton import joints, landmarks, limited, random_shape, rotation
from strm.studio.streams import PHASES, camera_for, facing, film, lesson, trace, word
from strm.studio.strokes import DRAWS, draw, gently, random_stroke, way

FRONT = Camera(np.eye(3), 45.0, 1 / 40, (0.5, 0.5))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def runs(labels) -> list[str]:
    """What is shown one after another: repeats only where something else came between."""
    return [label for i, label in enumerate(labels) if i == 0 or label != labels[i - 1]]


def test_many_hands_at_once_are_many_single_hands():
    rng = generator()
    fingers, thumbs, shape = (
        rng.uniform(-5, 95, (3, 2, 4, 4)),
        rng.uniform(-80, 60, (3, 2, 5)),
        random_shape(rng),
    )
    placed = joints(fingers, thumbs, shape)
    assert placed.shape == (3, 2, 5, 4, 3) and landmarks(placed).shape == (3, 2, 21, 3)
    for i in np.ndindex(3, 2):
        alone = joints(fingers[i], thumbs[i], shape)
        np.testing.assert_allclose(placed[i], alone, atol=1e-12)
        np.testing.assert_allclose(landmarks(placed)[i], landmarks(alone), atol=1e-12)
    np.testing.assert_allclose(rotation("x", [10.0, 50.0])[1], rotation("x", 50.0))


def test_the_table_keeps_within_what_joints_can_do_and_the_rest_is_held_back():
    for letter in ASL.still:
        for pose in forms(letter):
            fingers, thumb = limited(pose.fingers, pose.thumb)
            np.testing.assert_array_equal(fingers, pose.fingers)
            np.testing.assert_array_equal(thumb, pose.thumb)
    fingers, _ = limited(np.full((4, 4), 300.0), np.zeros(5))
    assert fingers.max() <= 120


@pytest.mark.parametrize("letter", ["E", "S", "F", "O", "D", "M"])
def test_a_strayed_thumb_keeps_its_contact(letter):
    """Its tip stays at its place on the finger within 3 mm; left alone, it would be off by a centimetre."""
    rng, pose = generator(2), forms(letter)[0]
    kept, left = [], []
    for _ in range(20):
        strayed, shape = stray(pose, rng), random_shape(rng)

        def gaps(fingers, thumb, shape):  # between the thumb's tip and each finger bone's middle line
            placed = joints(fingers, thumb, shape)
            points = np.linspace(placed[:4, :-1], placed[:4, 1:], 50)
            return np.linalg.norm(points - placed[4, 3], axis=-1).min(0)

        there = gaps(pose.fingers, pose.thumb, AVERAGE)
        met = np.unravel_index((there - AVERAGE.radii[:, 1:]).argmin(), there.shape)

        def miss(thumb, strayed=strayed, shape=shape, there=there, met=met, gaps=gaps):
            return abs(gaps(strayed.fingers, thumb, shape) - there)[met]

        thumb = touch(pose, strayed, shape)
        np.testing.assert_array_equal(limited(strayed.fingers, thumb)[1], thumb)
        kept.append(miss(thumb))
        left.append(miss(strayed.thumb))
    assert np.median(kept) < 0.3 and np.median(kept) < 0.5 * np.median(left)


@pytest.mark.parametrize("letter", ["L", "Y"])
def test_a_free_thumb_is_left_alone(letter):
    strayed = stray(forms(letter)[0], generator())
    assert touch(forms(letter)[0], strayed, AVERAGE) is strayed.thumb


def test_a_swing_brings_the_fingertip_before_its_target():
    rng = generator()
    tip = rng.normal([0, 14, 4], 2, (50, 3))
    target = tip[:, :2] + rng.normal(0, 2, (50, 2))
    target *= np.minimum(1, 0.97 * np.linalg.norm(tip, axis=1) / np.linalg.norm(target, axis=1))[:, None]
    turn = swing(tip, target)
    np.testing.assert_allclose((turn @ tip[..., None])[:, :2, 0], target, atol=1e-9)
    np.testing.assert_allclose(
        turn @ np.swapaxes(turn, 1, 2), np.broadcast_to(np.eye(3), turn.shape), atol=1e-9
    )
    # The hand is as long as it is, and turns no further than it may.
    far = swing(np.array([[0.0, 10.0, 0.0]]), np.array([[30.0, 0.0]]))
    np.testing.assert_allclose(far[0] @ [0, 10, 0], [9.8, 0, 2], atol=0.02)
    little = swing(np.array([[0.0, 10.0, 0.0]]), np.array([[30.0, 0.0]]), limit=30)
    np.testing.assert_allclose(np.degrees(np.arccos((np.trace(little[0]) - 1) / 2)), 30, atol=1e-6)


def test_turning_from_a_direction_to_itself_is_no_turn():
    up = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(between(up, up), np.eye(3))
    np.testing.assert_allclose(between(up, np.array([0.0, 0.0, 1.0])), rotation("x", 90), atol=1e-12)


def test_a_way_starts_and_stops_gently_at_its_ends():
    corners = np.array([[-1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
    path = way(corners, 0.3, np.linspace(0, 1, 1001))
    np.testing.assert_allclose(path[[0, -1]], [[0, 0], [-1, 1]], atol=1e-12)
    pace = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert max(pace[0], pace[-1]) < 1e-3 * pace.max()
    assert pace[100:-100].min() > 0.01 * pace.max(), "it rounds its corners instead of stopping there"
    np.testing.assert_allclose(gently(np.array([0, 0.5, 1])), [0, 0.5, 1])


def drawn(path: str, count: int = 200):
    """Strokes of many people, and of each the fingertip's and the wrist's way [60, 2] in hands, y down."""
    rng, u = generator(4), np.linspace(0, 1, 60)
    letter = next(letter for letter, kind in ASL.paths.items() if kind == path)
    out = []
    for _ in range(count):
        signer, stroke = random_signer(rng), random_stroke(path, rng)
        pose = signer.habit(ASL.moving[letter])
        fingers, turn, wrist = draw(stroke, u, pose.fingers, rotation("x", 15), signer.shape)
        tips = joints(fingers, np.zeros((60, 5)), signer.shape)[:, stroke.finger, 3]
        hand = np.linalg.norm(signer.shape.knuckles[1])
        tip = wrist + (turn @ tips[..., None])[:, :2, 0]
        out.append((stroke, (tip - tip[0]) * [1, -1] / hand, (wrist - wrist[0]) * [1, -1] / hand, turn))
    return out


@pytest.mark.parametrize("path", DRAWS)
def test_the_fingertip_is_on_its_path(path):
    u = np.linspace(0, 1, 60)
    for stroke, tip, *_ in drawn(path, 30):
        np.testing.assert_allclose(tip, way(stroke.corners, stroke.overlap, u), atol=1e-9)


def test_strokes_are_as_measured():
    """Medians of recorded people, in hands; the drawn ones lie within a fifth."""
    measured = {
        # width, height, seconds, the wrist's way over the fingertip's
        "hook": (1.6, 1.7, 0.45, 0.2),
        "zigzag": (2.2, 1.7, 0.65, 0.55),
    }
    for path, medians in measured.items():
        strokes = drawn(path)
        span = np.array([np.ptp(tip, axis=0) for _, tip, *_ in strokes])
        length = [[np.linalg.norm(np.diff(w, axis=0), axis=1).sum() for w in s[1:3]] for s in strokes]
        shares = [wrist / tip for tip, wrist in length]
        seconds = [stroke.seconds for stroke, *_ in strokes]
        got = np.median(np.column_stack([span, seconds, shares]), axis=0)
        np.testing.assert_allclose(got, medians, rtol=0.2)
        assert np.percentile(span[:, 0], 90) > 1.4 * np.percentile(span[:, 0], 10), "people differ"


def test_a_hook_ends_with_the_back_of_the_hand_and_a_zigzag_with_the_palm():
    palms = {path: np.array([turn[-1, 2, 2] for *_, turn in drawn(path)]) for path in DRAWS}
    assert np.mean(palms["hook"] < 0) > 0.6, "the forearm turns beyond edge-on"
    assert np.mean(palms["hook"] > 0.5) > 0.05, "a minority draws it with the arm and does not turn"
    assert np.mean(palms["zigzag"] > 0) > 0.95


def test_a_hook_goes_down_and_to_the_right_unless_it_is_mirrored():
    for seed in range(20):
        plain, mirrored = (random_stroke("hook", generator(seed), flip) for flip in (False, True))
        assert plain.corners[-1, 0] > 0 > mirrored.corners[-1, 0]
        assert plain.corners[:, 1].max() > 0.5
        assert mirrored.carried >= 0.6, "no forearm turns that far outwards"


@pytest.mark.parametrize("text", ["HELLO", "JAZZ", "dizzy", "Z", "IJ"])
def test_a_word_shows_its_letters_one_after_another(text):
    motion = word(text, random_signer(generator(1)), generator(2), fps=60)
    shown = []
    for letter in text.upper():
        shown += [ASL.nothing, ASL.moving[letter], letter] if letter in ASL.moving else [ASL.nothing, letter]
    assert runs(motion.labels) == [*shown, ASL.nothing]
    assert motion.phases[0] == "enter" and motion.phases[-1] == "leave" and set(motion.phases) <= set(PHASES)
    assert not motion.inside[0] and not motion.inside[-1] and motion.inside.mean() > 0.6
    for label, phase in zip(motion.labels, motion.phases, strict=True):
        assert (label == ASL.nothing) == (phase in ("enter", "transition", "leave"))
        assert phase not in ("stroke", "rest") or label in ASL.moving


@pytest.mark.parametrize("text", ["LL", "ZZ", "JJ"])
def test_a_doubled_letter_is_released_in_between(text):
    """The hand opens a little and goes somewhere else by more than it trembles; nothing else says 'twice'."""
    for seed in range(10):
        motion = word(text, random_signer(generator(seed)), generator(seed), fps=60)
        released = np.array(motion.phases) == "transition"
        held = np.nonzero(released)[0].max() + 1
        assert np.abs(motion.fingers[released] - motion.fingers[held]).max() > 5
        assert not {"enter", "leave"} & {motion.phases[i] for i in np.nonzero(released)[0]}


@pytest.mark.parametrize("text", ["", "A B", "NAÏVE", "A1"])
def test_what_is_no_word_is_a_mistake(text):
    with pytest.raises(UserError, match="A word is made of the letters A to Z"):
        word(text, random_signer(generator()), generator())


def test_the_same_seed_gives_the_same_motion_and_another_another():
    signer = random_signer(generator())
    one, same, other = (word("JIB", signer, generator(seed)) for seed in (1, 1, 2))
    assert (
        one.labels == same.labels and np.array_equal(one.at, same.at) and np.array_equal(one.turn, same.turn)
    )
    assert len(one) != len(other) or not np.array_equal(one.at, other.at)


def test_hurry_shortens_a_word():
    signer = random_signer(generator())
    slow, quick = (word("BIG", signer, generator(1), hurry=hurry).t_ms[-1] for hurry in (0.8, 2.0))
    assert quick < 0.8 * slow


def test_a_motion_has_no_jumps():
    """From frame to frame at 60 a second, no hand turns by more than 40 degrees or jumps by 10 cm."""
    for seed in range(10):
        motion = word("JAZQH", random_signer(generator(seed)), generator(seed), fps=60)
        turned = np.swapaxes(motion.turn[:-1], 1, 2) @ motion.turn[1:]
        angle = np.degrees(np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1)))
        assert angle.max() < 40 and np.linalg.norm(np.diff(motion.at, axis=0), axis=1).max() < 10
        np.testing.assert_allclose(
            motion.turn @ np.swapaxes(motion.turn, 1, 2),
            np.broadcast_to(np.eye(3), motion.turn.shape),
            atol=1e-9,
        )


def test_lessons_of_still_letters_hold_them():
    for seed, letter in enumerate(ASL.still):
        motion = lesson(letter, random_signer(generator(seed)), generator(seed))
        assert 0.7 < motion.t_ms[-1] / 1000 < 2.6
        assert set(motion.labels) <= {letter, ASL.nothing} and motion.labels[-1] == letter
        assert np.mean([label == letter for label in motion.labels]) > 0.4
        assert "stroke" not in motion.phases


@pytest.mark.parametrize("letter", ASL.moving)
def test_lessons_of_moving_letters_start_draw_and_rest(letter):
    for seed in range(10):
        motion = lesson(letter, random_signer(generator(seed)), generator(seed), fps=60)
        shown = [label for label in runs(motion.labels) if label != ASL.nothing]
        assert shown[:2] == [ASL.moving[letter], letter]
        assert set(shown[2:]) <= {letter}, "it may come back to where it began: then it has still drawn"
        assert motion.phases.index("stroke") < motion.phases.index("rest")


def test_the_poses_of_a_stroke_also_stand_still_and_are_nothing_then():
    """Minimal pairs: some lessons of 'nothing' show a hand turned as only a stroke turns it, at rest."""
    turned = 0
    for seed in range(40):
        motion = lesson(ASL.nothing, random_signer(generator(seed)), generator(seed))
        assert set(motion.labels) == {ASL.nothing} and "stroke" not in motion.phases
        held = np.array(motion.phases) == "hold"
        assert np.ptp(motion.fingers[held], axis=0).max() < 8, "it stands still"
        pointing = (motion.fingers[held][0, :, 0] < 60) & (motion.fingers[held][0, :, 2] < 25)
        turned += pointing.sum() == 1 and motion.turn[held][0, 1, 1] < 0.75
    assert turned >= 5


def test_a_start_is_also_held_turned_as_its_stroke_ends():
    """Nothing but the movement tells the two apart: some lessons of I show a hand as only a J turns it."""
    start = next(start for letter, start in ASL.moving.items() if ASL.paths[letter] == "hook")
    views = np.stack([facing(view) for form in forms(start) for view in form.views])
    turned = 0
    for seed in range(60):
        motion = lesson(start, random_signer(generator(seed)), generator(seed))
        cosine = (np.trace(np.swapaxes(views, 1, 2) @ motion.turn[-1], axis1=1, axis2=2) - 1) / 2
        turned += np.degrees(np.arccos(np.clip(cosine, -1, 1))).min() > 60
        assert motion.labels[-1] == start
    assert 3 <= turned <= 20


def test_no_letter_of_another_alphabet():
    with pytest.raises(UserError):
        lesson("ß", random_signer(generator()), generator())


def test_a_trace_is_where_the_film_shows_the_hand():
    signer = Signer(AVERAGE, 5, "Left", manner=3)
    motion = lesson("J", signer, generator(5))
    few = replace(motion, **{name: value[:3] for name, value in vars(motion).items()})
    renders = film(few, signer, generator(6), size=96)
    assert [shown.letter for shown in renders] == list(few.labels)
    for shown, turn in zip(renders, few.turn, strict=True):
        assert shown.image.shape == (96, 96, 3) and shown.handedness == "Left"
        assert np.array_equal(shown.turn, turn)
        # The middle knuckle lies on the hand, which is brighter or darker than the room about it.
        assert ((shown.points[:, :2] > 0) & (shown.points[:, :2] < 1)).all()
        assert shown.points[0, 2] == 0
    left = trace(few, signer, FRONT)
    right = trace(few, replace(signer, handedness="Right"), FRONT)
    np.testing.assert_allclose(left, right * [-1, 1, 1] + [1, 0, 0], atol=1e-6)
    assert right[0, 5, 0] > right[0, 17, 0], "a right palm shows its thumb's side at the viewer's right"


def test_a_film_shows_what_the_trace_says():
    """The renderer's own landmarks and the trace's are the same, to half a pixel."""
    signer = random_signer(generator(8))
    motion = word("Z", replace(signer, handedness="Right"), generator(9))
    s, size = len(motion) // 2, 128
    points = trace(motion, replace(signer, handedness="Right"), FRONT)[s]
    x, y = motion.at[s] * FRONT.scale
    camera = replace(FRONT, turn=motion.turn[s], scale=FRONT.scale * size, at=(0.5 + x, 0.5 - y))
    look = Look(np.zeros((size, size, 3)), skin(5), np.ones(3))
    pose = forms("D")[0]
    _, rendered = render(
        replace(pose, fingers=motion.fingers[s], thumb=motion.thumb[s]),
        signer.shape,
        camera,
        look,
        generator(),
    )
    rendered = rendered / size
    rendered[:, 2] -= rendered[0, 2]
    np.testing.assert_allclose(points, rendered, atol=0.6 / size)


def test_the_camera_sees_the_whole_movement():
    for seed in range(20):
        signer = random_signer(generator(seed))
        motion = word("JAZZ", signer, generator(seed))
        points = trace(motion, signer, camera_for(motion, signer, generator(seed)))[motion.inside]
        assert points[..., :2].min() > 0 and points[..., :2].max() < 1


NOISE = Noise(
    blend=np.zeros((2, 21, 21)),
    ways=0.05 * generator(3).normal(size=(2, 21, 3)),
    near=np.array(0.3),
    spread=np.array(0.0),
    jitter=np.full((21, 3), 0.01),
    lost=np.array([-4.0, 0.2, 2.0]),
)


def test_the_detectors_noise_is_as_large_as_it_says():
    signer = random_signer(generator())
    motion = word("HELLOWORLD", signer, generator(1))
    points = trace(motion, signer, FRONT)
    exact, found = seen(
        points, generator(), noise=NOISE._replace(ways=0 * NOISE.ways, jitter=0 * NOISE.jitter)
    )
    np.testing.assert_allclose(exact, points, atol=1e-6)
    assert found.mean() > 0.8
    jittered, _ = seen(points, generator(), noise=NOISE._replace(ways=0 * NOISE.ways))
    off = (jittered - points)[..., :2] / palm(points)
    np.testing.assert_allclose(off.std(), 0.01, rtol=0.1)
    assert (seen(points, generator(), noise=NOISE)[0][:, 0, 2] == 0).all(), "z is relative to the wrist"


def test_the_detector_errs_alike_where_the_hand_looks_alike():
    """A held letter is seen wrongly, but steadily; another letter is seen wrongly in another way."""
    signer, noise = random_signer(generator()), NOISE._replace(jitter=0 * NOISE.jitter)
    motion = word("BLB", signer, generator(1))
    points, labels = trace(motion, signer, FRONT), np.array(motion.labels)
    first, last = np.nonzero(labels == "B")[0][[1, -2]]
    middle = np.nonzero(labels == "L")[0][1]
    gaps = []
    for seed in range(30):
        off = ((seen(points, generator(seed), motion.t_ms, noise)[0] - points) / palm(points))[..., :2]
        gaps.append([np.sqrt(((off[first] - off[i]) ** 2).mean()) for i in (last, middle)])
    same, other = np.mean(gaps, axis=0)
    assert same < 0.75 * other


def test_fast_hands_are_lost_more_often():
    t_ms = np.arange(4000) * 1000 / 15
    still = np.repeat(
        landmarks(joints(forms("B")[0].fingers, forms("B")[0].thumb, AVERAGE))[None] / 40, 4000, 0
    )
    running = still + np.stack([0.0006 * t_ms, 0 * t_ms, 0 * t_ms], -1)[:, None]
    lost = [1 - seen(points, generator(1), t_ms, NOISE)[1].mean() for points in (still, running)]
    assert 0.01 < lost[0] < 0.04, "log-odds of -4, and some stay lost"
    assert lost[1] > 1.3 * lost[0] and speed(running, t_ms)[5] > 2


def test_measuring_the_noise_finds_what_was_put_in():
    rng, takes = generator(5), []
    for number in range(30):
        signer = replace(random_signer(rng), handedness="Right")
        motion = word("JAZZ" if number % 2 else "BROWN", signer, rng)
        true = trace(motion, signer, FRONT)
        got, found = seen(true, rng, motion.t_ms, NOISE)
        takes.append(Take(true, np.where(found[:, None, None], got, np.nan), motion.t_ms))
    measured = fit(takes)
    assert 0.15 < measured.near < 0.6 and measured.spread < 0.3
    assert np.median(measured.jitter[1:]) == pytest.approx(0.01, rel=0.4)
    size = np.sqrt((measured.ways[..., :2] ** 2).sum(0).mean())
    assert size == pytest.approx(np.sqrt((NOISE.ways[..., :2] ** 2).sum(0).mean()), rel=0.35)
    assert abs(measured.lost[0] + 4) < 1 and measured.lost[2] > 1
    for figure, (put_in, found_again) in compare(takes, measured).items():
        assert found_again == pytest.approx(put_in, rel=0.3, abs=0.02), figure


def test_the_fast_path_gives_what_the_detector_would():
    signer = replace(random_signer(generator(3)), handedness="Left")
    motion = word("JIG", signer, generator(4))
    points, found = fast(motion, signer, generator(5))
    assert points.shape == (len(motion), 21, 3) and points.dtype == np.float32
    assert not found[~motion.inside].any() and found[motion.inside].mean() > 0.7
    assert (points[:, 0, 2] == 0).all(), "z is relative to the wrist"
    held = np.array(motion.labels) == "G"
    points, exact = points[held], trace(motion, signer, camera_for(motion, signer, generator(5)))[held]
    error = np.median(np.linalg.norm((points - exact)[..., :2], axis=-1) / palm(exact)[..., 0])
    assert 0.01 < error < 0.2, "about as wrong as the detector"
    assert np.isfinite(constants().blend).all() and constants().lost[1] > 0, "the faster, the more are lost"


def test_a_fitted_skeleton_has_the_angles_of_the_hand_it_saw():
    """Bends and view come back; the place in the picture and its size do not count."""
    rng = generator(3)
    for letter in ("B", "V"):
        pose = forms(letter)[0]
        strayed = stray(pose, rng)
        turned = rotation("z", 15.0) @ rotation("y", 12.0)
        body = landmarks(joints(strayed.fingers, strayed.thumb, AVERAGE)) @ turned.T
        points = 7.0 * body * [1, -1, -1] + [100, 200, 0]
        angles, turn, miss = fit_hand(points, [(pose, np.zeros(3)), (pose, np.array([0.0, 90.0, 0.0]))])
        assert miss < 0.005, "hands"
        assert np.degrees(np.arccos((np.trace(turn.T @ turned) - 1) / 2)) < 3
        bends = angles[:16].reshape(4, 4)[:, [0, 2]] - strayed.fingers[:, [0, 2]]
        assert np.abs(bends).max() < 6 and np.abs(bends).mean() < 2, "degrees"


def test_two_ways_to_hold_a_letter_are_two_forms():
    rng = generator(4)
    flat, bent = np.zeros(21), np.full(21, 40.0)
    angles = np.concatenate([mean + rng.normal(0, 2, (12, 21)) for mean in (flat, bent)])
    turns = np.concatenate([rotation("y", side + rng.normal(0, 2, 12)) for side in (0.0, 70.0)])
    found = sorted(typical(angles, turns, 2), key=lambda form: form["index"][0])
    for form, bend, side in zip(found, (0, 40), (0, 70), strict=True):
        assert np.abs(np.array(form["thumb"]) - bend).max() < 4
        assert 1 <= len(form["views"]) <= 4 and np.abs(np.array(form["views"])[:, 1] - side).max() < 8
