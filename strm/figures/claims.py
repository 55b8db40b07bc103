"""How far a figure can be trusted, and what it costs: people, intervals, confidence, milliseconds."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from strm.figures.paper import BLUE, COLOURS, GREY, MAGENTA

MARKERS = "dos^vP"
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)), (0, (1, 2)))


def show_people(shares: Sequence[float], band: tuple[float, float], words: Mapping[str, str]):
    """Show each person's share as a dot, worst first, and an interval of their mean as a band.

    words: "band", "dot", "x" and "y", what is written beside them.
    """
    figure, ax = plt.subplots(figsize=(5.2, 2.9))
    ax.axhspan(*band, color=MAGENTA, alpha=0.3, lw=0, label=words["band"])
    ax.scatter(range(1, len(shares) + 1), sorted(shares), s=26, color=BLUE, zorder=3, label=words["dot"])
    ax.set(xlabel=words["x"], ylabel=words["y"])
    ax.grid(axis="y", alpha=0.3)
    ax.legend(loc="lower right", fontsize=10)
    return figure


def show_intervals(rows: Mapping[str, Mapping[str, tuple[float, float]]], title: str):
    """Show several intervals of each row under each other: row -> {kind: (low, high)}, the same kinds.

    The first kind is drawn thick, those that follow thinner, each with its own ends and line.
    """
    kinds = list(next(iter(rows.values())))
    figure, ax = plt.subplots(figsize=(5.2, 0.34 * len(rows) * max(2, len(kinds)) * 0.7 + 1.3))
    for place, row in zip(range(len(rows))[::-1], rows.values(), strict=True):
        for i, (kind, ends) in enumerate(row.items()):
            y = place + 0.22 - 0.44 * i / max(1, len(kinds) - 1)
            label = kind if place == 0 else None
            ax.plot(ends, [y, y], color=COLOURS[i], linestyle=LINES[i], linewidth=2.4, label=label)
            ax.scatter(ends, [y, y], color=COLOURS[i], marker=MARKERS[i], s=26, zorder=3)
    ax.set_yticks(range(len(rows))[::-1], rows)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_title(title, fontsize=11)
    ax.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(kinds), fontsize=10)
    return figure


def show_reliability(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], words: Mapping[str, str]):
    """Show how often a net is right (y) when it is so sure (x), one curve a name, in ten bins.

    curves: name -> (confidence [N], right [N] bool). words: "x", "y", "diagonal". The size of a mark tells
    how many answers are in its bin.
    """
    figure, ax = plt.subplots(figsize=(4.6, 4.0))
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", label=words["diagonal"])
    for i, (name, (sure, right)) in enumerate(curves.items()):
        bins = np.minimum((10 * np.asarray(sure)).astype(int), 9)
        full = [b for b in range(10) if (bins == b).any()]
        x = [sure[bins == b].mean() for b in full]
        y = [right[bins == b].mean() for b in full]
        size = [12 + 160 * (bins == b).mean() for b in full]
        ax.plot(x, y, color=COLOURS[2 * i], linestyle=LINES[i], marker="", label=None)
        ax.scatter(x, y, s=size, color=COLOURS[2 * i], marker=MARKERS[i], label=name, zorder=3)
    ax.set(xlabel=words["x"], ylabel=words["y"], xlim=(0, 1.03), ylim=(0, 1.03), aspect="equal")
    ax.legend(loc="upper left", fontsize=10)
    return figure


def show_against(lines: Mapping[str, Mapping[str, Sequence[float]]], words: Mapping[str, str]):
    """Show what each net's seeds say as something gets harder: name -> {case: seeds}, the same cases.

    words: "x" and "y". A small mark is a seed, a line joins their means.
    """
    figure, ax = plt.subplots(figsize=(5.2, 3.0))
    cases = list(next(iter(lines.values())))
    for i, (name, seeds_of) in enumerate(lines.items()):
        colour, shift = COLOURS[(2 - i) % len(COLOURS)], 0.09 * (i - (len(lines) - 1) / 2)
        x = np.arange(len(cases)) + shift
        y = [np.mean(seeds_of[case]) for case in cases]
        ax.plot(x, y, color=colour, linestyle=LINES[i], marker=MARKERS[i], markersize=7, label=name)
        for at, case in zip(x, cases, strict=True):
            ax.scatter(
                [at] * len(seeds_of[case]), seeds_of[case], s=14, color=colour, marker=MARKERS[i], alpha=0.5
            )
    ax.set_xticks(range(len(cases)), cases)
    ax.set(xlabel=words["x"], ylabel=words["y"])
    ax.grid(axis="y", alpha=0.3)
    ax.legend(fontsize=10)
    return figure


def show_costs(panels: Mapping[str, Mapping[str, tuple[float, float, float]]], marked: Sequence[str] = ()):
    """Show costs on a log axis, a panel a unit: title -> {what: (typical, least, most)}; marked: diamonds."""
    heights = [len(rows) for rows in panels.values()]
    size = (5.2, 0.33 * sum(heights) + 0.95 * len(panels))
    figure, axes = plt.subplots(
        len(panels), figsize=size, height_ratios=heights, squeeze=False, gridspec_kw={"hspace": 0.08}
    )
    for ax, (title, rows) in zip(axes[:, 0], panels.items(), strict=True):
        for place, (what, (typical, least, most)) in zip(range(len(rows))[::-1], rows.items(), strict=True):
            colour, marker = (MAGENTA, "d") if what in marked else (BLUE, "o")
            ax.plot([least, most], [place, place], color=colour, linewidth=2)
            ax.scatter([typical], [place], color=colour, marker=marker, s=40, zorder=3)
            ax.annotate(
                f"{float(f'{typical:.3g}'):,g}",
                (most, place),
                (6, 0),
                textcoords="offset points",
                va="center",
            )
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.margins(x=0.14)
        ax.set_yticks(range(len(rows))[::-1], rows)
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.set_title(title, fontsize=11)
        ax.grid(axis="x", alpha=0.3)
    return figure
