"""Tables of landmarks: what is read, what is refused and why, who is split from whom, what time does."""

import gzip

import numpy as np
import pandas as pd
import pytest
from made_up import SIZE, clip, photos, pose, read, rows, still_path, stroke

from strm import cli
from strm.alphabet import ASL
from strm.data import (
    COORDINATES,
    clips,
    hands,
    is_moving,
    people,
    photo_features,
    read_table,
    resample,
    split_by_signer,
)
from strm.files import UserError


@pytest.fixture
def table():
    return photos("AB", people=2, each=2)


def refused(table, folder, *words):
    """What `table` is refused with: one line that holds these words."""
    with pytest.raises(UserError) as error:
        read(table, folder)
    for word in ("made_up_0.csv", *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_a_whole_table_is_read_as_it_is(table, tmp_path):
    back = read(table, tmp_path)
    assert back["label"].tolist() == ["A", "A", "B", "B"] * 2
    assert set(back["signer"]) == {"p0", "p1"} and set(back["source"]) == {"made_up_0"}
    np.testing.assert_allclose(back[COORDINATES], table[COORDINATES], atol=1e-12)


def test_a_plain_table_of_63_columns_and_a_label_is_enough(table, tmp_path):
    back = read(table[["label", *COORDINATES]], tmp_path)
    assert (back["handedness"] == "Right").all() and (back["signer"] == "").all()
    assert back["clip"].is_unique and (back["t_ms"] == 0).all(), "every row is a photo of its own"
    assert photo_features(back).shape == (8, 63) and len(clips(back)) == 8


def test_columns_may_come_in_any_order_and_others_stay(table, tmp_path):
    shuffled = table[[*reversed(table.columns)]].assign(weather="fine")
    back = read(shuffled, tmp_path)
    assert (back["weather"] == "fine").all()
    np.testing.assert_allclose(hands(back), hands(read(table, tmp_path)))


@pytest.mark.parametrize("packed", [False, True])
def test_a_path_alone_and_a_packed_file_are_read(table, tmp_path, packed):
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    table.to_csv(path, index=False)
    assert len(read_table(path)) == len(read_table(str(path))) == 8
    assert read_table(path)["source"].iloc[0] == "a"


@pytest.mark.parametrize("name", ["label", "x0", "y7", "z20"])
def test_a_missing_or_misnamed_column_is_named(table, tmp_path, name):
    refused(table.drop(columns=name), tmp_path, repr(name), "no column")
    refused(table.rename(columns={name: name.upper()}), tmp_path, repr(name), "no column")


def test_many_missing_columns_are_counted(table, tmp_path):
    refused(table[["label"]], tmp_path, "'x0' and 62 more")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, "near"])
@pytest.mark.parametrize("name", ["x0", "y20"])
def test_x_and_y_must_be_numbers_and_the_line_is_named(table, tmp_path, name, value):
    table[name] = table[name].astype(object)
    table.loc[3, name] = value
    refused(table, tmp_path, "line 5", name)


@pytest.mark.parametrize(("name", "value"), [("t_ms", "soon"), ("frame", "x"), ("width", 0), ("height", -5)])
def test_times_and_sizes_must_make_sense_too(table, tmp_path, name, value):
    table[name] = pd.Series([1] * len(table), dtype=object)
    table.loc[2, name] = value
    refused(table, tmp_path, "line 4", name)


def test_an_unknown_depth_is_zero(table, tmp_path):
    depth = [f"z{i}" for i in range(21)]
    table.loc[1, depth] = np.nan
    back = hands(read(table, tmp_path))
    assert (back[1, :, 2] == 0).all() and np.isfinite(back).all()
    assert np.ptp(back[0, :, 2]) > 0, "the others keep their depth"


def test_a_depth_that_is_known_in_part_is_an_error(table, tmp_path):
    table.loc[2, "z7"] = np.nan
    refused(table, tmp_path, "line 4", "z", "all 21 or none")
    table["z7"] = table["z7"].fillna(np.inf)
    refused(table, tmp_path, "line 4", "z7")


def test_a_frame_without_a_hand_written_as_zeros_is_an_error(table, tmp_path):
    table.loc[4, COORDINATES] = 0.0
    refused(table, tmp_path, "line 6", "no size")


@pytest.mark.parametrize("label", ["AA", "Ä", "held:A", "held", "1", "", None])
def test_an_unknown_label_is_named(table, tmp_path, label):
    table.loc[3, "label"] = label
    refused(table, tmp_path, "Unknown label", repr(label or ""))


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("a", "A"),
        (" Q ", "Q"),
        ("SPACE", "space"),
        ("Nothing", "nothing"),
        ("del", "del"),
        ("held:J", "I"),
        ("HELD:z", "D"),
        ("word:coffee", "nothing"),
        ("Word:", "nothing"),
    ],
)
def test_labels_become_classes(table, tmp_path, label, meaning):
    assert ASL.label(label) == meaning
    table.loc[0, "label"] = label
    assert read(table, tmp_path)["label"].iloc[0] == meaning


def test_classes_come_in_the_alphabets_order():
    assert ASL.order({"nothing", "Z", "B", "space", "A"}) == ["A", "B", "Z", "nothing", "space"]
    assert len(ASL.still) == 24 and not {*ASL.still} & {*ASL.moving}


def test_no_rows_is_an_error(table, tmp_path):
    refused(table.iloc[:0], tmp_path, "no rows")


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n\x00\xff\xfe" * 40, b"\x00" * 99, b"a,b\n1,2,3\n1\n1,2,3,4,5\n"]
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_file_that_is_no_table_is_an_error(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        read_table(tmp_path / name)


def test_half_a_packed_file_is_an_error(table, tmp_path):
    whole = gzip.compress(table.to_csv(index=False).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a readable CSV"):
        read_table(tmp_path / "a.csv.gz")


def test_a_packed_file_with_a_wrong_byte_anywhere_is_no_crash(table, tmp_path):
    whole, path = gzip.compress(table.to_csv(index=False).encode()), tmp_path / "a.csv.gz"
    for place in range(12, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 255
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.csv\.gz"):
            read_table(path)


def test_a_row_longer_than_the_header_shifts_nothing(table, tmp_path):
    path = tmp_path / "a.csv"
    header, *lines = table.to_csv(index=False).splitlines()
    for broken in ([*lines[:3], lines[3] + ",1", *lines[4:]], [line + ",1" for line in lines]):
        path.write_text("\n".join([header, *broken]), encoding="utf-8")
        with pytest.raises(UserError, match=r"a\.csv"):
            read_table(path)


def test_a_missing_file_a_folder_and_no_file_at_all_are_errors(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv does not exist"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="not a readable CSV"):
        read_table(tmp_path)
    with pytest.raises(UserError, match="at least one"):
        read_table([])


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_the_command_line_says_so_in_one_line(table, tmp_path, capsys, command, monkeypatch):
    monkeypatch.setattr("strm.evaluate.fetch", lambda model: None)
    path = tmp_path / "a.csv"
    table.rename(columns={"x3": "X3"}).to_csv(path, index=False)
    assert cli.main([command, "--csv", str(path)]) == 2
    said = capsys.readouterr()
    assert "'x3'" in said.err and said.err.count("\n") == 1 and not said.out


def test_the_left_hand_is_a_right_hand_in_a_mirror(table, tmp_path):
    mirrored = table.assign(handedness="Left", **{f"x{i}": 1 - table[f"x{i}"] for i in range(21)})
    right, left = (photo_features(read(t, tmp_path)) for t in (table, mirrored))
    np.testing.assert_allclose(left, right, atol=1e-5)
    as_right = photo_features(read(mirrored.assign(handedness="right"), tmp_path))
    assert np.abs(as_right - right).max() > 0.1
    refused(table.assign(handedness="both"), tmp_path, "handedness", "'both'")


def test_the_pictures_shape_is_undone_and_an_unknown_one_is_square(table, tmp_path):
    wide = table.assign(width=2 * SIZE, **{f"x{i}": table[f"x{i}"] / 2 for i in range(21)})
    wide = wide.assign(**{f"z{i}": table[f"z{i}"] / 2 for i in range(21)})  # z is on x's scale
    right = photo_features(read(table, tmp_path))
    np.testing.assert_allclose(photo_features(read(wide, tmp_path)), right, atol=1e-5)
    for unknown in ({"width": np.nan}, {"height": np.nan}, {"width": np.nan, "height": np.nan}):
        half = photo_features(read(table.assign(**unknown), tmp_path))
        np.testing.assert_allclose(half, right, atol=1e-5, err_msg=str(unknown))


def test_the_same_clip_name_in_two_files_is_two_clips(tmp_path):
    one, two, three = (clip(label, 0, still_path(5), "c") for label in "ABC")
    back = read([one, two, three], tmp_path)
    assert [(c.label, len(c.hands)) for c in clips(back)] == [("A", 5), ("B", 5), ("C", 5)]
    assert back["clip"].nunique() == 3 and set(back["source"]) == {"made_up_0", "made_up_1", "made_up_2"}


@pytest.mark.parametrize("fps", [12.0, 29.97, 30.0])
def test_missing_times_are_filled_in_at_fps(tmp_path, fps):
    made = clip("A", 0, still_path(10), "c")
    for without in (made.drop(columns="t_ms"), made.drop(columns=["t_ms", "frame"])):
        back = read(without, tmp_path, fps=fps)
        np.testing.assert_allclose(back["t_ms"], np.arange(10) * 1000 / fps)
    given = read(made, tmp_path, fps=fps)
    np.testing.assert_allclose(given["t_ms"], made["t_ms"], err_msg="times that are there stay")


@pytest.mark.parametrize("fps", [0, -30, 5000, np.nan])
def test_an_absurd_rate_is_an_error(table, tmp_path, fps):
    with pytest.raises(UserError, match="--fps"):
        read(table, tmp_path, fps=fps)


def by_hand(made: pd.DataFrame) -> np.ndarray:
    """A clip at 15 frames a second, each coordinate on its own: [S, 63] in pixels."""
    t = made["t_ms"].to_numpy()
    ticks = np.arange(int(np.floor((t[-1] - t[0]) / (1000 / 15) + 1e-6)) + 1) * 1000 / 15 + t[0]
    return np.stack([np.interp(ticks, t, made[name] * SIZE) for name in COORDINATES], 1)


@pytest.mark.parametrize("fps", [8, 12, 15, 29.97, 30, 60])
def test_clips_are_resampled_to_15_frames_a_second_by_time(tmp_path, fps):
    made = clip("J", 0, stroke(round(1.3 * fps)), "c", fps=fps)
    (found,) = clips(read(made, tmp_path))
    np.testing.assert_allclose(found.hands.reshape(-1, 63), by_hand(made), atol=1e-3)
    assert (found.label, found.person, found.source, found.name) == ("J", "p0", "made_up_0", "c")


def test_irregular_times_and_rows_in_any_order_too(tmp_path):
    made = clip("J", 0, stroke(20), "c")
    made["t_ms"] = 5000 + np.cumsum(np.random.default_rng(0).uniform(5, 190, 20))
    (found,) = clips(read(made.sample(frac=1, random_state=1), tmp_path))
    np.testing.assert_allclose(found.hands.reshape(-1, 63), by_hand(made), atol=1e-3)


def test_two_frames_at_one_time_are_an_error(tmp_path):
    made = clip("A", 0, still_path(5), "c")
    made.loc[3, "t_ms"] = made.loc[2, "t_ms"]
    with pytest.raises(UserError, match="'c' has two frames at one time"):
        clips(read(made, tmp_path))


def test_copies_of_a_photo_are_photos(tmp_path):
    """Augmented copies share clip and frame: they are no clip, and they stay with whoever signed them."""
    copies = rows(np.stack([pose("A", 0)] * 6), "A", clip="photo1", frame=0, signer=["p0"] * 6)
    back = read([copies, photos("A", 1, start=1)], tmp_path)
    assert not is_moving(back).any() and len(clips(back)) == 10
    assert all(len(c.hands) == 1 for c in clips(back))
    rest, chosen = split_by_signer(back, ["p0"])
    assert len(chosen) == 6 and set(rest["signer"]) == {"p1"}
    # Without a signer they go together too: by file, or, where that is empty as well, by clip.
    nobody = back.assign(signer="", source="")
    rest, chosen = split_by_signer(nobody, ["photo1"])
    assert len(chosen) == 6 and len(rest) == 4


def test_a_clip_begins_where_the_hand_has_come_to_its_letter(tmp_path):
    """Where a table tells phases: what came before is another letter, or none. 'nothing' keeps its coming."""
    phases = ["enter", "transition", "hold", "hold", "transition", "rest"]
    for label, kept in (("B", 4), ("nothing", 6)):
        table = clip(label, 0, still_path(6), "c").assign(phase=phases)
        (found,) = clips(read(table, tmp_path))
        whole = hands(read(table.drop(columns="phase"), tmp_path))
        np.testing.assert_allclose(found.hands, whole[6 - kept :], rtol=1e-5)


def test_frames_of_a_clip_are_a_clip(tmp_path):
    back = read([clip("A", 0, still_path(4), "c"), photos("A", 1, each=2)], tmp_path)
    assert is_moving(back).tolist() == [True] * 4 + [False] * 2


@pytest.fixture
def crowd(tmp_path):
    names = ["ann", "ann/left", "annette", "", "", "bob"]
    made = photos("A", 1, each=6).assign(signer=names, source=["s1", "s1", "s1", "s2", "s3", "s2"])
    return read(made, tmp_path)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["annette"], [2]),
        (["ann"], [0, 1]),  # the group, and nobody whose name merely begins so
        (["ann/left"], [1]),
        (["s1"], [0, 1, 2]),
        (["s2"], [3, 5]),
        (["bob", "s3"], [4, 5]),
    ],
)
def test_split_by_signer_group_or_source(crowd, names, chosen):
    crowd["row"] = range(6)
    rest, taken = split_by_signer(crowd, names)
    assert taken["row"].tolist() == chosen
    assert rest["row"].tolist() == [row for row in range(6) if row not in chosen]
    assert list(rest.index) == list(range(len(rest)))


def test_who_is_nobody_or_everybody_is_an_error(crowd):
    with pytest.raises(UserError, match=r"'carl'.*ann, ann/left, annette, bob"):
        split_by_signer(crowd, ["ann", "carl"])
    with pytest.raises(UserError, match="everyone"):
        split_by_signer(crowd, ["s1", "s2", "s3"])


def test_people_are_signers_or_else_sources_or_else_clips(crowd):
    assert people(crowd).tolist() == ["ann", "ann/left", "annette", "s2", "s3", "bob"]
    crowd["source"], crowd["clip"] = "", list("uvwxyz")
    assert people(crowd).tolist() == ["ann", "ann/left", "annette", "x", "y", "bob"]


def test_a_last_frame_whose_time_was_rounded_down_counts():
    times = np.array([0, 66.6, 133.3, 199.9])  # thirds of 200 ms, as files write them
    assert len(resample(np.arange(4.0), times)) == 4
    assert len(resample(np.arange(4.0), times - [0, 0, 0, 5])) == 3, "one that comes much sooner is another"
