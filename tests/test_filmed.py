"""Filmed words: the studio's come with the truth, others are looked at, and what is no film is told."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from strm.bundle import WEIGHTS, load
from strm.data import COORDINATES, read_table
from strm.files import UserError
from strm.filmed import open_film
from strm.landmarks import Hand
from strm.recorder import Recorder
from strm.stream import Recognizer
from strm.widgets import Player
from strm.words import spell, streams

STUDIO = Path(__file__).parents[1] / "data" / "studio"


def test_a_drawn_film_has_the_true_hand_in_every_frame_that_shows_one():
    film, table = open_film(STUDIO / "JAZZ.mp4"), pd.read_csv(STUDIO / "JAZZ.csv")
    assert len(film.pictures) == len(film.hands) == len(film.t_ms) == len(film.letters) == len(table)
    assert [hand is not None for hand in film.hands] == table["inside"].astype(bool).tolist()
    last = max(i for i, hand in enumerate(film.hands) if hand)
    assert film.hands[last].points[8, :2] == pytest.approx(table.loc[last, ["tx8", "ty8"]].to_numpy(float))
    np.testing.assert_allclose(film.t_ms, table["t_ms"])


def test_the_detector_sees_about_the_same_hand():
    true, seen = open_film(STUDIO / "J.mp4"), open_film(STUDIO / "J.mp4", detect=True)
    assert seen.letters is None and len(seen.pictures) == len(true.pictures)
    both = [(a.points, b.points) for a, b in zip(true.hands, seen.hands, strict=True) if a and b]
    assert len(both) > len(true.hands) / 2
    assert np.median([np.abs(a[:, :2] - b[:, :2]).mean() for a, b in both]) < 0.05
    assert np.abs(np.diff(seen.t_ms) - np.diff(true.t_ms)).max() < 2


def test_what_is_no_film_is_told_in_a_sentence(tmp_path):
    text = tmp_path / "word.mp4"
    text.write_text("this is no film")
    picture = tmp_path / "word.png"
    picture.write_bytes(b"png")
    for path, words in (
        (tmp_path / "gone.mp4", "no file"),
        (tmp_path / "gone.csv", "no file"),
        (picture, "is no video"),
        (text, "cannot be read"),
    ):
        with pytest.raises(UserError, match=words) as told:
            open_film(path)
        assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_a_table_of_something_else_beside_the_film_is_told(tmp_path):
    shutil.copy(STUDIO / "J.mp4", tmp_path / "mine.mp4")
    (tmp_path / "mine.csv").write_text("frame,price\n1,2\n")
    with pytest.raises(UserError, match=r"mine\.csv is no table of the studio's"):
        open_film(tmp_path / "mine.mp4")


def test_a_films_pictures_are_kept_small_and_its_hands_in_the_size_that_was_looked_at(tmp_path):
    big = tmp_path / "big.avi"
    video = cv2.VideoWriter(str(big), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1920, 1080))
    still = cv2.imread(str(next((STUDIO / "stills").glob("*.jpg"))))
    for _ in range(3):
        picture = np.full((1080, 1920, 3), 200, np.uint8)
        picture[:, 420:1500] = cv2.resize(still, (1080, 1080))
        video.write(picture)
    video.release()
    film = open_film(big)
    assert {picture.shape for picture in film.pictures} == {(360, 640, 3)}
    assert [(hand.width, hand.height) for hand in film.hands if hand] == [(1920, 1080)] * 3


# Recordings of landmarks


@pytest.fixture
def recorded(tmp_path):
    """What `strm demo --record` keeps of a filmed J, twice; the second time, the hand leaves for a while."""
    film, recorder = open_film(STUDIO / "J.mp4"), Recorder(tmp_path / "mine.csv", "ann")
    for away in (False, True):
        recorder.begin("J")
        for i, (hand, t_ms) in enumerate(zip(film.hands, film.t_ms, strict=True)):
            recorder.take(None if away and 20 <= i < 30 else hand, t_ms)
        assert "kept" in recorder.end()
    return tmp_path / "mine.csv", film


def test_what_was_recorded_is_a_film_of_landmarks(recorded):
    path, film = recorded
    again = open_film(path)
    assert len(again.pictures) == len(again.hands) == len(again.t_ms) and (np.diff(again.t_ms) > 0).all()
    first = next(hand for hand in film.hands if hand)
    np.testing.assert_allclose(again.hands[0].points, first.points, atol=1e-5)
    assert again.hands[0].handedness == first.handedness and again.t_ms[0] == 0
    there = sum(hand is not None for hand in film.hands)
    assert sum(hand is not None for hand in again.hands) == 2 * there - 10
    gaps = np.diff(again.t_ms)
    assert gaps.max() < 75, "where nobody is, there is a frame with nobody"
    empty = np.array([hand is None for hand in again.hands])
    assert 1100 < 50 * empty.sum() < 1350, "a second between the clips, a third of one in the second"


def test_a_recording_is_read_as_its_words_are(recorded, tmp_path):
    bundle, words = load(WEIGHTS), pd.read_csv(STUDIO / "words.csv.gz")
    words[words["clip"].isin(words["clip"].unique()[:3])].to_csv(tmp_path / "words.csv.gz", index=False)
    for path in (recorded[0], tmp_path / "words.csv.gz"):
        film, recognizer = open_film(path), Recognizer(bundle)
        for hand, t_ms in zip(film.hands, film.t_ms, strict=True):
            recognizer.step(hand, t_ms)
        alone = [spell(bundle, stream) for stream in streams(read_table(path, words=True))]
        assert recognizer.text == "".join(alone), "a clip knows nothing of the one before"
    assert len(alone) == 3 and all(alone)


def test_a_hand_without_a_picture_is_drawn(recorded):
    film = open_film(recorded[0])
    away = film.hands.index(None)
    recognizer = Recognizer(load(WEIGHTS))
    player = Player(film, [recognizer.step(*now) for now in zip(film.hands, film.t_ms, strict=True)])
    at = {hand: player.shown.index(i) for hand, i in (("there", 0), ("away", player.shown[len(player) // 2]))}
    assert film.hands[player.shown[at["away"]]] is None and away > 0
    drawn, blank = (
        cv2.imdecode(np.frombuffer(player.picture(at[name]), np.uint8), cv2.IMREAD_COLOR)
        for name in ("there", "away")
    )
    assert np.ptp(blank) < 5 and np.ptp(drawn) > 100
    x, y = np.rint(film.hands[0].points[0, :2] * drawn.shape[1::-1]).astype(int)
    assert np.abs(drawn[y, x].astype(int) - blank[y, x]).max() > 60, "the wrist is where it was"


def one_hand(**changes) -> pd.DataFrame:
    hand = Hand(np.random.default_rng(0).random((21, 3)), "Right", 1.0, 64, 48)
    row = dict(zip(COORDINATES, hand.points.ravel(), strict=True))
    return pd.DataFrame([row | {"label": "J", "clip": "a", "t_ms": 0.0, "width": 64, "height": 48} | changes])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"price": [1]}), "no column 'label'"),
        (one_hand(label="J5"), "is no word"),
        (pd.concat([one_hand(), one_hand(t_ms=1e14)]), "minutes"),
    ],
)
def test_a_recording_that_cannot_be_shown_is_told(table, said, tmp_path):
    table.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(UserError, match=said) as told:
        open_film(tmp_path / "mine.csv")
    assert "mine.csv" in str(told.value) and "\n" not in str(told.value)


def test_a_table_that_says_nothing_of_its_pictures_makes_no_giant_one(tmp_path):
    one_hand(width=5000, height=1).to_csv(tmp_path / "mine.csv", index=False)
    assert open_film(tmp_path / "mine.csv").pictures[0].shape == (320, 1280, 3)
