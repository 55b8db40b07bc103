"""CSV tables, packed or not, as photos, clips and streams; recordings that are gone on with."""

import atheris
from common import PLACE, fuzz, put, refusing

with atheris.instrument_imports(include=["strm"]):
    from strm import data, recorder, words

import gzip

import numpy as np
from made_up import clip, photos, still_path


def one(content: bytes) -> None:
    how, content = content[:1], content[1:]
    path = put("t.csv.gz" if how == b"z" else "t.csv", content)
    if how == b"r":
        with refusing():
            (PLACE / "mine.csv").unlink(missing_ok=True)
            put("mine.csv", content)
            recorder.Recorder(PLACE / "mine.csv", "ann").end()
        return
    with refusing():
        table = data.read_table(path, words=how == b"w")
        assert np.isfinite(data.hands(table)).all() and np.isfinite(data.photo_features(table)).all()
        assert all(np.isfinite(one.hands).all() for one in data.clips(table))
        assert all(len(stream.hands) == len(stream.t_ms) for stream in words.streams(table))


def seeds() -> list[bytes]:
    shot = photos("A", 1, each=2).round(3).to_csv(index=False).encode()
    film = clip("J", 0, still_path(3), "c").round(3).to_csv(index=False).encode()
    plain = photos("B", 1, each=1)[["label", *data.COORDINATES]].round(3).to_csv(index=False).encode()
    header = (",".join(recorder.COLUMNS) + "\n").encode()
    return [
        *(b"c" + table for table in (shot, film, plain)),
        b"w" + film.replace(b"\nJ,", b"\nJazz,"),
        b"z" + gzip.compress(plain),
        b"r" + header,
    ]


if __name__ == "__main__":
    fuzz(one, seeds())
