"""What the results files say, drawn with every seed in sight."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from strm.figures.paper import BLUE, GREY, INK, MAGENTA, letter_colour

Seeds = Mapping[str, Sequence[float]]  # a row's name -> what its seeds say


def show_strangers(table: dict[str, Any], nets: dict[str, str], measures: dict[str, str], columns: int = 0):
    """Show what people whom no net has met say of each net, and return the figure.

    table: data/results/strangers.json. nets: key -> name, in order. measures: key -> title. A dot is a seed.
    columns: panels in a row; all of them if 0.
    """
    panels = {
        title: {name: table["nets"][net][measure]["mean"]["seeds"] for net, name in nets.items()}
        for measure, title in measures.items()
    }
    marked = [name for net, name in nets.items() if net.startswith("strm")]
    return show_seeds(panels, marked, columns=columns)


def show_seeds(
    panels: Mapping[str, Seeds],
    marked: Sequence[str] = (),
    reference: str | None = None,
    columns: int = 0,
    same_axis: bool = False,
):
    """Show every seed of every row as a dot and their mean as a stroke, a panel a measure; return the figure.

    panels: title -> {row: seeds}, with the same rows. marked: rows drawn as diamonds. reference: a row whose
    seeds span a grey band: what overlaps it is within its spread. same_axis: all panels have one scale.
    """
    rows = list(next(iter(panels.values())))
    columns = columns or len(panels)
    down = -(-len(panels) // columns)
    size = (2.1 * columns + 1.6, (0.3 * len(rows) + 1.0) * down)
    figure, grid = plt.subplots(
        down, columns, figsize=size, sharex=same_axis, squeeze=False, gridspec_kw={"hspace": 0.08}
    )
    for ax in grid.flat[len(panels) :]:
        ax.axis("off")
    places = range(len(rows))[::-1]
    for ax, (title, seeds_of) in zip(grid.flat, panels.items(), strict=False):
        for place, name in zip(places, rows, strict=True):
            seeds = seeds_of[name]
            colour, marker = (MAGENTA, "d") if name in marked else (BLUE, "o")
            ax.scatter(seeds, [place] * len(seeds), s=24, color=colour, marker=marker, alpha=0.7, zorder=3)
            ax.plot([np.mean(seeds)] * 2, [place - 0.32, place + 0.32], color=INK, linewidth=1.5, zorder=4)
        if reference:
            ax.axvspan(min(seeds_of[reference]), max(seeds_of[reference]), color=GREY, alpha=0.25, lw=0)
        ax.set_yticks(places, rows if ax in grid[:, 0] else [""] * len(rows))
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.locator_params(axis="x", nbins=3)
        ax.set_title(title, fontsize=10.5)
        ax.grid(axis="x", alpha=0.3)
    return figure


def show_heat(rows: Mapping[str, Mapping[str, float]], label: str, ax=None):
    """Show a number for each row and column as a shade and as itself (a share, in hundredths).

    rows: row -> {column: share}; a column that a row lacks stays white.
    """
    ax = ax or plt.subplots(figsize=(5.2, 0.36 * len(rows) + 1.3))[1]
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    values = np.array([[row.get(column, np.nan) for column in columns] for row in rows.values()])
    ax.imshow(values, cmap="cividis", vmin=0.5, vmax=1, aspect="auto")
    for (y, x), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value < 0.75 else "black"
            ax.text(x, y, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=11)
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), rows)
    ax.set_title(label, fontsize=11)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax.figure


def show_letters(shares: Mapping[str, Sequence[float]], other: Mapping[str, float], names: tuple[str, str]):
    """Show how well each letter is read, worst first: a bar to the mean, a dot a seed, a tick of another net.

    shares: letter -> seeds. other: letter -> mean. names: of the net and of the other one.
    """
    order = sorted(shares, key=lambda letter: np.mean(shares[letter]))
    stroke: dict[str, Any] = {"color": INK, "linewidth": 1.6, "linestyle": (0, (1.5, 0.8))}
    figure, ax = plt.subplots(figsize=(5.8, 3.0))
    for x, letter in enumerate(order):
        ax.bar(x, np.mean(shares[letter]), color=letter_colour(letter), width=0.72, alpha=0.75)
        ax.scatter([x] * len(shares[letter]), shares[letter], s=9, color=INK, zorder=3)
        ax.plot([x - 0.42, x + 0.42], [other[letter]] * 2, **stroke)
    ax.set_ylim(0, 1.01)  # a bar that does not start at zero flatters
    ax.set_xlim(-0.7, len(order) - 0.3)
    ax.set_xticks(range(len(order)), order)
    ax.set_ylabel("share read right")
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    keys = [
        plt.Line2D([], [], marker="o", color=INK, markersize=3, linewidth=0, label=names[0]),
        plt.Line2D([], [], label=names[1], **stroke),
    ]
    figure.legend(handles=keys, loc="outside upper right", ncols=2, fontsize=10)
    return figure
