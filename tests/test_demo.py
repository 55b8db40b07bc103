"""The demo: what keys do, what is recorded, what is said where something is missing; a real window."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from strm import cli, demo
from strm.bundle import WEIGHTS, load
from strm.camera import Frames
from strm.data import read_table
from strm.demo_screen import paint
from strm.files import UserError
from strm.landmarks import Hand
from strm.pictures import write_words
from strm.recorder import Recorder
from strm.stream import Recognizer
from strm.studio.ship import FOLDER
from strm.suggest import suggestions

WORD = FOLDER / "JAZZ.mp4"


class NoDetector:
    """Finds the same hand in every picture, a little to the left of the middle."""

    def __init__(self):
        rng = np.random.default_rng(0)
        points = np.c_[0.3 + 0.1 * rng.random((21, 2)), np.zeros(21)].astype(np.float32)
        self.hand = Hand(points, "Right", 0.9, 960, 720)
        self.pictures: list[np.ndarray] = []

    def detect(self, rgb, t_ms):
        self.pictures.append(rgb)
        return self.hand


@pytest.fixture
def session(tmp_path) -> demo.Demo:
    recogniser = Recognizer(load(WEIGHTS))
    return demo.Demo(recogniser, NoDetector(), Recorder(tmp_path / "mine.csv", "ann"))


def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (720, 960, 3), np.uint8)


def press(session: demo.Demo, keys: str) -> bool:
    heard = [session.press(ord(key)) for key in keys]  # every one of them
    return all(heard)


def test_the_mirror_is_for_eyes_only(session):
    frame = picture()[:-1]  # its rows are no whole number of strips
    frame = np.concatenate([frame, frame[:8]])
    for mirror in (True, False):
        session.mirror = mirror
        session.see(frame, 1000.0 * (2 - mirror))
        assert (session.detector.pictures[-1] == frame[:, :, ::-1]).all(), (
            "the detector sees the camera's picture"
        )
    session.skeleton = False
    plain, mirrored = (paint(frame, session).copy() for session.mirror in (False, True))
    middle = slice(300, 480)  # no words there
    assert (plain[middle] == frame[middle]).all() and (mirrored[middle] == frame[middle, ::-1]).all()


def test_the_skeleton_can_be_left_out(session):
    frame = picture()
    session.mirror = False
    session.see(frame, 0.0)
    x, y = np.rint(session.hand.points[0, :2] * [960, 720]).astype(int)
    shown = session.show(frame).copy()
    assert press(session, "s") and not session.skeleton
    assert (shown[y, x] != frame[y, x]).any() and (session.show(frame)[y, x] == frame[y, x]).all()


def test_keys_edit_the_text(session):
    session.recognizer.write("HELO")
    press(session, " ")
    assert session.recognizer.text == "HELO " and "HELLO" in session.offered
    press(session, str(1 + session.offered.index("HELLO")))
    assert session.recognizer.text == "HELLO " and not session.offered
    press(session, "\b\b")
    assert session.recognizer.text == "HELL"
    press(session, "c")
    assert session.recognizer.text == ""
    assert press(session, "mx7") and not session.mirror, "a switch, and keys that do nothing"
    session.recorder = None
    assert press(session, "\rM") and session.mirror, "nothing to record: Enter does nothing, M is the switch"


def test_quitting_has_two_keys(session):
    assert not session.press(ord("q")) and not session.press(27)


@pytest.mark.parametrize("key", [0xFF51, 0xFF52, 0xFF50, 0xFF63, 0xFF7F, 0xFFE1, 0x250000, 0xF702, 0])
def test_a_key_without_a_letter_does_nothing(session, key):
    """An arrow's number ends in that of Q on some systems, and Insert's in that of C."""
    session.recognizer.write("A")
    assert session.press(key) and session.recognizer.text == "A" and not session.message


def test_keys_are_known_under_all_their_numbers(session):
    """Num Lock adds a bit, and some keys may come as X11 numbers them."""
    session.recognizer.write("ADA")
    session.press(0xFF08)
    assert session.recognizer.text == "AD"
    session.press(0x100000 | ord("c"))
    assert session.recognizer.text == ""
    assert not session.press(0xFF1B) and not session.press(0x100000 | ord("q"))
    assert session.press(0xFF8D) and session.asking, "the keypad's Enter"


def test_r_forgets_the_state_and_keeps_the_text(session):
    session.recognizer.write("A")
    session.see(picture(), 5000.0)
    press(session, "r")
    session.see(picture(), 0.0)  # a new clock: without the reset this time would be in the past
    assert session.recognizer.text == "A"


def test_what_is_recorded_can_be_read_and_goes_on_where_it_ended(session, tmp_path):
    press(session, "\rl")  # some systems tell capitals from small letters, some do not
    for t in range(5):
        session.see(picture(), 100.0 * t)
    press(session, "\r")
    session.see(picture(), 600.0)
    press(session, "\n0")
    for t in range(7, 11):
        session.see(picture(), 100.0 * t)
    press(session, "\r")
    table = read_table(tmp_path / "mine.csv")
    assert list(table.groupby("clip", sort=False).size().items()) == [("ann/L/0", 5), ("ann/nothing/1", 4)]
    assert table["t_ms"].tolist() == [0, 100, 200, 300, 400, 0, 100, 200, 300]
    np.testing.assert_allclose(table[["x0", "y0"]].iloc[0], session.hand.points[0, :2], atol=1e-5)
    again = Recorder(tmp_path / "mine.csv", "ann")
    again.begin("A")
    for t in range(3):
        again.take(session.hand, float(t))
    again.end()
    assert read_table(tmp_path / "mine.csv")["clip"].unique().tolist()[-1] == "ann/A/2"


def test_a_clip_without_a_hand_is_not_kept_and_says_so(tmp_path):
    recorder = Recorder(tmp_path / "mine.csv", "ann")
    recorder.begin("A")
    recorder.take(None, 0.0)
    assert "nothing kept" in recorder.end() and not (tmp_path / "mine.csv").exists()
    assert "no label" in recorder.begin("?") and recorder.label is None


def record(path: Path, signer: str) -> None:
    recorder = Recorder(path, signer)
    recorder.begin("A")
    for t in range(3):
        recorder.take(NoDetector().hand, float(t))
    recorder.end()


@pytest.mark.parametrize("signer", ["Bell, Ann", 'Ann "Bee"', "Ann\nBell"])
def test_clips_are_counted_whatever_the_signer_is_called(tmp_path, signer):
    for _ in range(2):
        record(tmp_path / "mine.csv", signer)
    table = read_table(tmp_path / "mine.csv")
    assert table["clip"].unique().tolist() == [f"{signer}/A/0", f"{signer}/A/1"]
    assert table["signer"].unique().tolist() == [signer]


def test_a_signers_name_cannot_be_a_formula(tmp_path):
    record(tmp_path / "mine.csv", "=1+1")
    row = read_table(tmp_path / "mine.csv").loc[0]
    assert (row["signer"], row["clip"]) == ("'=1+1", "'=1+1/A/0"), "a spreadsheet would run it"


def test_another_table_is_not_overwritten(tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(UserError, match="another kind of table"):
        Recorder(other, "ann")
    assert other.read_text("utf-8") == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("word", "language", "meant"),
    [
        ("HELO", "en", "HELLO"),
        ("BONJUR", "fr", "BONJOUR"),
        ("HELLO", "en", None),
        ("XQZJ", "en", None),
        ("A1", "en", None),
    ],
)
def test_suggestions(word, language, meant):
    found = suggestions(word, language)
    assert (meant in found) if meant else (found == [])


def test_a_film_is_read_to_its_end_in_a_terminal(capsys):
    assert cli.main(["demo", "--source", str(WORD), "--headless"]) == 0
    said = capsys.readouterr().out
    assert "Z instead of D" in said and said.rstrip().endswith("Text: JAZZ")


def test_without_the_state_the_moving_letters_are_lost(capsys):
    cli.main(["demo", "--source", str(WORD), "--headless", "--no-stateful"])
    assert "Text: JAZZ" not in capsys.readouterr().out


def test_recorded_films_train_and_evaluate_as_they_are(tmp_path, capsys):
    mine = tmp_path / "mine.csv"
    for letter in "JZ":
        film = str(FOLDER / f"{letter}.mp4")
        for signer in ("ann", "bob"):
            cli.main(
                [
                    "demo",
                    "--source",
                    film,
                    "--headless",
                    "--record",
                    str(mine),
                    "--label",
                    letter if signer == "ann" else letter.lower(),
                    "--signer",
                    signer,
                ]
            )
    assert read_table(mine).groupby("label")["clip"].nunique().to_dict() == {"J": 2, "Z": 2}
    model = tmp_path / "model"
    small = ["--epochs", "1", "--n_latent", "1", "--T_deep", "1", "--out_dir", str(model)]
    assert cli.main(["train", "--csv", str(mine), "--sequence_mode", "--val_signers", "bob", *small]) == 0
    assert (
        cli.main(["evaluate", "--csv", str(mine), "--model", str(WEIGHTS), "--sequence_mode", "--json"]) == 0
    )
    assert '"accuracy": 1.0' in capsys.readouterr().out, "the shipped model reads what was recorded"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "gone.mp4"], "There is no video gone.mp4"),
        (["--camera", "97"], "There is no camera 97"),
        (["--source", str(WORD), "--label", "A"], "needs --record"),
        (["--source", str(WORD), "--record", "x.csv", "--label", "7"], "letter of the alphabet"),
        (["--source", str(WORD), "--record", "x.csv", "--label", "space"], "letter of the alphabet"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "--headless", *words]) != 0
    heard = capsys.readouterr()
    assert said in heard.err and "Traceback" not in heard.err and len(heard.err.strip().splitlines()) == 1


def test_a_file_that_is_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("no film", "utf-8")
    with pytest.raises(UserError, match="not a video"):
        Frames(str(tmp_path / "text.mp4"))


def test_a_film_is_played_again_and_time_goes_on():
    frames, times = Frames(str(FOLDER / "J.mp4"), loops=2), []
    while not frames.ended:
        if (got := frames.read()) is not None:
            times.append(got[1])
    once = int(cv2.VideoCapture(str(FOLDER / "J.mp4")).get(cv2.CAP_PROP_FRAME_COUNT))
    assert len(times) == 2 * once and (np.diff(times) > 0).all()


def test_a_films_times_are_those_that_it_tells_even_when_its_rate_changes(tmp_path):
    """A phone films slower in the dark: here 20 frames at 30 a second, then 20 at 15; played twice."""
    _needs("ffmpeg")
    film, change = tmp_path / "dark.mp4", "setpts='if(lt(N,20),N,2*N-20)/30/TB'"
    cut = ["-i", str(WORD), "-frames:v", "40", "-vf", change, "-fps_mode", "vfr", str(film)]
    subprocess.run(["ffmpeg", "-loglevel", "error", *cut], check=True)
    frames, times = Frames(str(film), loops=2), []
    while not frames.ended:
        if (got := frames.read()) is not None:
            times.append(got[1])
    assert len(times) == 80 and times[0] == 0
    np.testing.assert_allclose(np.diff(times[:40]), 1000 / np.array([30] * 20 + [15] * 19), atol=0.1)
    np.testing.assert_allclose(np.diff(times[40:]), np.diff(times[:40]), atol=0.1)
    assert 0 < times[40] - times[39] < 100


class Camera:
    """Gives two pictures, is lost, and is there again when it is opened anew."""

    opened = 0

    def __init__(self, source):
        Camera.opened += 1
        self.left = 2

    def isOpened(self):
        return True

    def set(self, *words):
        return True

    def get(self, what):
        return 30.0

    def read(self):
        self.left -= 1
        return self.left >= 0, picture()

    def release(self):
        pass


@pytest.fixture
def camera(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr("strm.camera.AGAIN_S", -1.0)
    monkeypatch.setattr(Camera, "opened", 0)


def test_a_camera_that_goes_away_is_asked_again(camera):
    frames = Frames(0)
    got = [frames.read() for _ in range(5)]
    assert [one is None for one in got] == [False, False, True, False, False] and not frames.ended
    assert Camera.opened == 2
    times = [one[1] for one in got if one is not None]
    assert times == sorted(times)


def test_no_two_pictures_of_a_camera_have_the_same_time(camera, monkeypatch):
    """Windows' plain clock ticks every 15.6 ms, in which a camera may give two pictures."""
    tick = 0.0156
    monkeypatch.setattr(time, "monotonic", lambda clock=time.perf_counter: clock() // tick * tick)
    frames = Frames(0)
    times = [got[1] for _ in range(30) if (got := frames.read()) is not None]
    assert (np.diff(times) > 0).all()


def test_the_window_says_that_the_camera_is_away_as_long_as_it_is(camera, session, monkeypatch):
    shown, keys = [], iter([-1, -1, -1, -1, ord("q")])
    for name in ("namedWindow", "resizeWindow", "imshow", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *words: None)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *words: 1)
    monkeypatch.setattr(cv2, "waitKeyEx", lambda ms: next(keys))
    monkeypatch.setattr(demo.Demo, "show", lambda self, picture: shown.append(self.away))
    demo._window(session, Frames(0))
    assert shown == [False, False, True, False, False]


def test_away_is_written_into_the_picture_and_hides_no_message(session):
    frame = picture()
    session.message = "recording"
    plain = paint(frame, session).copy()
    session.away = True
    away = paint(frame, session).copy()
    session.away = False
    assert (away != plain).any() and (paint(frame, session) == plain).all()


def test_stopped_in_a_terminal_it_still_tells_the_text(camera, monkeypatch, capsys):
    def stopped(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Camera, "read", stopped)
    assert cli.main(["demo", "--headless"]) == 0
    assert capsys.readouterr().out == "Text: \n"


def test_the_end_of_a_long_text_is_in_the_picture(session):
    frame = picture()
    session.recognizer.write(60 * "A")
    before = paint(frame, session).copy()
    session.recognizer.backspace()
    session.recognizer.write("W")
    after = paint(frame, session)
    assert (before != after)[:, :900].any(), "the newest letter is seen"
    session.recognizer.write(60 * "W")
    assert (paint(frame, session)[400:, 940:] == frame[400:, -941::-1][:, :20]).all(), "and its cursor"


@pytest.mark.parametrize("shape", [(720, 1280, 3), (1920, 1080, 3), (720, 405, 3), (480, 480, 3)])
def test_all_words_have_room_in_pictures_of_any_shape(session, shape):
    session.recognizer.write("A")
    shown = paint(np.zeros(shape, np.uint8), session)
    assert min(shown.shape[0], 0.75 * shown.shape[1]) >= 719
    assert shown.shape[0] / shown.shape[1] == pytest.approx(shape[0] / shape[1], abs=0.01)
    assert not shown[:, -20:].any(), "the keys are told to the end"
    assert shown.any()


def test_what_is_recorded_stands_beside_its_red_dot(session):
    red = {}
    for label in ("A", "nothing"):
        session.recorder.begin(label)
        shown = paint(np.zeros((720, 1280, 3), np.uint8), session)
        red[label] = int((shown == (60, 60, 230)).all(-1).sum())
        assert not shown[:300, -20:].any(), "cut off"
    assert red["A"] == red["nothing"] > 500


def test_without_a_display_it_says_so(monkeypatch, capsys):
    if sys.platform != "linux":
        pytest.skip("only Linux can be without a display in a test")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main(["demo", "--source", str(WORD)]) != 0
    heard = capsys.readouterr().err
    assert "--headless" in heard and len(heard.strip().splitlines()) == 1


def _needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("STRM_CI"):
        pytest.fail(f"{missing} not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: no window was opened")


@pytest.fixture
def screen(tmp_path):
    """A screen that nobody sees; gives the environment of programs on it."""
    _needs("Xvfb", "xdotool")
    ready, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    number = b""
    while not number.endswith(b"\n"):  # the line may come in pieces
        number += os.read(ready, 16)
    yield os.environ | {"DISPLAY": f":{number.decode().strip()}"}
    os.close(ready)
    server.terminate()
    server.wait()


def _until(true, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def test_the_window_reads_a_word_and_hears_keys(screen, tmp_path):
    table = str(tmp_path / "mine.csv")
    program = f"""
from strm import demo
heard = []
def press(self, key, press=demo.Demo.press):
    go_on = press(self, key)
    heard.append(f"{{key}} mirror={{self.mirror}} skeleton={{self.skeleton}} text={{self.recognizer.text!r}}"
                 f" asking={{self.asking}} label={{self.recorder.label}}")
    print(heard[-1], flush=True)
    return go_on
demo.Demo.press = press
demo.run(source={str(WORD)!r}, width=640, height=480, loops=50, confidence=0.999, record={table!r})
"""
    log = (tmp_path / "log").open("w+")
    window = subprocess.Popen(
        [sys.executable, "-c", program], env=screen, stdout=log, stderr=subprocess.STDOUT
    )

    def said() -> str:
        return (tmp_path / "log").read_text("utf-8")

    def xdotool(*words: str) -> str:
        return subprocess.run(["xdotool", *words], env=screen, capture_output=True, text=True).stdout.strip()

    try:
        _until(lambda: xdotool("search", "--name", demo.WINDOW) or window.poll() is not None, 90, "no window")
        assert window.poll() is None, said()
        number = xdotool("search", "--name", demo.WINDOW).splitlines()[0]
        xdotool("windowfocus", "--sync", number)
        # The window may not have the focus yet: the first key is pressed until it is heard.
        _until(lambda: not xdotool("key", "x") and "120 " in said(), 30, "no key was heard")
        for key, sign in (
            ("m", "mirror=False"),
            ("s", "skeleton=False"),
            ("c", "text=''"),
            ("Left", "65361 mirror"),
            ("Insert", "65379 mirror"),
            ("space", "text=' '"),
            ("Return", "asking=True"),
            ("l", "label=L"),
            ("Return", "13 mirror=False skeleton=False text=' ' asking=False label=None"),
        ):
            xdotool("key", key)
            _until(lambda sign=sign: sign in said(), 30, f"{key}: {said()}")
        xdotool("key", "q")
        assert window.wait(30) == 0, said()
        assert "Text: " in said()
    finally:
        window.kill()
        log.close()


@pytest.mark.long
def test_ten_minutes_leave_nothing_behind(tmp_path):
    """A looped film: memory stays flat, the state bounded, and the last loop reads as the first."""
    import torch

    psutil = pytest.importorskip("psutil")
    recogniser, process, sizes, texts = Recognizer(load(WEIGHTS)), psutil.Process(), [], []
    frames = Frames(str(WORD), loops=105)  # of 5.8 s
    from strm.landmarks import HandDetector

    with HandDetector(video=True) as detector:
        session, count, last = demo.Demo(recogniser, detector), 0, 0
        while not frames.ended:
            if (got := frames.read()) is None:
                continue
            session.see(*got)
            count += 1
            if count % 173 == 0:
                texts.append(recogniser.text[last:])
                last = len(recogniser.text)
                sizes.append(process.memory_info().rss)
                assert max(float(part.abs().max()) for part in recogniser._state or (torch.zeros(1),)) < 10
    assert got is None and count / 30 >= 600
    assert set(texts[1:]) == {"JAZZ"}
    assert max(sizes) <= 1.05 * sizes[11], "after the first minute"


@pytest.mark.parametrize("corner", [(20, 100), (-30, 100), (310, 100), (20, 4), (20, 239), (400, 400)])
def test_words_change_the_picture_where_they_stand_and_nowhere_else(corner):
    """Light letters with a dark edge on any ground, cut off where the picture ends."""
    for ground in (0, 128, 255):
        shown = np.full((240, 320, 3), ground, np.uint8)
        write_words(shown, "Été 99%", corner, 20)
        changed = np.argwhere((shown != ground).any(-1))
        if corner[0] < 320:
            assert len(changed), "nothing was written"
            assert (np.abs(changed[:, 0] - corner[1]) < 40).all()
            colours = {tuple(pixel) for pixel in shown.reshape(-1, 3)}
            assert (255, 255, 255) in colours and (20, 20, 20) in colours, ground
        else:
            assert not len(changed)
