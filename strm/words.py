"""How well streams are spelt: whole words go through the `Recognizer`, frame by frame as from a camera.

The measure is the letter error rate: how many letters must be put in, left out or changed to make what was
read into what was signed, over the number of letters signed. It can exceed 1.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.progress import track

from strm.alphabet import ASL
from strm.bundle import Bundle
from strm.data import COORDINATES, people, read_table
from strm.evaluate import one_thread
from strm.hub import fetch
from strm.landmarks import POINTS, Hand
from strm.stream import Recognizer

MOVEMENT = {*ASL.moving, *ASL.moving.values()}


class Stream(NamedTuple):
    """A recorded stream: the word it spells, whose it is, its hands and their times in milliseconds."""

    word: str
    person: str
    source: str
    hands: list[Hand]
    t_ms: np.ndarray


def streams(table: pd.DataFrame) -> Iterator[Stream]:
    """Yield the streams of a table that was read with `words=True`; frames without a hand have no row."""
    who = people(table)
    points = table[COORDINATES].to_numpy(np.float32).reshape(-1, POINTS, 3)
    sides, times = table["handedness"].to_numpy(), table["t_ms"].to_numpy(float)
    sizes = table[["width", "height"]].to_numpy()
    for _, rows in table.groupby("clip", sort=False).indices.items():
        rows = rows[np.argsort(times[rows], kind="stable")]
        first = table.iloc[rows[0]]
        hands = [Hand(points[i], sides[i], 1.0, *sizes[i]) for i in rows]
        yield Stream(first["label"], who[rows[0]], first["source"], hands, times[rows])


def distance(signed: str, read: str) -> int:
    """Return how many letters must be put in, left out or changed to make the one into the other."""
    row = list(range(len(read) + 1))
    for i, a in enumerate(signed, 1):
        left, row[0] = row[0], i
        for j, b in enumerate(read, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (a != b))
    return row[-1]


def kinds(word: str) -> list[str]:
    """Say what makes a word hard: letters that move or begin a movement, doubled letters, or nothing."""
    doubled = any(a == b for a, b in pairwise(word))
    found = [kind for kind, has in (("movement", MOVEMENT & set(word)), ("doubled", doubled)) if has]
    return found or ["other"]


def spell(bundle: Bundle, stream: Stream, stateful: bool = True) -> str:
    """Return what the recogniser reads in a stream."""
    recognizer = Recognizer(bundle, stateful=stateful)
    for hand, t_ms in zip(stream.hands, stream.t_ms, strict=True):
        recognizer.step(hand, float(t_ms))
    return recognizer.text.replace(" ", "")


def evaluate_words(
    bundle: Bundle,
    table: pd.DataFrame,
    stateful: bool = True,
    tell: Callable[[list[Stream]], Any] = iter,
) -> dict[str, Any]:
    """Judge a model on streams whose label is the word they spell (`read_table` with `words=True`).

    Returns `n` (streams), `letters` (signed), `letter_error_rate` over all, the same `per_signer`,
    `per_source` and `per_kind` of word (`kinds`), `right`, the share of words without an error, and `errors`
    (signed, read, how often). tell: hands the streams on one by one, to show progress.
    """
    edits: dict[str, Counter] = {
        "all": Counter(),
        "signer": Counter(),
        "source": Counter(),
        "kind": Counter(),
    }
    letters: dict[str, Counter] = {group: Counter() for group in edits}
    wrong: Counter = Counter()
    todo = list(streams(table))
    with one_thread():
        for stream in tell(todo):
            read = spell(bundle, stream, stateful)
            errors = distance(stream.word, read)
            groups = {"all": ["all"], "signer": [stream.person], "source": [stream.source]}
            for group, names in (groups | {"kind": kinds(stream.word)}).items():
                for name in names:
                    edits[group][name] += errors
                    letters[group][name] += len(stream.word)
            if errors:
                wrong[stream.word, read] += 1

    def rates(group: str) -> dict[str, float | None]:
        return {n: edits[group][n] / count if count else None for n, count in sorted(letters[group].items())}

    return {
        "n": len(todo),
        "letters": letters["all"]["all"],
        "letter_error_rate": rates("all")["all"],
        "right": 1 - wrong.total() / len(todo),
        **{f"per_{group}": rates(group) for group in ("signer", "source", "kind")},
        "errors": [[signed, read, n] for (signed, read), n in wrong.most_common()],
    }


def run(
    csv: list[str], model: str | Path, stateful: bool = True, as_json: bool = False, fps: float = 30.0
) -> None:
    """Do what `strm evaluate --stream` does: print a table, or one JSON object."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    bundle, table = fetch(model), read_table(csv, fps, words=True)
    errors = Console(stderr=True)
    report = evaluate_words(bundle, table, stateful, lambda todo: track(todo, "reading", console=errors))
    if as_json:
        print(json.dumps(report))
        return
    console = Console(file=sys.stdout)
    rate = report["letter_error_rate"]
    said = "no letters" if rate is None else f"letter error rate {rate:.3f} of {report['letters']} letters"
    console.print(f"{report['n']} streams: {said}, {report['right']:.0%} without an error")
    for kind in ("per_kind", "per_signer", "per_source"):
        shown = Table(kind.replace("_", " "), "letter error rate")
        for name, value in report[kind].items():
            shown.add_row(escape(name), "no letters" if value is None else f"{value:.3f}")
        console.print(shown)
    for signed, read, count in report["errors"][:10]:
        console.print(f"{signed or 'nothing'} read as {read or 'nothing'}: {count}")
