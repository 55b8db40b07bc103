"""From picture to points to numbers: what must not matter doesn't, what must be seen is seen."""

import dataclasses
import hashlib
import re
import subprocess
import sys
import types
from itertools import combinations

import numpy as np
import pytest

from strm import handmodel, studio
from strm.files import UserError
from strm.handmodel import BUNDLE_SHA256, model_bundle
from strm.landmarks import FEATURES, Hand, HandDetector, features102, normalise

WIDTH, HEIGHT = 640, 480
PICTURE = np.array([WIDTH, HEIGHT, WIDTH], np.float32)  # what x, y and z are fractions of


def some_hand(seed: int = 0, letter: str = "B") -> np.ndarray:
    """The true points of a rendered right hand, as of a square picture."""
    return studio.sample(letter, np.random.default_rng(seed), 64, person(seed, "Right")).points


def person(seed: int, side: str) -> studio.Signer:
    return dataclasses.replace(studio.random_signer(np.random.default_rng(seed)), handedness=side)


def moving_hand(times_ms: np.ndarray, seed: int = 0) -> np.ndarray:
    """A hand that wanders and comes nearer, [S, 21, 3], at the times given."""
    t = times_ms[:, None, None] / 1000
    wander = 0.15 * np.concatenate([np.sin(3 * t), np.cos(2 * t), 0 * t], -1)
    return (some_hand(seed) * (1 + 0.2 * np.sin(t)) + wander).astype(np.float32)


def irregular(frames: int, seed: int = 3) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).uniform(1, 400, frames))


# --- the 63 numbers


@pytest.mark.parametrize("rate", [8, 15, 29.97, 60, None])
def test_a_stream_gives_the_same_numbers_as_a_batch(rate):
    times = irregular(40) if rate is None else np.arange(40) * 1000 / rate
    hands = moving_hand(times)
    whole, end = normalise(hands, WIDTH, HEIGHT, "Left", times)
    state, stream = None, []
    for hand, t_ms in zip(hands, times, strict=True):
        x, state = normalise(hand, WIDTH, HEIGHT, "Left", t_ms, state)
        assert x.shape == (FEATURES,) and x.dtype == np.float32
        stream.append(x)
    np.testing.assert_allclose(np.stack(stream), whole, rtol=0, atol=1e-6)
    for one, other in zip(state, end, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_stream_may_be_cut_anywhere():
    times = irregular(20)
    hands = moving_hand(times)
    whole, _ = normalise(hands, t_ms=times)
    first, state = normalise(hands[:7], t_ms=times[:7])
    second, _ = normalise(hands[7:], t_ms=times[7:], state=state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=0, atol=1e-6)


def test_without_times_it_is_15_frames_a_second():
    hands = moving_hand(np.arange(12) * 1000 / 15)
    whole, _ = normalise(hands, t_ms=np.arange(12) * 1000 / 15)
    first, state = normalise(hands[:5])
    second, _ = normalise(hands[5:], state=state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=0, atol=1e-6)


def test_a_batch_of_clips_is_each_clip_alone():
    times = np.stack([irregular(10, seed) for seed in range(3)])
    hands = np.stack([moving_hand(t, seed) for seed, t in enumerate(times)])
    sides, widths = np.array(["Left", "Right", "Left"]), np.array([640, 480, 224])
    together, _ = normalise(hands, widths[:, None], HEIGHT, sides[:, None], times)
    assert together.shape == (3, 10, FEATURES)
    for i in range(3):
        alone, _ = normalise(hands[i], widths[i], HEIGHT, sides[i], times[i])
        np.testing.assert_allclose(together[i], alone, rtol=0, atol=1e-6)


def test_the_cameras_rate_hardly_changes_what_movement_looks_like():
    seen = {}
    for rate in (15, 30, 60):
        times = np.arange(0, 2000, 1000 / rate)
        seen[rate] = normalise(moving_hand(times), WIDTH, HEIGHT, t_ms=times)[0][:: rate // 15]
    reach = np.abs(seen[15][:, :2]).max()
    assert reach > 0.3, "the hand does move"
    assert np.abs(seen[30] - seen[15]).max() < 0.1 * reach
    assert np.abs(seen[60] - seen[15]).max() < 0.15 * reach


@pytest.mark.parametrize("width, height", [(640, 480), (480, 640), (1280, 720)])
def test_the_pictures_shape_is_undone(width, height):
    """The same hand in pixels, in pictures of other shapes, is the same numbers."""
    pixels = some_hand() * 400
    x, _ = normalise(pixels / np.array([width, height, width]), width, height)
    square, _ = normalise(pixels / 400, 400, 400)
    np.testing.assert_allclose(x, square, atol=1e-5)
    assert np.abs(normalise(pixels / np.array([width, height, width]))[0] - square).max() > 0.1


def test_a_left_hand_is_mirrored_to_a_right_one():
    times = irregular(12)
    right = moving_hand(times)
    left = right * np.array([-1, 1, 1]) + np.array([1, 0, 0])
    as_right, _ = normalise(right, WIDTH, HEIGHT, "Right", times)
    as_left, _ = normalise(left, WIDTH, HEIGHT, "Left", times)
    np.testing.assert_allclose(as_left, as_right, atol=1e-5)
    assert np.abs(normalise(left, WIDTH, HEIGHT, "Right", times)[0] - as_right).max() > 0.3


def test_place_and_distance_do_not_matter_to_a_photo():
    hand = some_hand()
    x, _ = normalise(hand, WIDTH, HEIGHT)
    moved, _ = normalise(hand * 0.5 + np.array([0.3, -0.2, 0]), WIDTH, HEIGHT)
    np.testing.assert_allclose(moved, x, atol=1e-5)


def test_a_photos_unit_is_the_palm_and_its_wrist_slot_is_empty():
    points = normalise(some_hand(), WIDTH, HEIGHT)[0].reshape(21, 3)
    assert not points[0].any()
    assert np.linalg.norm(points[[5, 9, 13, 17]], axis=-1).mean() == pytest.approx(1, abs=1e-5)


def test_the_wrists_slot_tells_movement():
    """A hand that jumps aside and stays: the slot shows the jump, in palms, and then lets it fade."""
    still, aside = some_hand(), some_hand() + np.array([0.1, 0.05, 0], np.float32)
    hands = np.stack([still] * 15 + [aside] * 60)
    x, _ = normalise(hands, WIDTH, HEIGHT)
    assert np.abs(x[:15, :3]).max() < 1e-6
    pixels = still * PICTURE
    palm = np.linalg.norm(pixels[[5, 9, 13, 17]] - pixels[0], axis=-1).mean()
    jump = np.array([0.1 * WIDTH, 0.05 * HEIGHT]) / palm * np.exp(-1000 / 15 / 600)
    np.testing.assert_allclose(x[15, :2], jump, rtol=1e-4)
    assert np.linalg.norm(x[15 + 9, :2]) == pytest.approx(np.linalg.norm(jump) / np.e, rel=1e-3)
    assert np.abs(x[-1, :2]).max() < 0.02
    assert not x[:, 2].any(), "depth tells no movement"
    assert np.abs(x[:, 3:] - x[0, 3:]).max() < 1e-4, "the hand's form is the same throughout"


def test_a_long_gap_forgets_the_movement():
    first, state = normalise(some_hand(), t_ms=0.0)
    later, _ = normalise(some_hand() + np.array([0.3, 0, 0], np.float32), t_ms=60_000.0, state=state)
    np.testing.assert_allclose(later, first, atol=1e-5)


@pytest.mark.parametrize("slot", [0, 1, 2, 27, 29, 62])
def test_noise_stays_noise(slot):
    """What is constant up to 1e-6 must not be blown up, the wrist's meaningless z least of all."""
    hands = np.stack([some_hand()] * 5)
    shaken = hands.copy().reshape(5, FEATURES)
    shaken[2, slot] += 1e-6
    x, _ = normalise(hands, WIDTH, HEIGHT)
    y, _ = normalise(shaken.reshape(5, 21, 3), WIDTH, HEIGHT)
    assert np.abs(x - y).max() < 1e-4


def test_the_wrists_own_z_tells_nothing():
    rng = np.random.default_rng(0)
    hands = np.stack([some_hand()] * 30)
    shaken = hands.copy()
    shaken[:, 0, 2] = rng.normal(0, 1e-7, 30)
    x, _ = normalise(hands, WIDTH, HEIGHT)
    y, _ = normalise(shaken, WIDTH, HEIGHT)
    assert not y[:, 2].any()
    assert np.abs(x - y).max() < 1e-5


def test_an_unknown_depth_is_zero():
    flat, unknown = some_hand(), some_hand()
    flat[:, 2], unknown[:, 2] = 0, np.nan
    both, _ = normalise(np.stack([unknown, some_hand()]))
    np.testing.assert_array_equal(normalise(unknown)[0], normalise(flat)[0])
    assert np.isfinite(both).all() and both[1, 5] != 0, "a neighbour that has its z keeps it"


@pytest.mark.parametrize(
    "place, value", [((4, 0), np.nan), ((4, 1), np.inf), ((4, 2), np.nan), ((4, 2), np.inf)]
)
@pytest.mark.parametrize("numbers", [normalise, features102])
def test_nan_and_infinity_are_errors(numbers, place, value):
    hand = some_hand()
    hand[place] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        numbers(hand)


@pytest.mark.parametrize("numbers", [normalise, features102])
def test_a_hand_without_size_is_an_error(numbers):
    with pytest.raises(ValueError, match="has no size"):
        numbers(np.full((21, 3), 0.4))


@pytest.mark.parametrize("shape", [(63,), (20, 3), (21, 2)])
@pytest.mark.parametrize("numbers", [normalise, features102])
def test_another_shape_is_an_error(numbers, shape):
    with pytest.raises(ValueError, match=r"\(21, 3\)"):
        numbers(np.ones(shape))


def test_the_callers_points_are_left_alone():
    hand = some_hand()
    hand[:, 2] = np.nan
    before = hand.copy()
    normalise(hand, WIDTH, HEIGHT, "Left")
    features102(hand, WIDTH, HEIGHT, "Left")
    np.testing.assert_array_equal(hand, before)


# --- the 102 features of v1


def features_by_hand(pixels: np.ndarray) -> list[float]:
    """The definition once more, with complex numbers: dividing by the bone turns and scales at once."""
    plane = [complex(x, y) for x, y in pixels[:, :2]]
    plane = [(p - plane[0]) / (plane[9] - plane[0]) * -1j for p in plane]
    corners = (0, 1, 5, 9, 13, 17, 4, 8, 12, 16, 20)
    pairs = [*combinations(corners, 2), (4, 1), (8, 5), (12, 9), (16, 13), (20, 17)]
    return [c for p in plane for c in (p.real, p.imag)] + [abs(plane[a] - plane[b]) for a, b in pairs]


@pytest.mark.parametrize("letter", ["B", "L", "S"])
def test_102_features_as_defined(letter):
    hand = some_hand(letter=letter)
    features = features102(hand, WIDTH, HEIGHT)
    assert features.shape == (102,) and features.dtype == np.float32
    np.testing.assert_allclose(features, features_by_hand(hand * PICTURE), atol=1e-4)
    np.testing.assert_allclose(features[18:20], [0, -1], atol=1e-6), "the bone is upright, its length 1"


def test_102_features_ignore_place_size_turn_and_side():
    pixels = (some_hand(letter="Y") * PICTURE).astype(np.float64)
    wanted = features102(pixels)
    angle = 2.1
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    for other in (pixels + np.array([300, -80, 5]), pixels * 0.2, pixels @ turn, (pixels * 3) @ turn + 40):
        np.testing.assert_allclose(features102(other), wanted, atol=1e-3)
    mirrored = pixels * [-1, 1, 1] + [WIDTH, 0, 0]
    np.testing.assert_allclose(features102(mirrored, handedness="Left"), wanted, atol=1e-4)
    assert np.abs(features102(mirrored, handedness="Right") - wanted).max() > 0.3


def test_102_features_of_many_hands_at_once():
    hands = np.stack([[some_hand(seed, letter) for seed in range(2)] for letter in "BLY"])
    sides = np.array([["Left", "Right"]] * 3)
    together = features102(hands, WIDTH, HEIGHT, sides)
    assert together.shape == (3, 2, 102)
    np.testing.assert_allclose(together[2, 0], features102(hands[2, 0], WIDTH, HEIGHT, "Left"), atol=1e-5)


# --- the detector


@pytest.fixture(scope="module")
def detector():
    with HandDetector() as detector:
        yield detector


@pytest.fixture(scope="module")
def photos() -> list[studio.Render]:
    """Five letters by two people, each with the right hand and, all else equal, with the left."""
    return [
        studio.sample(letter, np.random.default_rng(seed), 320, person(seed, side))
        for letter in "BLVYW"
        for seed in range(2)
        for side in ("Right", "Left")
    ]


def test_finds_rendered_hands_where_they_are(detector, photos):
    off = []
    for photo in photos:
        hand = detector.detect(photo.image)
        if hand:
            assert isinstance(hand, Hand) and (hand.width, hand.height) == (320, 320)
            assert hand.points.shape == (21, 3) and hand.points.dtype == np.float32
            assert 0.3 < hand.score <= 1
            size = np.linalg.norm(photo.points[9, :2] - photo.points[0, :2])
            off.append(np.linalg.norm((hand.points - photo.points)[:, :2], axis=-1).mean() / size)
    assert len(off) >= 0.9 * len(photos), "it finds the hands"
    assert np.median(off) < 0.15, "it finds them where they are, in wrist to middle knuckle"


@pytest.mark.parametrize("side", ["Left", "Right"])
def test_handedness_is_the_signers_true_hand(detector, photos, side):
    said = [hand.handedness for p in photos if p.handedness == side and (hand := detector.detect(p.image))]
    assert len(said) >= 8 and said.count(side) >= 0.9 * len(said)


def test_finds_no_hand_where_there_is_none(detector):
    assert detector.detect(np.full((240, 320, 3), 128, np.uint8)) is None


def test_video_mode_follows_the_same_hand(detector, photos):
    photo = photos[0]
    one = detector.detect(photo.image)
    with HandDetector(video=True) as video:
        assert video.detect(np.zeros_like(photo.image), 0.0) is None
        hands = [video.detect(photo.image, t_ms) for t_ms in (0.25, 0.5, 33.4, 66.7)]
    size = np.linalg.norm(one.points[9, :2] - one.points[0, :2])
    for hand in hands:
        assert hand is not None and hand.handedness == one.handedness
        assert np.linalg.norm((hand.points - one.points)[:, :2], axis=-1).mean() < 0.1 * size


@pytest.mark.parametrize("t_ms", [None, 40.0, 39.0, float("nan"), float("inf")])
def test_video_mode_needs_times_that_increase(t_ms):
    blank = np.zeros((64, 64, 3), np.uint8)
    with HandDetector(video=True) as video:
        video.detect(blank, 40.0)
        with pytest.raises(ValueError, match="times that increase"):
            video.detect(blank, t_ms)


@pytest.mark.parametrize(
    "picture", [np.zeros((64, 64)), np.zeros((64, 64, 4), np.uint8), np.zeros((0, 9, 3), np.uint8)]
)
def test_a_picture_of_another_kind_is_an_error(detector, picture):
    with pytest.raises(ValueError, match="a picture is uint8"):
        detector.detect(picture)


def test_a_cut_out_of_a_picture_will_do(detector, photos):
    """Arrays that are views, with gaps between their rows, are what cropping and mirroring give."""
    wide = np.concatenate([photos[0].image] * 2, 1)
    hand, cut = detector.detect(photos[0].image), detector.detect(wide[:, :320])
    np.testing.assert_array_equal(cut.points, hand.points)


def test_the_size_is_the_pictures(detector, photos):
    padded = np.pad(photos[0].image, ((0, 0), (80, 80), (0, 0)), mode="edge")
    hand = detector.detect(padded)
    assert (hand.width, hand.height) == (480, 320)
    where = hand.points[:, :2] * [480, 320] - [80, 0]
    assert np.abs(where - detector.detect(photos[0].image).points[:, :2] * 320).max() < 20, "pixels agree"


# --- its model


@pytest.fixture
def cache(tmp_path, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "caché"))
    return handmodel.cache_folder() / "hand_landmarker.task"


def test_the_model_is_kept_and_a_broken_copy_made_again(cache):
    assert hashlib.sha256(model_bundle()).hexdigest() == BUNDLE_SHA256
    assert hashlib.sha256(cache.read_bytes()).hexdigest() == BUNDLE_SHA256
    assert [path.name for path in cache.parent.iterdir()] == [cache.name], "nothing is left lying about"
    for broken in (cache.read_bytes()[:1000], b"", b"x" * 1000):
        cache.write_bytes(broken)
        assert hashlib.sha256(model_bundle()).hexdigest() == BUNDLE_SHA256
        assert hashlib.sha256(cache.read_bytes()).hexdigest() == BUNDLE_SHA256


def test_a_kept_model_is_not_made_again(cache, monkeypatch):
    model_bundle()
    monkeypatch.setattr(handmodel, "_assemble", lambda modules: pytest.fail("made again"))
    assert hashlib.sha256(model_bundle()).hexdigest() == BUNDLE_SHA256


def test_no_place_to_keep_the_model_is_no_failure(cache):
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file where the folder should be", encoding="utf-8")
    assert hashlib.sha256(model_bundle()).hexdigest() == BUNDLE_SHA256


def test_another_mediapipe_is_named(cache, tmp_path, monkeypatch):
    other = types.SimpleNamespace(__file__=str(tmp_path / "mediapipe" / "__init__.py"))
    monkeypatch.setattr(handmodel, "load_mediapipe", lambda: other)
    with pytest.raises(UserError, match=r"pip install .*mediapipe==0\.10\.14"):
        model_bundle()
    assert not cache.exists()


def test_no_mediapipe_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match=r"pip install mediapipe==0\.10\.14"):
        HandDetector()


def test_mediapipe_keeps_quiet_and_we_do_not():
    code = (
        "import sys, numpy as np; from strm.landmarks import HandDetector\n"
        "with HandDetector() as d: d.detect(np.zeros((64, 64, 3), np.uint8))\n"
        "print('our own words', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "our own words" in done.stderr
    assert not re.search(r"^[IWE]\d{4} |^INFO|^WARNING|UserWarning", done.stderr, re.M), done.stderr
