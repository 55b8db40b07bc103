"""`strm read`: a person's own photo is the shortest path to the model."""

import cv2
import numpy as np
import pytest
from PIL import Image

from strm import cli, read
from strm.files import UserError
from strm.landmarks import Hand


def png(path):
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def plain(path):
    """A picture without a hand."""
    path.write_bytes(cv2.imencode(path.suffix, np.full((200, 200, 3), 127, np.uint8))[1].tobytes())
    return path


def test_a_photo_becomes_a_letter_and_a_drawing(hand_photo, tmp_path, capsys):
    photo = hand_photo("V", tmp_path / "victory.jpg")
    assert cli.main(["read", str(photo)]) == 0
    out = capsys.readouterr().out
    assert " V " in out and "%" in out
    drawing, original = png(tmp_path / "victory.read.png"), png(photo)
    assert drawing.shape == original.shape
    changed = np.abs(drawing.astype(int) - original).max(-1) > 40
    assert 0.01 < changed.mean() < 0.5, "the landmarks are drawn, the photo is still there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["victory.jpg", "victory.read.png"]


def test_a_photo_without_a_hand_does_not_stop_the_others(hand_photo, tmp_path, capsys):
    photos = [plain(tmp_path / "wall.png"), hand_photo("V", tmp_path / "v.png")]
    assert cli.main(["read", *map(str, photos)]) == 1
    out = capsys.readouterr().out
    assert "wall.png: no hand found" in out
    assert (tmp_path / "v.read.png").exists() and not (tmp_path / "wall.read.png").exists()


def test_drawings_go_where_they_are_asked_to_and_none_hides_another(hand_photo, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        hand_photo("V", tmp_path / folder / "v.png")
    photos = [str(tmp_path / folder / "v.png") for folder in ("one", "two")]
    assert cli.main(["read", *photos, "--out_dir", str(tmp_path / "drawn")]) == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["v-2.read.png", "v.read.png"]


@pytest.mark.parametrize(
    "name, content", [("missing.jpg", None), ("text.jpg", b"not a picture"), ("empty.png", b"")]
)
def test_what_is_no_picture_is_one_sentence(name, content, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert cli.main(["read", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert name in error and "Traceback" not in error


def test_a_folder_is_no_photo(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        read.read_photo(tmp_path)


def test_what_was_read_before_a_mistake_is_told(hand_photo, tmp_path, capsys):
    photo = hand_photo("V", tmp_path / "v.png")
    assert cli.main(["read", str(photo), str(tmp_path / "missing.png")]) == 2
    assert " V " in capsys.readouterr().out


def test_a_model_that_is_not_there_is_one_sentence(hand_photo, tmp_path, capsys):
    photo = hand_photo("V", tmp_path / "v.png")
    assert cli.main(["read", str(photo), "--model", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright, stored lying
    Image.new("RGB", (40, 20)).save(tmp_path / "upright.jpg", exif=exif)
    assert read.read_photo(tmp_path / "upright.jpg").shape == (40, 20, 3)


def test_names_beyond_ascii_are_read_and_written(tmp_path):
    picture = np.zeros((30, 20, 3), np.uint8)
    picture[:, :, 0] = 200
    read.save_png(tmp_path / "été ☀.png", picture)
    np.testing.assert_array_equal(read.read_photo(tmp_path / "été ☀.png"), picture)


def test_drawing_leaves_the_picture_alone_and_keeps_it_small():
    picture = np.zeros((1500, 3000, 3), np.uint8)
    points = np.random.default_rng(0).uniform(0.3, 0.7, (21, 3)).astype(np.float32)
    drawn = read.draw(picture, Hand(points, "Right", 1.0, 3000, 1500), "A")
    assert drawn.shape == (640, 1280, 3) and not picture.any()
    x, y = np.rint(points[8, :2] * [1280, 640]).astype(int)
    assert tuple(drawn[y, x]) == read.JOINT
