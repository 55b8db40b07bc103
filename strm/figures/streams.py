"""Streams over time: letters as a ribbon, gates as a strip, the state's path."""

from collections.abc import Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

from strm.alphabet import ASL
from strm.figures.paper import COLOURS, GREY, INK, letter_colour

Commit = tuple[float, str, str | None]  # when which letter was written, and what it replaced

WORTH = 0.3  # a class that never gets so likely is not named
OUTLINE = withStroke(linewidth=2.5, foreground="white")
PALE = "#e6e8ec"  # of all that is not named
MARKERS, LINES = "odsv^", ("-", "--", ":", "-.", (0, (5, 1)))


def show_truth(ax, t_ms: np.ndarray, letters: Sequence[str], height: float = 1.0, base: float = 0.0) -> None:
    """Draw what is signed over time as a bar with names; 'nothing' is left white."""
    step = float(np.median(np.diff(t_ms)))
    for start, end, letter in _stays(letters):
        left, right = t_ms[start] - step / 2, t_ms[end - 1] + step / 2
        colour = letter_colour(letter)
        ax.barh(base + height / 2, right - left, height, left, color=colour, edgecolor="white")
        middle = (left + right) / 2, base + height / 2
        ax.text(*middle, letter, ha="center", va="center", color=INK, path_effects=[OUTLINE])


def show_ribbon(ax, t_ms: np.ndarray, p: np.ndarray, names: Sequence[str]) -> None:
    """Draw probabilities [S, C] over time: a band for each class that gets likely, with its name in it.

    'nothing' lies at the bottom, then the letters in the order in which they appear; the rest is pale.
    """
    likely = [i for i, name in enumerate(names) if p[:, i].max() > WORTH and name != ASL.nothing]
    likely.sort(key=lambda i: int(np.argmax(p[:, i] > WORTH)))
    order = [i for i, name in enumerate(names) if name == ASL.nothing] + likely
    base = np.zeros(len(p))
    for i in order:
        top = base + p[:, i]
        ax.fill_between(t_ms, base, top, color=letter_colour(names[i]), linewidth=0)
        for start, end in _runs(p[:, i] > WORTH):
            # In the middle of its weight, and never over the edge.
            at = round(float(np.average(np.arange(start, end), weights=p[start:end, i])))
            at = int(np.clip(at, len(p) // 50, len(p) - 1 - len(p) // 50))
            if names[i] != ASL.nothing:
                where = t_ms[at], (base[at] + top[at]) / 2
                ax.text(*where, names[i], ha="center", va="center", color=INK, path_effects=[OUTLINE])
        base = top
    ax.fill_between(t_ms, base, 1, color=PALE, linewidth=0)
    ax.set(xlim=(t_ms[0], t_ms[-1]), ylim=(0, 1))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def show_commits(ax, commits: Sequence[Commit], y: float = 1.12) -> None:
    """Mark above a ribbon when a letter was written: (t_ms, letter, the letter that it replaced or None)."""
    for t_ms, letter, replaced in commits:
        ax.axvline(t_ms, color=INK, linewidth=1, linestyle=":")
        said = letter if replaced is None else f"{replaced}→{letter}"
        where = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "center"}
        ax.annotate(said, (t_ms, y), annotation_clip=False, fontweight="bold", **where)


def show_readings(
    panels: dict[str, tuple[np.ndarray, np.ndarray, Sequence[Commit]]],
    names: Sequence[str],
    truth: tuple[np.ndarray, Sequence[str]],
    labels: Sequence[str],
):
    """Show ribbons of one stream under what was signed, and return the figure.

    panels: title -> (t_ms [S], p [S, C], commits). truth: (t_ms, letters). labels: of the bar of what is
    signed, of the ribbons' height, of time.
    """
    signed, probability, seconds = labels
    rows = len(panels)
    figure, axes = plt.subplots(
        rows + 1, 1, figsize=(6.4, 0.6 + 1.75 * rows), sharex=True, height_ratios=[0.22, *[1] * rows]
    )
    show_truth(axes[0], *truth)
    axes[0].set_yticks([0.5], [signed])
    for spine in axes[0].spines.values():
        spine.set_visible(False)
    axes[0].tick_params(length=0)
    for ax, (title, (t_ms, p, commits)) in zip(axes[1:], panels.items(), strict=True):
        show_ribbon(ax, t_ms, p, names)
        show_commits(ax, commits)
        ax.set_ylabel(probability)
        ax.set_title(title, loc="left", fontsize=11, pad=22)
    in_seconds(axes[-1], truth[0][-1])
    axes[-1].set_xlabel(seconds)
    return figure


def in_seconds(ax, end_ms: float) -> None:
    """Label an axis in milliseconds with whole seconds."""
    ticks = np.arange(0, end_ms + 1, 1000)
    ax.set_xticks(ticks, [f"{tick / 1000:.0f}" for tick in ticks])


def show_cameras(ax, cameras: dict[str, np.ndarray], ticks: np.ndarray, name: str) -> None:
    """Draw when each camera takes its frames, a row a camera, and the model's ticks below: all in ms."""
    rows = list(cameras.items())
    for row, (_, t_ms) in enumerate(rows[::-1], 1):
        ax.plot(t_ms, [row] * len(t_ms), "|", color=INK, markersize=11)
    ax.plot(ticks, [0] * len(ticks), "o", color=COLOURS[1], markeredgecolor=INK, markersize=6)
    for tick in ticks:
        ax.axvline(tick, color=COLOURS[1], alpha=0.4, linewidth=1)
    ax.set_yticks(range(len(rows) + 1), [name, *(camera for camera, _ in rows[::-1])])
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def show_gates(ax, t_ms: np.ndarray, gates: np.ndarray, reach: tuple[float, float] = (0.0, 1.0)):
    """Draw values [S, N] over time as a heat map, a row a unit; return what a colour bar needs."""
    step = float(np.median(np.diff(t_ms)))
    extent = t_ms[0] - step / 2, t_ms[-1] + step / 2, gates.shape[1], 0
    return ax.imshow(
        gates.T,
        aspect="auto",
        cmap="cividis",
        extent=extent,
        vmin=reach[0],
        vmax=reach[1],
        interpolation="nearest",
    )


def show_path(ax, xy: np.ndarray, letters: Sequence[str]) -> None:
    """Draw a state's way [S, 2] through the plane, each point in its letter's colour, each stay named."""
    ax.plot(*xy.T, color=GREY, linewidth=1, zorder=1)
    for i, letter in enumerate(letters):
        ax.scatter(*xy[i], s=26, color=letter_colour(letter), edgecolor="white", linewidth=0.5, zorder=2)
    ax.margins(0.12)
    ax.autoscale_view()
    taken = list(ax.transData.transform(xy))
    for start, end, letter in _stays(letters):
        middle = ax.transData.transform(xy[start:end].mean(0))
        way = _free(middle, taken)
        taken.append(middle + way)
        line = {"arrowstyle": "-", "color": INK, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
        ax.annotate(
            letter,
            xy[start:end].mean(0),
            xytext=way * 72 / ax.figure.dpi,
            textcoords="offset points",
            arrowprops=line,
            ha="center",
            va="center",
            fontsize=13,
            path_effects=[OUTLINE],
            zorder=4,
        )
    for at, marker in ((0, "s"), (-1, "*")):
        ax.scatter(*xy[at], s=70, marker=marker, color="white", edgecolor=INK, linewidth=1.5, zorder=3)


def _stays(letters: Sequence[str]) -> list[tuple[int, int, str]]:
    """Where each letter is shown: (first, one after the last, letter)."""
    out, start = [], 0
    for letter, run in groupby(letters):
        end = start + len(list(run))
        out += [(start, end, letter)] if letter != ASL.nothing else []
        start = end
    return out


def _free(at: np.ndarray, taken: list[np.ndarray]) -> np.ndarray:
    """The way in pixels from a point to where a label beside it covers nothing."""
    angles = np.arange(16) * np.pi / 8
    ways = np.concatenate([r * np.stack([np.cos(angles), np.sin(angles)], 1) for r in (45, 70, 95)])
    room = np.linalg.norm((at + ways)[:, None] - np.stack(taken), axis=-1).min(1)
    return ways[np.argmax(np.minimum(room, 45) - 0.1 * np.linalg.norm(ways, axis=1))]


def show_turned(ax, x: Sequence[float], lines: dict[str, np.ndarray]) -> None:
    """Draw a measure against a setting that is turned: each line's values [N, B], B of them a setting.

    The line is the middle one; the band holds 90% of them.
    """
    for i, (name, values) in enumerate(lines.items()):
        low, middle, high = np.percentile(values, [5, 50, 95], axis=1)
        colour = COLOURS[i % len(COLOURS)]
        ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(x, middle, color=colour, marker=MARKERS[i % 5], linestyle=LINES[i % 5], label=name)
    ax.grid(alpha=0.3)
