"""Photos and videos: what is none, or claims what it is not."""

import atheris
from common import PLACE, fuzz, put

with atheris.instrument_imports(include=["strm"]):
    from strm import pictures

import math
import struct

import cv2
import numpy as np

KINDS = {b"a": ".avi", b"m": ".mp4", b"w": ".webm"}


def one(content: bytes) -> None:
    how, content = content[:1], content[1:]
    if how not in KINDS:
        picture = pictures.read_picture(put("photo.png", content))
        assert picture is None or (picture.dtype == np.uint8 and picture.shape[2] == 3)
        return
    path = put(f"film{KINDS[how]}", content)
    length = pictures._movie_ms(path)
    assert length >= 0 or math.isinf(length)
    times = []
    try:
        for n, t_ms, picture in pictures.sample(path, 15):
            assert picture.ndim == 3
            times.append((n, t_ms))
    except (EOFError, cv2.error):  # both are told in words
        pass
    assert times == sorted(set(times))


def film(suffix: str, code: str) -> bytes:
    path = PLACE / f"seed{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 15, (32, 24))
    for i in range(4):
        writer.write(np.full((24, 32, 3), 50 * i, np.uint8))
    writer.release()
    return path.read_bytes()


def slow(content: bytes) -> bytes:
    """A film that shows each picture for years: the fuzzer found that we waited for them."""
    at = content.index(b"strh") + 28  # a picture lasts scale / rate seconds
    return content[:at] + struct.pack("<II", 2**31 - 1, 1) + content[at + 8 :]


def seeds() -> list[bytes]:
    picture = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    photos = [
        b"p" + cv2.imencode(suffix, picture)[1].tobytes()
        for suffix in (".png", ".jpg", ".bmp", ".webp", ".tiff")
    ]
    avi = film(".avi", "MJPG")
    return [*photos, b"a" + avi, b"a" + slow(avi), b"m" + film(".mp4", "mp4v")]


if __name__ == "__main__":
    fuzz(one, seeds())
