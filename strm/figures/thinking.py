"""Thinking in circles: the loop as a picture, a thought as it settles, a puzzle as it is filled."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from strm.figures.hands import draw_hand
from strm.figures.paper import BLUE, INK, MAGENTA, ORANGE


def _arrow(ax, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0, **look) -> None:
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 14, "color": INK, "linewidth": 1.6} | look
    ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **style))


def show_loop(words: Mapping[str, str]):
    """Draw how x, z and y go round, and return the figure.

    words: what stands under 'x', 'e', 'z', 'y' and 'answer', and at the loops 'n', 'once' and 'cycles'.
    """
    figure, ax = plt.subplots(figsize=(6.4, 3.0))
    ax.set(xlim=(0, 12.8), ylim=(0, 5.9), aspect="equal")
    ax.axis("off")
    boxes = {"x": (1.1, "x", "white"), "e": (3.5, "e", "#e9ebef"), "answer": (11.7, "$W$", "white")}
    for name, (place, sign, colour) in boxes.items():
        at = (place - 0.6, 2.5)
        ax.add_patch(FancyBboxPatch(at, 1.2, 1.2, "round,pad=0.05", facecolor=colour, edgecolor=INK))
        sign = r"$W_\mathrm{out}$" if name == "answer" else f"${sign}$"
        ax.text(place, 3.1, sign, fontsize=17 if name != "answer" else 13, ha="center", va="center")
        ax.text(place, 2.15, words[name], fontsize=12, ha="center", va="top")
    for name, place, colour in (("z", 6.3, "#dbe4ff"), ("y", 9.2, "#ffedc2")):
        ax.add_patch(Circle((place, 3.1), 0.85, facecolor=colour, edgecolor=INK, linewidth=1.6))
        ax.text(place, 3.1, f"${name}$", fontsize=21, ha="center", va="center")
        ax.text(place, 2.0, words[name], fontsize=12, ha="center", va="top")
    _arrow(ax, (1.8, 3.1), (2.8, 3.1))
    _arrow(ax, (4.2, 3.1), (5.4, 3.1))
    _arrow(ax, (7.2, 3.1), (8.3, 3.1))
    _arrow(ax, (10.1, 3.1), (11.0, 3.1))
    _arrow(ax, (6.85, 3.8), (5.75, 3.8), 2.0, color=BLUE, linewidth=2.4)
    ax.text(6.3, 5.2, words["n"], fontsize=13, ha="center", va="bottom", weight="bold")
    ax.text(7.75, 3.35, words["once"], fontsize=12, ha="center", va="bottom")
    _arrow(ax, (9.2, 1.1), (6.3, 1.1), -0.35, color=ORANGE, linewidth=2.4)
    ax.text(7.75, 0.05, words["cycles"], fontsize=13, ha="center", va="bottom", weight="bold")
    return figure


def show_settling(
    hand: np.ndarray, thought: np.ndarray, steps: np.ndarray, answers: Sequence[str], words: Mapping[str, str]
):
    """Show a thought from update to update, how far y and z move, and what is answered; return the figure.

    hand: [21, 2 or 3]. thought: z after each update [T * n, 64]. steps: how far y moved in each cycle [T].
    answers: what each of the T cycles says. words: 'hand', 'numbers', 'change', 'update', 'y' and 'z'.
    """
    change = np.linalg.norm(np.diff(thought, axis=0, prepend=0 * thought[:1]), axis=1)
    updates, cycles = len(thought), len(answers)
    figure = plt.figure(figsize=(6.4, 4.2))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 3.2], height_ratios=[2.4, 1])
    left = figure.add_subplot(grid[0, 0])
    draw_hand(left, hand, size=14)
    left.set_title(words["hand"], fontsize=11)
    above = figure.add_subplot(grid[0, 1])
    reach = np.abs(thought).max()
    above.imshow(thought.T, cmap="PuOr", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    above.set(xticks=[], yticks=[], ylabel=words["numbers"])
    below = figure.add_subplot(grid[1, 1])
    below.bar(range(updates), change, 0.75, color=BLUE, label=words["z"])
    below.set_xticks(range(updates), [str(i + 1) for i in range(updates)], fontsize=9)
    below.set(xlabel=words["update"], xlim=(-0.5, updates - 0.5))
    below.set_ylabel(words["change"], fontsize=10)
    n = updates // cycles
    ends = np.arange(1, cycles + 1) * n - 0.5
    below.scatter(
        ends, steps, s=45, color=ORANGE, edgecolors=INK, marker="d", label=words["y"], zorder=4, clip_on=False
    )
    below.legend(fontsize=9, ncols=2, frameon=False, loc="upper right")
    for cycle, answer in enumerate(answers):
        above.text((cycle + 0.5) * n - 0.5, -2, answer, fontsize=10, ha="center", va="bottom")
        for ax in (above, below) if cycle else ():
            ax.axvline(cycle * n - 0.5, color=INK, linewidth=1.6)
    return figure


def draw_grid(
    ax,
    clues: np.ndarray,
    written: np.ndarray | None = None,
    sure: np.ndarray | None = None,
    true: np.ndarray | None = None,
    fresh: np.ndarray | None = None,
) -> None:
    """Draw a puzzle [16]: clues black on grey, what is written in blue, the surer the deeper.

    sure: [16], 0 to 1. true: the solution; what differs from it is crossed out. fresh: [16] bool, which cells
    have a frame.
    """
    side = int(len(clues) ** 0.5)
    written = clues if written is None else written
    for cell in range(len(clues)):
        row, column = divmod(cell, side)
        given = clues[cell] > 0
        if given:
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor="#dfe2e8", edgecolor="none"))
        if not written[cell]:
            continue
        depth = 1.0 if given or sure is None else float(np.clip(sure[cell], 0.15, 1))
        if not given:
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=BLUE, alpha=0.5 * depth, edgecolor="none"))
        wrong = true is not None and written[cell] != true[cell]
        style = {"weight": "bold"} if given else {}
        middle = column + 0.5, row + 0.53
        ax.text(*middle, str(written[cell]), ha="center", va="center", fontsize=14, color=INK, **style)
        if wrong:
            ax.plot(
                [column + 0.15, column + 0.85],
                [row + 0.85, row + 0.15],
                color=MAGENTA,
                linewidth=2.5,
                zorder=4,
            )
        if fresh is not None and fresh[cell]:
            ax.add_patch(
                Rectangle(
                    (column + 0.08, row + 0.08), 0.84, 0.84, fill=False, edgecolor=ORANGE, linewidth=2.2
                )
            )
    for line in range(side + 1):
        thick = 2.2 if line % 2 == 0 else 0.8
        ax.plot([0, side], [line, line], color=INK, linewidth=thick, zorder=3)
        ax.plot([line, line], [0, side], color=INK, linewidth=thick, zorder=3)
    ax.set(xlim=(-0.08, side + 0.08), ylim=(side + 0.08, -0.08), aspect="equal")
    ax.axis("off")


def show_grids(
    clues: np.ndarray,
    steps: Sequence[np.ndarray],
    titles: Sequence[str],
    sure: Sequence[np.ndarray] | None = None,
    true: np.ndarray | None = None,
    columns: int = 4,
):
    """Show a puzzle step by step, with a frame around what is new, and return the figure.

    clues: [16]; steps: what is written in each, [16], 0 for nothing; sure, true: as for `draw_grid`.
    """
    columns = min(columns, len(steps))
    rows = -(-len(steps) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.6 * columns, 1.85 * rows), squeeze=False)
    before = clues
    for i, ax in enumerate(axes.flat):
        if i >= len(steps):
            ax.axis("off")
            continue
        draw_grid(ax, clues, steps[i], None if sure is None else sure[i], true, steps[i] != before)
        ax.set_title(titles[i], fontsize=11)
        before = steps[i]
    return figure
