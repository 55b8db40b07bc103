"""A word as it is read: some of its pictures, and below them what was likely when."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import ConnectionPatch

from strm.alphabet import ASL
from strm.figures.hands import draw_hand
from strm.figures.paper import GREY, STYLE, letter_colour
from strm.figures.streams import Commit, in_seconds, show_commits, show_ribbon, show_truth
from strm.landmarks import Hand

LABELS = ("signed", "likely", "seconds")
FINGERTIPS = {"hook": 20, "zigzag": 8}  # which finger draws
MARGIN = 1.25  # around the hand


def show_word(
    pictures: Sequence[np.ndarray],
    hands: Sequence[Hand | None],
    at: Sequence[int],
    titles: Sequence[str],
    ribbon: tuple[np.ndarray, np.ndarray, Sequence[Commit]],
    truth: tuple[np.ndarray, Sequence[str]],
    names: Sequence[str],
    labels: Sequence[str],
):
    """Show a word as it is read: some of its pictures, and below them what was likely when.

    at: which pictures, by their number; titles: what stands above each. ribbon: (t_ms, p, commits). truth:
    (t_ms of every picture, letters). labels: as in `show_readings`. Returns the figure.
    """
    signed, probability, seconds = labels
    figure = plt.figure(figsize=(max(1.15 * len(at), 4.0), 4.4))
    grid = figure.add_gridspec(3, len(at), height_ratios=[1.15, 0.2, 1.0])
    t_ms, p, commits = ribbon
    bar, below = figure.add_subplot(grid[1, :]), figure.add_subplot(grid[2, :])
    show_truth(bar, *truth)
    show_ribbon(below, t_ms, p, names)
    show_commits(below, commits)
    for ax in (bar, below):
        ax.set_xlim(truth[0][0], truth[0][-1])
    bar.set_yticks([0.5], [signed])
    bar.tick_params(length=0)
    bar.xaxis.set_visible(False)
    for spine in bar.spines.values():
        spine.set_visible(False)
    below.set(ylabel=probability, xlabel=seconds)
    in_seconds(below, truth[0][-1])
    letters = {t: letter for t, letter, _ in commits}
    trails = [_trail(hands, truth, i, letters.get(truth[0][i], "")) for i in at]
    views = _views(pictures, [hands[i] for i in at], trails)
    for column, (frame, title, way, view) in enumerate(zip(at, titles, trails, views, strict=True)):
        ax, hand = figure.add_subplot(grid[0, column]), hands[frame]
        if hand is None:
            ax.imshow(pictures[frame])
        else:
            draw_hand(ax, hand.points * [hand.width, hand.height, 1], pictures[frame], size=9)
        for colour, width in (("white", 4), (letter_colour(letters.get(truth[0][frame], "")), 2.5)):
            ax.plot(*way.T, color=colour, linewidth=width, solid_capstyle="round")
        ax.set(xlim=view[:2], ylim=view[2:])
        ax.axis("off")
        ax.set_title(title, fontsize=12)
        below_picture, when = (0.5, 0.0), (float(truth[0][frame]), 1.0)
        line = ConnectionPatch(below_picture, when, ax.transAxes, bar.transData, color=GREY, linewidth=1)
        figure.add_artist(line)
    return figure


def _trail(
    hands: Sequence[Hand | None], truth: tuple[np.ndarray, Sequence[str]], frame: int, letter: str
) -> np.ndarray:
    """Where the fingertip that draws a moving letter was since it began [S, 2], in pixels."""
    if letter not in ASL.paths:
        return np.empty((0, 2))
    tip, start = FINGERTIPS[ASL.paths[letter]], frame
    while start > 0 and truth[1][start - 1] == letter:
        start -= 1
    recent = [hand for hand in hands[start : frame + 1] if hand is not None]
    return np.array([hand.points[tip, :2] * [hand.width, hand.height] for hand in recent]).reshape(-1, 2)


def _views(
    pictures: Sequence[np.ndarray], hands: Sequence[Hand | None], trails: Sequence[np.ndarray]
) -> list[tuple[float, float, float, float]]:
    """Cut a square of one size around each hand and its trail: left, right, bottom, top."""
    height, width = pictures[0].shape[:2]
    shown = []
    for hand, way in zip(hands, trails, strict=True):
        size = [[width, height]] if hand is None else hand.points[:, :2] * [hand.width, hand.height]
        shown.append(np.concatenate([size, way, [[0, 0]] if hand is None else way]))
    side = min(MARGIN * max(float(np.ptp(points, axis=0).max()) for points in shown), width, height)
    out = []
    for points in shown:
        x, y = (points.min(0) + points.max(0)) / 2
        left, top = np.clip(x - side / 2, 0, width - side), np.clip(y - side / 2, 0, height - side)
        out.append((float(left), float(left + side), float(top + side), float(top)))
    return out


def word_read(path: str | Path, video: str | Path | None = None, labels: Sequence[str] = LABELS) -> None:
    """Draw into a PNG how the recogniser reads a recorded word, letter by letter; no MediaPipe is needed.

    video: one with the studio's table beside it (`strm.filmed`), the one that ships without it.
    """
    from PIL import Image

    from strm.bundle import WEIGHTS, load
    from strm.files import replacing
    from strm.filmed import open_film
    from strm.stream import Recognizer

    film = open_film(video or WEIGHTS.parent / "studio" / "JAZZ.mp4")
    recognizer = Recognizer(load(WEIGHTS))
    readings = [recognizer.step(hand, t) for hand, t in zip(film.hands, film.t_ms, strict=True)]
    names = recognizer.names
    p = np.zeros((len(readings), len(names)))
    for i, reading in enumerate(readings):
        for name, share in reading.top3:
            p[i, names.index(name)] = share
    written = [i for i, reading in enumerate(readings) if reading.committed]
    commits = [(film.t_ms[i], str(readings[i].committed), readings[i].replaced) for i in written]
    seen = np.array([bool(reading.top3) for reading in readings])
    with plt.rc_context(STYLE):
        figure = show_word(
            film.pictures,
            film.hands,
            written,
            [readings[i].text for i in written],
            (film.t_ms[seen], p[seen], commits),
            (film.t_ms, film.letters or []),
            names,
            labels,
        )
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120)
            plt.close(figure)
            Image.open(temporary).convert("RGB").quantize(256).save(temporary, "PNG", optimize=True)
