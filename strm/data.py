"""Tables of landmarks: read, checked, split by signer; photos and clips as arrays.

The schema is that of `strm images` and `strm videos`: `label, source, signer, clip, frame, t_ms, handedness,
score, width, height, x0, y0, z0, … x20, y20, z20`. Only `label` and the 63 coordinates must be there.
"""

import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from strm.alphabet import ASL
from strm.files import UserError
from strm.foreign import open_table
from strm.landmarks import (
    FARTHEST,
    FPS,
    LATEST,
    POINTS,
    SMALLEST_PALM,
    motion_features,
    palm_size,
    right_handed,
)

COORDINATES = [f"{axis}{i}" for i in range(POINTS) for axis in "xyz"]
TEXT = {"source": "", "signer": "", "clip": "", "handedness": ""}
NUMBERS = {"frame": np.nan, "t_ms": np.nan, "score": np.nan, "width": np.nan, "height": np.nan}
COMING = ("enter", "transition")  # phases of the studio's clips
ROUNDING_MS = 0.5
LONGEST_GAP_MS = 10_000.0  # from frame to frame of a clip, on average: few rows must not become many frames


@dataclass(frozen=True)
class Clip:
    """A recorded stream at 15 frames a second: hands [S, 21, 3], isotropic and right-handed."""

    label: str
    person: str
    source: str
    name: str
    hands: np.ndarray


def read_table(
    paths: str | Path | Sequence[str | Path], fps: float = 30.0, words: bool = False
) -> pd.DataFrame:
    """Read one or several CSV files (.gz too) into one checked table; extra columns stay.

    Labels become classes (`held:J` an I, `word:…` 'nothing'); a clip's missing `t_ms` is filled in at `fps`.
    words: labels are what a stream spells instead (`Alphabet.word`).
    Raises UserError for a missing column, NaN or infinity in x or y, an unknown label, or no rows at all.
    """
    if not 0 < fps < 1000:
        raise UserError(f"--fps {fps} is no frame rate: give frames a second, 30 for example.")
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise UserError("No CSV file given: name at least one.")
    tables = [_read_one(Path(path), fps, ASL.word if words else ASL.label) for path in paths]
    for number, table in enumerate(tables[1:], 1):  # the same name in two files is two clips
        known = set(pd.concat([t["clip"] for t in tables[:number]]))
        if known & set(table["clip"]):
            table["clip"] = f"{number}:" + table["clip"]
    return pd.concat(tables, ignore_index=True)


def _read_one(path: Path, fps: float, meaning: Callable[[str], str]) -> pd.DataFrame:
    try:
        with warnings.catch_warnings(), open_table(path) as file:
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # As they stand there: a signer may be called NA, and a word may be NULL.
            as_text = dict.fromkeys(("label", *TEXT), str)
            table = pd.read_csv(file, converters=as_text, low_memory=False, index_col=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the name after --csv.") from None
    except (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserWarning) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} is not a readable CSV table ({reason}).") from None
    missing = [name for name in ("label", *COORDINATES) if name not in table.columns]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{path} has no column {missing[0]!r}{more}: it needs label, x0, y0, z0 to x20, y20, z20."
        )
    if table.empty:
        raise UserError(f"{path} has no rows: extract landmarks into it first (strm images, strm videos).")
    for name, default in (TEXT | NUMBERS).items():
        if name not in table.columns:
            table[name] = default
    _check_numbers(table, path)
    try:
        names = {text: meaning(text) for text in table["label"].unique()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    table["label"] = table["label"].map(names)
    side = table["handedness"].str.casefold()
    strange = table["handedness"][~side.isin(["left", "right", ""])]
    if len(strange):
        raise UserError(f"{path}: handedness must be Left, Right or empty, not {strange.iloc[0]!r}.")
    # An unknown side is taken for the more common one.
    table["handedness"] = np.where(side == "left", "Left", "Right")
    table["source"] = table["source"].where(table["source"] != "", path.name.split(".")[0])
    unnamed = table["clip"] == ""
    table["clip"] = table["clip"].where(~unnamed, [f"{path.name}:{row}" for row in range(len(table))])
    table["frame"] = table["frame"].where(table["frame"].notna(), table.groupby("clip").cumcount())
    table["t_ms"] = table["t_ms"].where(table["t_ms"].notna(), table["frame"] * 1000 / fps)
    return table


def _check_numbers(table: pd.DataFrame, path: Path) -> None:
    """Make coordinates and sizes numbers, or say in which line they are not."""

    def fail(wrong: np.ndarray, name: str, what: str) -> None:
        if wrong.any():
            line = int(np.argmax(wrong)) + 2  # the header is line 1
            raise UserError(f"{path}, line {line}: {name} {what}.")

    for name in (*NUMBERS, *COORDINATES):
        text, number = table[name], pd.to_numeric(table[name], errors="coerce")
        fail((number.isna() & text.notna()).to_numpy(), name, "is not a number")
        most = FARTHEST if name in COORDINATES else LATEST
        fail((number.abs() > most).to_numpy(), name, "is infinite: leave out frames without a hand")
        if name[0] in "xy" and name in COORDINATES:
            fail(number.isna().to_numpy(), name, "is empty: leave out frames without a hand")
        table[name] = number
    depth = table[[f"z{i}" for i in range(POINTS)]].isna()
    fail((depth.any(axis=1) & ~depth.all(axis=1)).to_numpy(), "z", "is empty in part: give all 21 or none")
    for name in ("width", "height"):
        fail((table[name] <= 0).to_numpy(), name, "must be positive")
    # Without a size the picture is taken for a square; a plain 63-column table says no more.
    table.loc[table[["width", "height"]].isna().any(axis=1), ["width", "height"]] = 1.0
    longer, farthest = table[["width", "height"]].max(axis=1), table[COORDINATES].abs().max(axis=1)
    fail(
        (longer * farthest > FARTHEST).to_numpy(),
        "the hand",
        "is too far away: x and y are shares of the picture's width and height",
    )
    palm = palm_size(hands(table))
    fail(palm < SMALLEST_PALM, "the hand", "has no size: leave out frames without a hand")


def people(table: pd.DataFrame) -> np.ndarray:
    """Say who signed each row: the signer, or the source, or the clip, whichever is known. [N] strings."""
    return np.where(
        table["signer"] != "",
        table["signer"],
        np.where(table["source"] != "", table["source"], table["clip"]),
    )


def split_by_signer(table: pd.DataFrame, signers: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (the rest, these signers). A name is a signer, a group of them (`a` of `a/b`), or a source."""
    person = people(table)
    chosen = np.zeros(len(table), bool)
    for name in signers:
        who = (
            (person == name)
            | (table["source"] == name).to_numpy()
            | pd.Series(person).str.startswith(f"{name}/").to_numpy()
        )
        if not who.any():
            raise UserError(
                f"No signer or source is called {name!r}: the data has {', '.join(sorted(set(person))[:12])}."
            )
        chosen |= who
    if chosen.all():
        raise UserError("These signers are everyone: nobody is left to train on.")
    return table[~chosen].reset_index(drop=True), table[chosen].reset_index(drop=True)


def hands(table: pd.DataFrame) -> np.ndarray:
    """Return the hands of all rows [N, 21, 3], in pixels, right-handed (`strm.landmarks.right_handed`)."""
    points = table[COORDINATES].to_numpy(np.float32).reshape(-1, POINTS, 3)
    return right_handed(points, table["width"], table["height"], table["handedness"])


def photo_features(table: pd.DataFrame) -> np.ndarray:
    """Return the 63 numbers of each row [N, 63], each read as a single photo."""
    return motion_features(hands(table)[:, None])[0][:, 0]


def is_moving(table: pd.DataFrame) -> np.ndarray:
    """Tell rows of clips from single photos, whose copies share clip and frame. [N] bool."""
    return (table.groupby("clip")["frame"].transform("nunique") > 1).to_numpy()


def clips(table: pd.DataFrame) -> list[Clip]:
    """Return a table's clips, in order, resampled to 15 frames a second; a photo is a clip of one frame.

    Where a table tells the phase of each frame, a clip begins when the hand has come to what it shows.
    """
    table = table.reset_index(drop=True)
    if "phase" in table.columns:
        coming = table["phase"].isin(COMING) & (table["label"] != ASL.nothing)
        arrived = (~coming).groupby(table["clip"]).cummax()
        table = table[arrived].reset_index(drop=True)
    points, moving = hands(table), is_moving(table)
    key = np.where(moving, table["clip"], table["clip"] + "#" + pd.Series(range(len(table))).astype(str))
    person, out = people(table), []
    for _, rows in table.groupby(key, sort=False).indices.items():
        rows = rows[np.argsort(table["t_ms"].to_numpy()[rows], kind="stable")]
        first, t = rows[0], table["t_ms"].to_numpy()[rows]
        if len(rows) > 1 and not (np.diff(t) > 0).all():
            raise UserError(f"Clip {table['clip'][first]!r} has two frames at one time: t_ms must increase.")
        if t[-1] - t[0] > LONGEST_GAP_MS * len(t):
            raise UserError(
                f"Clip {table['clip'][first]!r} has {len(t)} frames in {(t[-1] - t[0]) / 1000:.0f} seconds: "
                "t_ms counts milliseconds; give its parts names of their own."
            )
        moment = table["label"][first], person[first], table["source"][first], table["clip"][first]
        out.append(Clip(*moment, resample(points[rows], t)))
    return out


def resample(x: np.ndarray, t_ms: np.ndarray) -> np.ndarray:
    """Interpolate frames x [S, …] at times t_ms [S] to the model's 15 frames a second: [S', …]."""
    if len(x) == 1:
        return x
    # Files round their times: a last frame that is a hair too early counts.
    ticks = np.arange(t_ms[0], t_ms[-1] + ROUNDING_MS, 1000 / FPS)
    return sample_at(x, np.interp(ticks, t_ms, np.arange(len(x))))


def sample_at(x: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Interpolate frames x [S, …] at fractional positions [S']: [S', …]."""
    i = np.clip(position.astype(int), 0, max(len(x) - 2, 0))
    share = (position - i).astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
    return x[i] * (1 - share) + x[np.minimum(i + 1, len(x) - 1)] * share
