"""What is no table, or no file at all: refused in one sentence, and no name in it reaches the terminal."""

import gzip
import io
import os
import zipfile

import pytest
from broken import greedy, model, one_sentence, plain_table, refused

from strm import cli, extract
from strm.bundle import load
from strm.data import read_table

TABLES = {
    "nothing": b"",
    "a line's end": b"\n\n",
    "zero bytes": b"\0" * 5000,
    "UTF-16": plain_table().encode("utf-16"),
    "Latin-1": plain_table().replace("A,", "\xe9,").encode("latin-1"),
    "a pickle": greedy(1 << 30),
    "half a quotation": b'"label,x0\n' + b"A,1\n" * 50_000,
    "a quotation in the middle": plain_table().replace("A,", '"A,', 1).encode(),
    "one name twice": plain_table().replace("y0", "x0", 1).encode(),
    "a cell too many": plain_table().replace("\n", ",7\n").replace(",7\n", "\n", 1).encode(),
    "a cell too few": "".join(row.rpartition(",")[0] + "\n" for row in plain_table().splitlines()).encode(),
    "a name to the terminal": plain_table().replace("A,", "\x1b[2J,").encode(),
    "a name of a megabyte": plain_table().replace("A,", "A" * 2**20 + ",").encode(),
    "an address": b"http://localhost:1/a.csv",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_what_is_no_table_is_refused(tmp_path, name, packed):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(TABLES[name]) if packed else TABLES[name])
    said = refused(read_table, path)
    assert str(path) in said and len(said) < 1000


def test_what_is_packed_in_another_way_is_refused(tmp_path):
    import bz2
    import lzma

    content = plain_table().encode()
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as file:
        file.writestr("../../t.csv", content)
    packed = {
        "gz": content,
        "zip": inside.getvalue(),
        "bz2": bz2.compress(content),
        "xz": lzma.compress(content),
    }
    for kind in (*packed, "tar", "zst"):
        path = tmp_path / f"t.csv.{kind}"
        path.write_bytes(packed.get(kind, b"\x28\xb5\x2f\xfd" * 9))
        refused(read_table, path)
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(content)[:-20])
    refused(read_table, path)
    assert len(list(tmp_path.iterdir())) == 7, "nothing is unpacked beside them"


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    places = [
        tmp_path / "folder.csv",
        tmp_path / "nowhere.csv",
        tmp_path / "nul\0.csv",
        "http://localhost:1/t.csv",
    ]
    if hasattr(os, "symlink") and os.name != "nt":
        (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
        (tmp_path / "endless.csv").symlink_to("/dev/zero")
        places += [tmp_path / "loop.csv", tmp_path / "endless.csv"]
    for place in places:
        refused(read_table, place)
        refused(load, place)
        refused(extract.extract_images, place, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "command", ["evaluate --model {} --csv {}", "train --csv {}", "images --root {} --out_csv {}", "read {}"]
)
def test_a_name_that_is_too_long_is_one_sentence(tmp_path, capfd, command):
    assert cli.main(command.replace("{}", str(tmp_path / ("a" * 5000))).split()) == 2
    assert one_sentence(capfd.readouterr().err.removesuffix("\n"))


def test_a_label_cannot_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(plain_table().replace("A,", "\x1b[2J,"), "utf-8")
    assert cli.main(["evaluate", "--csv", str(path), "--model", str(model(tmp_path / "m"))]) == 2
    said = capsys.readouterr()
    assert one_sentence(said.err.removesuffix("\n")) and not said.out
