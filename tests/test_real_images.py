"""The detector on real photos, against landmarks that others measured. Writes data/results/detector.json."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strm.extract import extract_images
from strm.files import replacing
from strm.landmarks import MIDDLE_KNUCKLE, POINTS, WRIST

pytestmark = pytest.mark.long

RESULTS = Path(__file__).parents[1] / "data" / "results" / "detector.json"
XY = [f"{axis}{point}" for point in range(POINTS) for axis in "xy"]


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("STRM_REAL_DATA")
    if not folder:
        pytest.skip("STRM_REAL_DATA is not set: there are no real photos to look at")
    return Path(folder)


@pytest.fixture(scope="module")
def found(data, tmp_path_factory) -> pd.DataFrame:
    """What `strm images` writes for all photos, with the photo's file as images.csv names it."""
    out = tmp_path_factory.mktemp("real") / "photos.csv"
    extract_images(data / "images", out, jobs=os.cpu_count() or 1)
    table = pd.read_csv(out)
    listed = pd.read_csv(data / "images.csv")
    listed["photo"] = listed["file"].str.removeprefix("images/").str.rsplit(".", n=1).str[0]
    table = listed.rename(columns={"clip": "known"}).merge(table, "left", left_on="photo", right_on="clip")
    assert len(table) == len(listed) == 780
    return table


@pytest.fixture(scope="module")
def compared(data, found) -> pd.DataFrame:
    """The photos whose landmarks others measured too, with the distance between both, in hand sizes.

    Where a photo has several known rows (its augmented copies: one of them, nobody wrote down which, is
    the picture here), the nearest one counts. `rows` says how many there were.
    """
    known = pd.read_csv(data / "photos.csv.gz").groupby("clip")
    compared = []
    for photo in found[found["known"].notna() & found["clip"].notna()].itertuples():
        # Both in pixels of this picture, so that its sides count alike.
        size = np.array([photo.width, photo.height])
        ours = found.loc[photo.Index, XY].to_numpy(float).reshape(POINTS, 2) * size
        rows = known.get_group(photo.known)
        theirs = rows[XY].to_numpy(float).reshape(-1, POINTS, 2) * size
        hand = np.linalg.norm(ours[MIDDLE_KNUCKLE] - ours[WRIST])
        off = np.linalg.norm(ours - theirs, axis=-1) / hand
        nearest = np.median(off, -1).argmin()
        same_side = rows["handedness"].iloc[nearest] == photo.handedness
        compared.append((photo.source, len(rows), off[nearest], same_side))
    return pd.DataFrame(compared, columns=["source", "rows", "off", "same_side"])


@pytest.fixture(scope="module")
def figures(found, compared) -> dict:
    source = found["photo"].str.split("/").str[0]
    alone = compared[compared["rows"] == 1]
    figures = {
        "what": "strm images on real photos; landmarks and sides against those that the sources measured",
        "made_by": "pytest -m long tests/test_real_images.py",
        "photos": len(found),
        "found": int(found["clip"].notna().sum()),
        "found_share": share(found["clip"].notna()),
        "found_share_per_source": {name: share(hit) for name, hit in found["clip"].notna().groupby(source)},
        "compared": len(compared),
        "landmark_error": error(compared),  # median over all landmarks, in wrist to middle knuckle
        "landmark_error_per_source": {name: error(rows) for name, rows in compared.groupby("source")},
        "same_side": share(compared["same_side"]),
        "same_side_per_source": {name: share(same) for name, same in compared.groupby("source")["same_side"]},
        "photos_with_one_known_row": {
            "compared": len(alone),
            "landmark_error": error(alone),
            "same_side": share(alone["same_side"]),
        },
        "versions": {name: version(name) for name in ("mediapipe", "opencv-contrib-python", "numpy")},
    }
    with replacing(RESULTS) as temporary:
        temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def share(hits: pd.Series) -> float:
    return round(float(hits.mean()), 4)


def error(rows: pd.DataFrame) -> float:
    return round(float(np.median(np.stack(rows["off"].to_list()))), 4)


def test_a_hand_is_found_in_nine_photos_of_ten(figures):
    assert figures["photos"] == 780
    assert figures["found_share"] >= 0.9


def test_landmarks_agree_within_4_percent_of_the_hand(figures):
    assert figures["compared"] >= 0.9 * 434, "most photos with known landmarks take part"
    assert figures["landmark_error"] <= 0.04
    assert figures["photos_with_one_known_row"]["landmark_error"] <= 0.04, "where there is nothing to choose"


def test_the_side_is_the_signers(figures):
    assert figures["same_side"] >= 0.97


def test_every_row_is_a_photo_of_its_folder(found):
    rows = found[found["clip"].notna()]
    assert (rows["label"] == rows["photo"].str.split("/").str[1]).all()
    assert (rows["source"] == rows["photo"].str.split("/").str[0]).all()
    assert rows["clip"].is_unique and rows["t_ms"].isna().all() and (rows["frame"] == 0).all()
