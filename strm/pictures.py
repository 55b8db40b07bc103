"""Photos and videos on a disk: which there are, whose hand and letter they show, and their frames by time."""

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from strm.alphabet import ASL
from strm.files import UserError
from strm.foreign import read_bytes

PHOTOS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"}
VIDEOS = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp"}
LARGEST_FILE = 2**28  # bytes of a photo
SLOWEST = 0.1  # frames a second; fewer, and the video tells no rate
FASTEST = 1000.0  # frames a second; who asks for more gets every frame
LARGEST_FRAME = 8192 * 4608  # pixels of a video's: 8K
LONGEST_GAP_MS = 600_000.0  # from frame to frame of a video; longer, and its times are broken
LIGHT, DARK = (255, 255, 255), (20, 20, 20)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # a damaged video is told of here, in words


@dataclass(frozen=True)
class Item:
    """A file to be looked at, and what is known about it beforehand. path: relative to the root, with /."""

    path: str
    label: str
    source: str
    signer: str
    clip: str


def find(root: Path, videos: bool, signer: str | None = None, signer_level: int | None = None) -> list[Item]:
    """List the photos or videos below a folder, sorted by path, each with its label.

    signer: the name for all; or signer_level: the folder that names each one's, 0 the first below the root.
    Raises UserError if there are none, or one has no label or no signer where it should.
    """
    kinds = VIDEOS if videos else PHOTOS
    if not root.is_dir():
        raise UserError(f"There is no folder {root}: name the one that holds a folder for each letter.")
    below = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in kinds)
    # What begins with a dot, or __MACOSX, was put there by a program, not by the user.
    paths = sorted(path for path in below if not any(p.startswith((".", "__MACOSX")) for p in path.parts))
    paths = [path for path in paths if (root / path).is_file()]
    if not paths:
        raise UserError(f"{root} holds no {kind(videos)} ({', '.join(sorted(kinds))}): name another folder.")
    clips = Counter(path.with_suffix("") for path in paths)
    home = Path(os.path.abspath(root)).name
    items = []
    for path in paths:
        label, above = _label(path, home, videos)
        if signer_level is not None and not 0 <= signer_level < len(above):
            raise UserError(
                f"{path} has no folder at level {signer_level} to name its signer (0: the first)."
            )
        who = above[signer_level] if signer_level is not None else signer or ""
        clip = path if clips[path.with_suffix("")] > 1 else path.with_suffix("")
        items.append(Item(path.as_posix(), label, "/".join(above) or home, who, clip.as_posix()))
    return items


def _label(path: Path, home: str, by_name: bool) -> tuple[str, tuple[str, ...]]:
    """Return a file's label and the folders above the one, if any, that named it."""
    folders, start = path.parent.parts, re.match(r"[A-Za-z]+", path.stem)
    candidates = [(folders[-1], folders[:-1])] if folders else []
    candidates += [(start[0], folders)] if by_name and start else []
    candidates += [(home, ())] if not folders else []
    for name, above in candidates:
        try:
            return ASL.label(name), above
        except UserError:
            continue
    raise UserError(
        f"{path} is in the folder {path.parent.name or home!r}, which is no letter: put it in a folder named "
        f"{ASL.letters[0]} to {ASL.letters[-1]}, {' or '.join(ASL.extras)}"
        f"{', or begin its name with that, as in J_001.mp4' if by_name else ''}."
    )


def kind(videos: bool) -> str:
    return "videos" if videos else "photos"


def read_picture(path: Path) -> np.ndarray | None:
    """Open a picture as uint8 RGB [H, W, 3], upright as its camera says; None if it cannot be read."""
    try:
        # Not cv2.imread: it cannot open every name on Windows.
        content = np.frombuffer(read_bytes(path, LARGEST_FILE), np.uint8)
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error):
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, picture)


def sample(path: Path, fps: float) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yield (frame number, t_ms, uint8 RGB picture) of a video, fps times a second by its timestamps.

    For each tick the nearest frame is taken, none twice; t_ms is the frame's own time since the first frame.
    Raises EOFError if the video cannot be opened, or at its end if that comes before it should.
    """
    # A whole path: to FFmpeg, a name alone may be more than a name (concat:a|b).
    video, fps = cv2.VideoCapture(os.path.abspath(path)), min(fps, FASTEST)
    try:
        if video.get(cv2.CAP_PROP_FRAME_WIDTH) * video.get(cv2.CAP_PROP_FRAME_HEIGHT) > LARGEST_FRAME:
            raise EOFError("has pictures of more than 8K")
        rate = video.get(cv2.CAP_PROP_FPS) if video.isOpened() else 0.0
        step = 1000 / rate if SLOWEST <= rate < FASTEST else 1000 / 30
        said = video.get(cv2.CAP_PROP_FRAME_COUNT) * step  # not positive where the file does not say
        n, t, start, tick, taken = -1, -step, 0.0, 0, -1
        before = None
        more = True
        while more:
            more, picture = video.read()
            if more:
                stamp = video.get(cv2.CAP_PROP_POS_MSEC)
                start = start if before else stamp
                # Where the times are unusable, all of them or one among good ones, the rate must do.
                n, t = n + 1, stamp - start if stamp - start > t else t + step
                if before and t - before[1] > LONGEST_GAP_MS:
                    raise EOFError("has times that jump")
                now = (n, t, picture)
            elif before is None:
                break
            known_until = t if more else t + step / 2  # the last frame may be the nearest to a later tick
            while (due := tick * 1000 / fps) <= known_until:
                nearest = before if before and due - before[1] < t - due else now
                if nearest[0] > taken:
                    taken = nearest[0]
                    yield *nearest[:2], cv2.cvtColor(nearest[2], cv2.COLOR_BGR2RGB)
                tick += 1
            before = now
    finally:
        video.release()
    if before is None:
        raise EOFError("cannot be read")
    said = min(said, _movie_ms(path))  # a trimmed video still counts the frames that it does not show
    if said - (t + step) > max(0.1 * said, 200):
        raise EOFError("ends too early")


def _movie_ms(path: Path) -> float:
    """How long an MP4 or QuickTime file says that it plays; infinity for others, or if it does not say."""
    whole = os.path.getsize(path)
    with open(path, "rb") as file:
        while len(head := file.read(8)) == 8:
            size, name = int.from_bytes(head[:4], "big"), head[4:]
            if name == b"moov":
                continue  # a box of boxes: go in
            if name == b"mvhd":
                body = file.read(32)
                scale, length = (
                    (body[20:24], body[24:32]) if body[:1] == b"\x01" else (body[12:16], body[16:20])
                )
                playing = 1000 * int.from_bytes(length, "big") / max(int.from_bytes(scale, "big"), 1)
                return playing or math.inf
            read = 8
            if size == 1:  # a box of more than 4 GB
                size, read = int.from_bytes(file.read(8), "big"), 16
            if size < read or size > whole:
                break
            file.seek(size - read, os.SEEK_CUR)
    return math.inf


def write_words(picture: np.ndarray, words: str, corner: tuple[float, float], height: float) -> None:
    """Write into a picture [H, W, 3], light with a dark edge, so that it reads on any background.

    corner: of the first letter, below left. height: of a capital. Both in pixels.
    """
    drawn, cover, base = _written(words, max(1, round(height)))
    x, y = round(corner[0]) - base[0], round(corner[1]) - base[1]
    top, left = max(0, -y), max(0, -x)
    part = picture[max(0, y) : max(0, y + len(drawn)), max(0, x) : max(0, x + drawn.shape[1])]
    inside = slice(top, top + part.shape[0]), slice(left, left + part.shape[1])
    part[:] = cv2.add(drawn[inside], cv2.multiply(part, cover[inside], scale=1 / 255)) if part.size else part


@lru_cache(
    maxsize=128
)  # a window shows the same words in every frame, and drawing letters takes milliseconds
def _written(words: str, height: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Return words on black, what of the picture shows around them (255: all), and where the corner is."""
    # OpenCV's letters are ASCII: an accent is left out rather than shown as a question mark.
    words = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    scale, thick, edge = height / 28, max(1, round(height / 10)), max(1, round(height / 16))
    (width, above), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x, y = 2 * edge + thick, above + height // 2 + 2 * edge
    mask: np.ndarray = np.zeros((y + below + height // 2, x + width + height + 2 * edge), np.uint8)
    edges, letters = mask, mask.copy()
    # The edge is the same letters moved a little: thicker ones would be wider in some versions of OpenCV.
    for i, j in product((-1, 0, 1), repeat=2):
        at = (x + i * edge, y + j * edge)
        cv2.putText(edges, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    cv2.putText(letters, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    left, top, width, height = cv2.boundingRect(edges)  # all that is drawn: the rest would cost time
    drawn_on = slice(top, top + height), slice(left, left + width)
    edges, letters = edges[drawn_on], letters[drawn_on]
    share = letters[..., None] / np.float32(255)
    colour = share * np.array(LIGHT, np.float32) + (1 - share) * np.array(DARK, np.float32)
    drawn = (colour * (edges[..., None] / np.float32(255))).astype(np.uint8)
    return drawn, np.repeat(255 - edges[..., None], 3, -1), (x - left, y - top)
