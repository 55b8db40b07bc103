"""What each of the T answers says, knows and hears: bars, curves with every seed in sight, a map of pulls."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from strm.figures.hands import draw_hand
from strm.figures.paper import BLUE, INK, MAGENTA, ORANGE, PURPLE, letter_colour

# One look a curve: colour, marker and line differ together, so that none of them has to be seen.
LOOKS = ((MAGENTA, "o", "-"), (BLUE, "s", "--"), (ORANGE, "^", "-."), (PURPLE, "d", ":"))


def show_answers(
    hands: Sequence[np.ndarray],
    true: Sequence[str],
    probabilities: np.ndarray,
    classes: Sequence[str],
    notes: Sequence[str],
    columns: Sequence[str],
    best: int = 3,
):
    """Show hands and, beside each, what its T answers hold to be likeliest; return the figure.

    hands: N of [21, 2 or 3], y downwards. probabilities: [T, N, C]. notes: what to say of each hand, or ''.
    columns: the names of the T answers. The bar of the true letter has a frame.
    """
    cycles = len(probabilities)
    figure, axes = plt.subplots(
        len(hands),
        cycles + 1,
        figsize=(1.1 * (cycles + 1) + 0.4, 1.55 * len(hands)),
        squeeze=False,
        width_ratios=[1.25] + [1] * cycles,
    )
    for row, (hand, letter, note) in enumerate(zip(hands, true, notes, strict=True)):
        draw_hand(axes[row, 0], hand, size=7)
        # The panel keeps its width, so that titles stand in one line.
        axes[row, 0].set_aspect("equal", adjustable="datalim")
        axes[row, 0].set_title(f"{letter}: {note}" if note else letter, fontsize=11, loc="left")
        for cycle, ax in enumerate(axes[row, 1:]):
            p = probabilities[cycle, row]
            order = np.argsort(p)[::-1][:best]
            names = [classes[i] for i in order]
            frames = [2.0 if name == letter else 0.0 for name in names]
            places = np.arange(best)[::-1]
            colours = [letter_colour(name) for name in names]
            ax.barh(places, p[order], 0.72, color=colours, edgecolor=INK, linewidth=frames)
            ax.set_yticks(places, names, fontsize=13)
            for label, name in zip(ax.get_yticklabels(), names, strict=True):
                label.set_fontweight("bold" if name == letter else "normal")
            ax.set(xlim=(0, 1.05), xticks=[])
            ax.tick_params(length=0)
            ax.spines["bottom"].set_visible(False)
            if row == 0:
                ax.set_title(columns[cycle], fontsize=11)
    return figure


def draw_runs(ax, x: np.ndarray, y: np.ndarray, label: str, look: int = 0) -> None:
    """Draw a curve for every seed, thin, and their mean, thick.

    x: [N], or [seeds, N] where seeds differ in it; y: [seeds, N]. look: one of LOOKS.
    """
    colour, marker, line = LOOKS[look]
    y = np.atleast_2d(y)
    x = np.broadcast_to(x, y.shape)
    if len(y) > 1:
        ax.plot(x.T, y.T, color=colour, linewidth=0.8, alpha=0.45)
    ax.plot(x.mean(0), y.mean(0), color=colour, marker=marker, linestyle=line, markersize=5, label=label)


def show_pulls(pulls: np.ndarray, answers: Sequence[str], updates: Sequence[str]):
    """Show how hard each answer's loss (a row) pulls at each update (a column); return the figure.

    pulls: [T, updates], shares of the pull at the answer's own y, shown in hundredths; 0 stays empty.
    """
    figure, ax = plt.subplots(figsize=(6.4, 0.44 * len(pulls) + 0.7))
    ax.imshow(np.ma.masked_equal(pulls, 0), cmap="cividis", vmin=0, aspect="auto")
    for (row, column), value in np.ndenumerate(pulls):
        if value:
            ink = "white" if value < 0.4 * pulls.max() else "black"
            ax.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=11, color=ink)
    ax.set_yticks(range(len(answers)), answers)
    ax.set_xticks(range(len(updates)), updates)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure
