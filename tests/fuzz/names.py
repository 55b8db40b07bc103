"""Labels, words, the names of files and people, and the part files of an extraction."""

import atheris
from common import fuzz, put, refusing

with atheris.instrument_imports(include=["strm"]):
    from strm import alphabet, extract, files, parts, pictures

import csv
import io
import json
from pathlib import PurePosixPath


def one(content: bytes) -> None:
    found = parts.read_part(put("part.json", content), 2)
    if found is not None:
        again = put("again.json", b"")
        parts.write_part(again, *found)
        assert repr(parts.read_part(again, 2)) == repr(found)
    text = atheris.FuzzedDataProvider(content).ConsumeUnicode(40)
    for meaning in (alphabet.ASL.label, alphabet.ASL.word):
        with refusing():
            meaning(text)
    assert files.visible(text).isprintable()
    written = extract.harmless(text)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerow([written, written])
    written.encode()
    assert not written.startswith(extract.FORMULA)
    assert [*csv.reader(io.StringIO(table.getvalue(), newline=""))] == [[written, written]]
    path = PurePosixPath("-".join(text.split("\0")) or "a")
    if path.name:
        with refusing():
            label, above = pictures._label(path, "home", True)
            assert label in (*alphabet.ASL.letters, *alphabet.ASL.extras) and len(above) < len(path.parts)


def seeds() -> list[bytes]:
    part = json.dumps([[["A", 1]], [["A/1.jpg", "", "", "no hand"]]]).encode()
    return [
        part,
        b"held:J",
        b"word:jazz",
        b"A/J_001.mp4",
        b"=1+1",
        "Ärzte\n\r\x1b[2J".encode(),
        b"ann/del/x.png",
    ]


if __name__ == "__main__":
    fuzz(one, seeds())
