"""Your own data: clips of landmarks, labelled by a key, in the table that `strm train` reads."""

import csv
import io
from pathlib import Path

import numpy as np

from strm.alphabet import ASL
from strm.extract import COLUMNS, harmless
from strm.files import UserError, replacing
from strm.landmarks import Hand

SOURCE = "demo"
FRAME = COLUMNS.index("frame")
SHORTEST = 3  # frames; less is a slip of the finger


class Recorder:
    """Clips go into one CSV, each written whole as soon as it ends, after what the file already holds.

    `begin` a clip, `take` its frames, `end` it.
    """

    def __init__(self, path: str | Path, signer: str) -> None:
        self.path, self.signer = Path(path), harmless(signer)
        self.label: str | None = None
        self._rows: list[list] = []
        self._began = 0.0
        self.clips = 0
        self._before = self._read()
        self._written = True

    def _read(self) -> str:
        if not self.path.exists():
            return ",".join(COLUMNS) + "\n"
        try:
            text = self.path.read_bytes().decode("utf-8")  # its line ends stay as they are
            rows = list(csv.reader(io.StringIO(text, newline="")))  # a name may hold commas, even lines
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{self.path} cannot be read: name another file after --record.") from error
        if rows[:1] != [list(COLUMNS)]:
            raise UserError(f"{self.path} is another kind of table: name a new file after --record.")
        self.clips = sum(1 for row in rows if row[FRAME : FRAME + 1] == ["0"])
        return text if text.endswith("\n") else text + "\n"

    def begin(self, label: str) -> str:
        """Begin a clip of this label. Return what happened, in words."""
        if label not in (*ASL.letters, ASL.nothing):
            return f"{label} is no label"
        self.label = label
        return f"recording {label}; Enter ends it"

    def take(self, hand: Hand | None, t_ms: float) -> None:
        """Add a frame to the clip that is running; one without a hand is left out."""
        if self.label is None or hand is None:
            return
        if not self._rows:
            self._began = t_ms
        points = [f"{v:.6g}" for v in np.asarray(hand.points).ravel()]
        clip = f"{self.signer}/{self.label}/{self.clips}"
        moment = [len(self._rows), round(t_ms - self._began, 3)]
        seen = [hand.handedness, f"{hand.score:.4f}", hand.width, hand.height]
        self._rows.append([self.label, SOURCE, self.signer, clip, *moment, *seen, *points])

    def end(self) -> str:
        """End the running clip and write it. Return what happened, in words.

        Raises UserError where it cannot be written: it is kept, and written by the next call that can.
        """
        label, rows = self.label, self._rows
        self.label, self._rows, said = None, [], ""
        if label is not None:
            said = f"no hand for {label}: nothing kept"
        if len(rows) >= SHORTEST:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            self._before += text.getvalue()
            self._written = False
            self.clips += 1
            said = f"kept {len(rows)} frames of {label}"
        if not self._written:
            with replacing(self.path) as temporary:
                temporary.write_bytes(self._before.encode())
            self._written = True
        return said
