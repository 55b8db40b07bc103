"""The whole alphabet as the studio draws it, for people who can say whether it is right.

`python -m strm.figures.alphabet` makes book/_static/alphabet.jpg anew.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from strm.alphabet import ASL
from strm.figures.hands import show_hands
from strm.figures.paper import letter_colour, style
from strm.studio.album import Portrait, portrait, teacher
from strm.studio.takes import SIZE

PICTURE = Path(__file__).parents[2] / "book" / "_static" / "alphabet.jpg"
MARGIN = 0.05  # of the picture's width, free of hand and path
LARGE, ENOUGH, PATIENCE = 0.55, 12, 40  # parts of the width; draws


def framed(letter: str, number: int) -> Portrait:
    """Draw a letter, its hand and its path wholly inside the picture: the first large one, or the largest."""
    best, largest = None, 0.0
    for seed in range(PATIENCE):
        who = teacher(seed, number, tone=1 + number * 7 % 10, side="Right")
        drawn = portrait(letter, who, np.random.default_rng([seed, number]), SIZE)
        points = drawn.render.points[:, :2]
        size = float(np.ptp(points, axis=0).max())
        if inside(drawn) and size > largest:
            best, largest = drawn, size
        if best is not None and (largest > LARGE or seed > ENOUGH):
            return best
    assert best is not None, f"no picture of {letter} in {PATIENCE}"
    return best


def inside(drawn: Portrait) -> bool:
    """Whether neither a joint nor the path comes near the picture's edge."""
    shown = [drawn.render.points[:, :2], *([] if drawn.path is None else [drawn.path])]
    return bool(all((points > MARGIN).all() and (points < 1 - MARGIN).all() for points in shown))


def show_alphabet(portraits: Sequence[Portrait], letters: Sequence[str], columns: int = 4):
    """Show portraits under their letters, and the paths of those that move; return the figure."""
    figure = show_hands([drawn.render.image for drawn in portraits], titles=letters, columns=columns)
    for ax, drawn, letter in zip(figure.axes, portraits, letters, strict=False):
        ax.title.set_fontsize(20)  # a phone shows it at a third of its size
        if drawn.path is None:
            continue
        path, colour = drawn.path * len(drawn.render.image), letter_colour(letter)
        ax.plot(*path.T, color="white", linewidth=5, solid_capstyle="round")
        ax.plot(*path.T, color=colour, linewidth=2.8, solid_capstyle="round")
        ax.plot(*path[0], "o", color=colour, markersize=7, markeredgecolor="white")
        before = path[np.flatnonzero(np.abs(path[-1] - path).sum(1) >= 12)[-1]]  # strokes end slowly
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.5, "mutation_scale": 18}
        ax.annotate("", path[-1], before, arrowprops=arrow | {"shrinkA": 0, "shrinkB": 0})
    return figure


def main() -> None:
    style()
    figure = show_alphabet([framed(letter, i) for i, letter in enumerate(ASL.letters)], ASL.letters)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=180)
    plt.close(figure)
    Image.open(buffer).convert("RGB").save(PICTURE, quality=85, optimize=True)


if __name__ == "__main__":
    main()
