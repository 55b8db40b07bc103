"""The hands that the book renders: repeatable, true to their letter and side, and found by the detector."""

from dataclasses import replace

import numpy as np
import pytest

from strm import studio
from strm.alphabet import ASL
from strm.files import UserError
from strm.studio.complexion import bones, complexion, skin
from strm.studio.poses import POSES, forms, stray
from strm.studio.skeleton import AVERAGE, finger_frames, joints, landmarks, rotation


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_draws_every_letter_and_no_other():
    assert list(studio.LETTERS) == [*ASL.still, *ASL.moving]
    assert all(POSES.values()), "a letter has no pose"


@pytest.mark.parametrize("letter", ["ß", "", "a", "AB"])
def test_an_unknown_letter_is_named(letter):
    with pytest.raises(UserError, match=f"draws no {letter!r}"):
        studio.sample(letter, generator())


@pytest.mark.parametrize(("letter", "draws"), [("J", 20), ("Z", 8)])
def test_a_moving_letters_picture_is_a_moment_of_it(letter, draws):
    """In every form the finger that draws is stretched out, and the three beside the thumb's are not."""
    for pose in forms(letter):
        points = landmarks(joints(pose.fingers, pose.thumb, AVERAGE))
        reach = {tip: np.linalg.norm(points[tip] - points[tip - 3]) for tip in (8, 12, 16, 20)}
        straight = {tip: AVERAGE.bones[i].sum() for i, tip in enumerate(reach)}
        stretched = {tip: reach[tip] / straight[tip] for tip in reach}
        assert stretched.pop(draws) > 0.85 and max(stretched.values()) < 0.75


def test_the_same_seed_gives_the_same_picture():
    one, same, other = (studio.sample("R", generator(seed), size=128) for seed in (3, 3, 4))
    assert np.array_equal(one.image, same.image) and np.array_equal(one.points, same.points)
    assert one.handedness == same.handedness
    assert not np.array_equal(one.image, other.image)


@pytest.mark.parametrize("size", [96, 256])
def test_what_a_render_holds(size):
    render = studio.sample("B", generator(), size=size)
    assert render.image.shape == (size, size, 3) and render.image.dtype == np.uint8
    assert render.points.shape == (21, 3) and render.points.dtype == np.float32
    assert render.letter == "B" and render.handedness in ("Left", "Right")
    assert render.points[0, 2] == 0, "z is relative to the wrist"
    assert ((render.points[:, :2] > -0.2) & (render.points[:, :2] < 1.2)).all()


def test_a_left_hand_is_the_right_hands_mirror_image():
    rng = generator(5)
    person = studio.random_signer(rng)
    right, left = (
        studio.sample("L", generator(6), 96, replace(person, handedness=side)) for side in ("Right", "Left")
    )
    assert np.array_equal(left.image, right.image[:, ::-1])
    np.testing.assert_allclose(left.points, right.points * [-1, 1, 1] + [1, 0, 0], atol=1e-6)


def test_a_right_palm_shows_its_thumb_at_the_viewers_right():
    """The picture is not mirrored: we face the signer, as a camera does."""
    person = studio.random_signer(generator())
    for seed in range(5):
        render = studio.sample("B", generator(seed), 96, replace(person, handedness="Right"))
        index, little = render.points[5], render.points[17]
        assert index[0] > little[0]
        left = studio.sample("B", generator(seed), 96, replace(person, handedness="Left"))
        assert left.points[5, 0] < left.points[17, 0]


def test_skins_reach_from_light_to_dark():
    tones = [studio.random_signer(generator(seed)).tone for seed in range(200)]
    assert sorted(set(tones)) == list(range(1, 11))
    assert studio.MONK.shape == (10, 3)
    assert (np.diff(studio.MONK[2:].sum(1)) < 0).all(), "from the third tone on, each is darker than the last"


def test_the_skin_reaches_the_picture():
    """The same hand in the same light is darker in the picture where its skin is."""
    light, dark = (
        studio.sample("B", generator(1), 96, studio.Signer(AVERAGE, tone, "Right")) for tone in (2, 9)
    )
    assert (light.tone, dark.tone) == (2, 9)
    x, y = (light.points[9, :2] * 96).astype(int)
    patch = np.s_[y - 2 : y + 3, x - 2 : x + 3]
    assert dark.image[patch].mean() < 0.6 * light.image[patch].mean()


def test_the_palm_is_lighter_than_the_back_and_most_so_in_dark_skin():
    back, palm = np.moveaxis([skin(tone) for tone in range(1, 11)], 1, 0)
    more = palm.mean(1) / back.mean(1) - 1
    assert more[9] > 0.2 and np.argmax(more) == 9 and abs(more[:4]).max() < 0.12


def test_nails_are_on_the_back_and_lines_on_the_palm():
    """Of a straight finger the nail is near its tip, behind; a palm is crossed by lines, a back is not."""
    pose = forms("B")[0]
    placed = joints(pose.fingers, pose.thumb, AVERAGE)
    body = bones(pose.fingers, pose.thumb, placed, AVERAGE)
    colours = np.array([[100.0, 80.0, 60.0], [150.0, 120.0, 100.0]])
    last, out = placed[1, 2:], finger_frames(pose.fingers, AVERAGE)[1, 2, :, 2]
    tip, middle = (last[0] + part * (last[1] - last[0]) for part in (0.7, 0.3))
    at = np.stack([place + side * 0.6 * out for place in (tip, middle) for side in (1, -1)])
    normals = np.stack([side * out for _ in range(2) for side in (1, -1)])
    palm_tip, nail, palm, back = complexion(at, normals, body, colours)
    np.testing.assert_allclose([palm_tip, palm, back], colours[[1, 1, 0]], rtol=1e-6)
    assert (nail > 1.2 * colours[0]).all()
    up = np.stack([np.full(200, 0.5), np.linspace(2, 8, 200), np.full(200, 1.2)], 1)
    for side, colour, least, most in ((1, colours[1], 0.02, 0.3), (-1, colours[0], 0, 0)):
        seen = complexion(up * [1, 1, side], np.tile([0, 0, side], (200, 1)), body, colours)
        assert least <= (seen[:, 0] < 0.8 * colour[0]).mean() <= most


def test_letters_and_people_differ():
    same_person = studio.random_signer(generator())
    a, b = (studio.sample(letter, generator(1), 96, same_person).points for letter in "AB")
    assert np.abs(a - b).max() > 0.05
    first, second = (studio.random_signer(generator(seed)) for seed in (1, 2))
    assert not np.allclose(first.shape.bones, second.shape.bones)


def test_a_burst_is_one_moment():
    rng = generator()
    person = studio.random_signer(rng)
    first, second = studio.burst("C", generator(2), 2, 96, person)
    another_day = studio.sample("C", generator(3), 96, person)
    palm = np.linalg.norm(first.points[9] - first.points[0])
    here, there = (np.abs(x.points - first.points).max() / palm for x in (second, another_day))
    assert 0 < here < 0.5 * there
    assert not np.array_equal(first.image, second.image)
    assert np.array_equal(first.image, studio.sample("C", generator(2), 96, person).image)


def test_a_person_has_a_manner():
    """One person's pictures of a letter are more alike than two people's with the same kind of hand."""
    person = studio.Signer(AVERAGE, 5, "Right", manner=1)
    own, others = [], []
    for letter in studio.LETTERS:
        mine = person.habit(letter)
        own.append(np.abs(mine.fingers - person.habit(letter).fingers).mean())
        others.append(np.abs(mine.fingers - replace(person, manner=2).habit(letter).fingers).mean())
        assert mine.views.shape == (1, 3)
    assert max(own) == 0 and min(others) > 1, "degrees"


def test_bones_keep_their_length_however_they_bend():
    for pose in forms("E") + forms("B"):
        pose = stray(pose, generator())
        placed = joints(pose.fingers, pose.thumb, AVERAGE)
        lengths = np.linalg.norm(np.diff(placed[:4], axis=1), axis=-1)
        np.testing.assert_allclose(lengths, AVERAGE.bones)
        assert landmarks(placed).shape == (21, 3)
        np.testing.assert_array_equal(landmarks(placed)[8], placed[0, 3], "8 is the index finger's tip")
        np.testing.assert_array_equal(landmarks(placed)[4], placed[4, 3], "4 is the thumb's tip")


def test_rotations_turn_the_way_they_say():
    np.testing.assert_allclose(rotation("z", 90) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation("x", 90) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation("y", 90) @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_the_detector_finds_the_hands_their_points_and_their_side():
    from strm.landmarks import HandDetector

    rng = generator(7)
    renders = [studio.sample(letter, rng) for letter in studio.LETTERS for _ in range(4)]
    with HandDetector() as detector:
        found = [(render, detector.detect(render.image)) for render in renders]
    found = [(render, hand) for render, hand in found if hand is not None]
    assert len(found) >= 0.95 * len(renders)
    sides = [render.handedness == hand.handedness for render, hand in found]
    assert np.mean(sides) >= 0.9
    errors = []
    for render, hand in found:
        palm = np.linalg.norm(render.points[[5, 9, 13, 17]] - render.points[0], axis=1).mean()
        errors.append(np.linalg.norm(hand.points[:, :2] - render.points[:, :2], axis=1).mean() / palm)
    assert np.median(errors) < 0.15, "the points must be where they are drawn, in parts of the palm"
