"""Movement on paper: letters as fingertips' paths, streams as rows of hands, how far a gradient reaches."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke

from strm.figures.hands import draw_hand
from strm.figures.paper import BLUE, GREY, INK, MAGENTA, ORANGE, PURPLE, letter_colour

PALE = "#d5d8de"
SMALLEST = 1e-3  # of the largest gradient: below it, as good as none


def draw_stroke(ax, hands: np.ndarray, tip: int, colour: str, size: float = 14) -> None:
    """Draw a stream of hands [S, 21, 3]: the first one pale, the last one in full, the way of a fingertip.

    A dot is a frame; the arrow says where it went, the ring where it began.
    """
    _ghost(ax, hands[0], size)
    draw_hand(ax, hands[-1], size=size)
    way = hands[:, tip, :2]
    outline = [withStroke(linewidth=size / 2.4, foreground="white")]
    ax.plot(*way.T, color=colour, linewidth=size / 5, path_effects=outline, zorder=5)
    ax.scatter(*way.T, s=size * 0.9, color=colour, zorder=6)
    ax.scatter(*way[0], s=size * 4, facecolor="white", edgecolor=colour, linewidth=size / 8, zorder=6)
    moved = np.linalg.norm(way - way[-1], axis=1) > 0.15 * np.ptp(way, axis=0).max()
    if moved.any():
        start = way[np.flatnonzero(moved)[-1]]
        look = {"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": size * 1.2}
        ax.annotate("", way[-1], start, arrowprops=look | {"shrinkA": 0, "shrinkB": 0}, zorder=7)


def _ghost(ax, hand: np.ndarray, size: float) -> None:
    draw_hand(ax, hand, size=size, colour=PALE)
    ax.collections[-1].set_facecolor(PALE)


def show_strokes(strokes: Mapping[str, tuple[np.ndarray, int, str]], columns: int = 4):
    """Show streams as paths: title -> (hands [S, 21, 3], which fingertip, colour). Returns the figure."""
    rows = -(-len(strokes) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, 2.3 * rows), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (title, (hands, tip, colour)) in zip(axes.flat, strokes.items(), strict=False):
        draw_stroke(ax, hands, tip, colour)
        _fill(ax, hands[[0, -1]].reshape(-1, 3), hands[:, tip], shape=1.2)
        ax.set_title(title, fontsize=12)
    return figure


def _fill(ax, *points: np.ndarray, shape: float, room: float = 0.08) -> None:
    """Let a panel `shape` times as high as wide show all these points [N, 2 or 3] in its middle."""
    every = np.concatenate([some[:, :2] for some in points])
    low, high = every.min(0), every.max(0)
    width = max(*((high - low) / [1, shape])) * (1 + 2 * room) / 2
    (x, y), size = (low + high) / 2, np.array([width, width * shape])
    ax.set(xlim=(x - size[0], x + size[0]), ylim=(y + size[1], y - size[1]))


def show_poses(hands: Sequence[np.ndarray], titles: Sequence[str]):
    """Show single hands [21, 3] in a row, and return the figure."""
    figure, axes = plt.subplots(1, len(hands), figsize=(1.1 * len(hands), 1.7), squeeze=False)
    for ax, hand, title in zip(axes[0], hands, titles, strict=True):
        draw_hand(ax, hand, size=8)
        _fill(ax, hand, shape=1.2)
        ax.set_title(title, fontsize=12)
    return figure


def show_films(films: Mapping[str, tuple[np.ndarray, int, str]], moments: Sequence[float], said: str):
    """Show each stream as a row of hands at these parts of its time (0 to 1), the fingertip's way so far.

    films: title -> (hands [S, 21, 3], which fingertip, colour). said: what a moment in seconds is called,
    such as "{:.1f} s". Returns the figure.
    """
    figure, axes = plt.subplots(
        len(films), len(moments), figsize=(1.08 * len(moments) + 0.5, 1.65 * len(films)), squeeze=False
    )
    for row, (title, (hands, tip, colour)) in zip(axes, films.items(), strict=True):
        for ax, moment in zip(row, moments, strict=True):
            at = round(moment * (len(hands) - 1))
            draw_hand(ax, hands[at], size=8)
            ax.plot(*hands[: at + 1, tip, :2].T, color=colour, linewidth=2.2, zorder=5)
            _fill(ax, hands.reshape(-1, 3), shape=1.2)
            ax.set_title(said.format(at / 15), fontsize=12)
        row[0].axis("on")
        row[0].set(xticks=[], yticks=[], frame_on=False)
        row[0].set_ylabel(title, fontsize=13)
    return figure


def show_reach(panels: Mapping[str, np.ndarray], labels: tuple[str, str, str], zero: str):
    """Show how much frame t's answer depends on each frame s, a panel a net; return the figure.

    panels: title -> sizes of gradients [S, S], row t, column s. Exactly 0 is left blank, and named `zero`.
    labels: of the columns, of the rows, of the scale.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(3.0 * len(panels) + 0.9, 3.1), squeeze=False)
    largest = max(float(sizes.max()) for sizes in panels.values())
    shade = LogNorm(SMALLEST * largest, largest)
    for ax, (title, sizes) in zip(axes[0], panels.items(), strict=True):
        shown = ax.imshow(np.where(sizes > 0, np.maximum(sizes, SMALLEST * largest), np.nan), norm=shade)
        shown.set_cmap("cividis")
        ax.set_title(title, fontsize=11)
        ax.set(xlabel=labels[0], ylabel=labels[1] if ax is axes[0, 0] else "")
        blank = np.tril(sizes == 0, -1)
        if blank.any():
            y, x = np.argwhere(blank).mean(0)
            ax.text(x - 0.12 * len(sizes), y + 0.1 * len(sizes), zero, ha="center", color=INK, fontsize=11)
    figure.colorbar(shown, ax=axes[0].tolist(), label=labels[2], shrink=0.8)
    return figure


def show_lines(ax, x: Sequence[float], lines: Mapping[str, np.ndarray]) -> None:
    """Draw measures over x: each line with a colour, a marker and a style of its own, its name at its end."""
    looks = ((ORANGE, "o", "-"), (INK, "s", "--"), (GREY, "^", ":"), (PURPLE, "d", "-."))
    for (name, values), (colour, marker, style) in zip(lines.items(), looks, strict=False):
        every = max(1, len(values) // 8)
        ax.plot(x, values, color=colour, marker=marker, linestyle=style, markevery=every, label=name)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=10, frameon=False)


def show_unrolled(hands: Sequence[np.ndarray], words: Mapping[str, str]):
    """Draw a net unrolled through time over these hands [21, 3], and return the figure.

    words: what is called 'think' (a box), 'state' (what goes from frame to frame), 'gradient' (what comes
    back from the last answer), and 'answers', a letter for each hand.
    """
    figure, ax = plt.subplots(figsize=(1.4 * len(hands) + 0.4, 3.6))
    ax.set(xlim=(-0.75, len(hands) - 0.2), ylim=(-1.35, 1.62))
    ax.axis("off")
    solid = {"arrowstyle": "-|>", "color": INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    back = solid | {"color": MAGENTA, "linestyle": (0, (4, 2))}
    last = len(hands) - 1
    for i, (hand, letter) in enumerate(zip(hands, words["answers"], strict=True)):
        spot = ax.inset_axes((i - 0.42, -1.35, 0.84, 0.95), transform=ax.transData)
        draw_hand(spot, hand, size=9)
        box = {"boxstyle": "round,pad=0.45", "facecolor": "#e9ebef", "edgecolor": INK}
        ax.text(i, 0.25, words["think"], ha="center", va="center", bbox=box, fontsize=12)
        ax.annotate("", (i, 0.03), (i, -0.38), arrowprops=solid)
        ax.annotate("", (i, 1.0), (i, 0.48), arrowprops=solid)
        ax.text(i, 1.15, letter, ha="center", va="center", fontsize=17, color=letter_colour(letter))
        if i < last:
            ax.annotate("", (i + 0.7, 0.32), (i + 0.3, 0.32), arrowprops=solid)
            ax.text(i + 0.5, 0.4, words["state"], ha="center", va="bottom", fontsize=12)
            ax.annotate("", (i + 0.3, 0.12), (i + 0.7, 0.12), arrowprops=back)
    ax.annotate("", (last + 0.12, 0.48), (last + 0.12, 1.0), arrowprops=back)
    ax.text(last / 2, 1.5, words["gradient"], ha="center", va="center", color=MAGENTA, fontsize=12.5)
    return figure


def show_trials(reports: Mapping[str, Mapping[str, Mapping[str, float]]], ylabel: str):
    """Show the share of right answers: report name -> panel -> kind -> share. Returns the figure.

    A net is a bar of its own colour and pattern, with the share above it in hundredths.
    """
    panels = list(next(iter(reports.values())))
    figure, axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels), 3.0), sharey=True, squeeze=False)
    looks = ((ORANGE, ""), (BLUE, "//"), (PALE, ".."))
    width = 0.8 / len(reports)
    for ax, panel in zip(axes[0], panels, strict=True):
        for i, ((name, report), (colour, hatch)) in enumerate(zip(reports.items(), looks, strict=False)):
            kinds = report[panel]
            x = np.arange(len(kinds)) + (i - (len(reports) - 1) / 2) * width
            bars = ax.bar(
                x, list(kinds.values()), width * 0.94, label=name, color=colour, hatch=hatch, edgecolor=INK
            )
            ax.bar_label(bars, [f"{100 * value:.0f}" for value in kinds.values()], fontsize=9)
        ax.set_xticks(range(len(kinds)), list(kinds), fontsize=10)
        ax.set_title(panel, fontsize=12)
        ax.set_ylim(0, 1.12)
        ax.set_yticks([0, 0.5, 1])
    axes[0, 0].set_ylabel(ylabel)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(reports), fontsize=10, frameon=False)
    return figure
