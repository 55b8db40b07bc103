"""Drawn strokes beside people's: their paths, and how large and long they are."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from strm.figures.paper import BLUE, INK, MAGENTA

LOOKS: dict[str, dict[str, Any]] = {
    "people": {"color": MAGENTA, "linestyle": "-", "marker": "d"},
    "drawn": {"color": BLUE, "linestyle": "--", "marker": "o"},
}


def show_movement(table: dict[str, Any], names: dict[str, str], measures: dict[str, str]):
    """Show the paths and measures of data/results/movement.json, a column for each letter; return the figure.

    names: 'people' and 'drawn' -> what they are called. measures: key -> name. A line is the median, dots its
    places at equal steps, a bar reaches from 10 to 90%.
    """
    letters = list(table["people"])
    figure, axes = plt.subplots(
        2, len(letters), figsize=(4.2 * len(letters), 7), height_ratios=(1.4, 1), squeeze=False
    )
    for ax, letter in zip(axes[0], letters, strict=True):
        for who, look in LOOKS.items():
            low, middle, high = (np.array(path) for path in table[who][letter]["path_of_tip"].values())
            ax.plot(*middle.T, **look, markevery=4, linewidth=2, label=names[who])
            few = slice(4, None, 5)
            reach = np.abs(np.stack([low, high]) - middle)[:, few]
            ax.errorbar(*middle[few].T, yerr=reach[..., 1], xerr=reach[..., 0], fmt="none", alpha=0.3)
            ax.containers[-1].lines[2][0].set_color(look["color"])
            ax.containers[-1].lines[2][1].set_color(look["color"])
        ax.set_aspect("equal")
        ax.invert_yaxis()
        ax.set_title(letter)
    axes[0, 0].legend(frameon=False, fontsize=9)
    rows = np.arange(len(measures))[::-1]
    for ax, letter in zip(axes[1], letters, strict=True):
        for who, look in LOOKS.items():
            at = rows + (0.15 if who == "people" else -0.15)
            low, middle, high = np.array(
                [list(table[who][letter][key].values()) for key in measures], dtype=float
            ).T
            ax.hlines(at, low, high, color=look["color"], linestyle=look["linestyle"])
            ax.scatter(middle, at, color=look["color"], marker=look["marker"], edgecolor=INK, zorder=3)
        ax.set_yticks(rows, measures.values() if ax is axes[1, 0] else [""] * len(measures))
        ax.grid(axis="x", alpha=0.3)
    return figure
