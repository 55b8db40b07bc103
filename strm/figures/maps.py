"""Maps: letters in a plane, with the hands that its places stand for; and where a hand went."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

from strm.alphabet import ASL
from strm.figures.hands import draw_hand
from strm.figures.paper import INK, letter_colour

OUTLINE = withStroke(linewidth=3, foreground="white")
MARKERS = "o^sDvP"  # so that a colour that two letters share does not stand alone
APART = 0.055  # parts of the map: names closer than that would hide each other


def show_map(
    places: np.ndarray,
    letters: Sequence[str],
    hand_at: Callable[[float, float], np.ndarray],
    labels: tuple[str, str],
    steps: int = 5,
):
    """Show hands as points of a plane, each letter named in its middle, and return the figure.

    places: [N, 2]. hand_at: returns the points [21, 2 or 3] that a place stands for; `steps` such hands are
    drawn under and beside the map, at its ticks. labels: of the two axes. A few hands far out are not shown.
    """
    figure = plt.figure(figsize=(6.4, 6.4))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, steps), height_ratios=(steps, 1))
    ax = figure.add_subplot(grid[0, 1])
    names, of = ASL.order(set(letters)), np.asarray(letters)
    for i, name in enumerate(names):
        marker = MARKERS[i % len(MARKERS)]
        x, y = places[of == name].T
        ax.scatter(x, y, s=12, alpha=0.35, color=letter_colour(name), marker=marker, linewidths=0)
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    margin = 0.05 * (high - low)  # a few odd hands must not shrink the map of all others
    ax.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))
    reach = high - low + 2 * margin
    middles = spread(np.stack([np.median(places[of == name], axis=0) for name in names]) / reach, APART)
    for name, (x, y) in zip(names, middles * reach, strict=True):
        look: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "fontsize": 14,
            "fontweight": "bold",
            "zorder": 4,
        }
        ax.text(x, y, name, color=INK, path_effects=[OUTLINE], **look)
    ticks = np.linspace(low, high, steps)
    ax.set_xticks(ticks[:, 0], [""] * steps)
    ax.set_yticks(ticks[:, 1], [""] * steps)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.grid(alpha=0.25)
    below, beside = grid[1, 1].subgridspec(1, steps), grid[0, 0].subgridspec(steps, 1)
    for k, (x, y) in enumerate(ticks):
        draw_hand(figure.add_subplot(below[k]), hand_at(x, 0.0), size=8)
        draw_hand(figure.add_subplot(beside[steps - 1 - k]), hand_at(0.0, y), size=8)
    return figure


def spread(places: np.ndarray, apart: float, rounds: int = 200) -> np.ndarray:
    """Push places [N, 2] away from each other until none are closer than `apart`, or patience ends."""
    places = places.astype(float)
    for _ in range(rounds):
        way = places[:, None] - places[None]
        far = np.linalg.norm(way, axis=-1)
        np.fill_diagonal(far, np.inf)
        if far.min() >= apart:
            break
        push = np.maximum(1.02 * apart - far, 0) / 2
        places = places + (way / np.maximum(far, 1e-9)[..., None] * push[..., None]).sum(1)
    return places


def show_slot(tracks: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], labels: Sequence[str]):
    """Show where hands go in the picture, and what the wrist's slot says of it; return the figure.

    tracks: title -> (hands [S, 21, 2 or 3] in pixels, t_ms [S], slot [S, 2]), a row each. labels: of the
    slot's x and y, of time, of the slot.
    """
    across, down, seconds, slot_name = labels
    figure, axes = plt.subplots(
        len(tracks), 2, figsize=(6.4, 2.6 * len(tracks)), width_ratios=(1, 1.5), squeeze=False
    )
    for row, (title, (hands, t_ms, slot)) in zip(axes, tracks.items(), strict=True):
        draw_hand(row[0], hands[0], size=8)
        row[0].plot(*hands[:, 0, :2].T, color=INK, linewidth=2, zorder=4)
        row[0].plot(*hands[-1, 0, :2], color=INK, marker="o", markersize=7, zorder=5)
        row[0].set_title(title)
        row[1].plot(t_ms / 1000, slot[:, 0], label=across)
        row[1].plot(t_ms / 1000, slot[:, 1], "--", label=down)
        row[1].axhline(0, color=INK, linewidth=0.6)
        row[1].set_ylabel(slot_name)
    for axis in ("x", "y"):  # the same measure in every row, or a tremble looks like a stroke
        low, high = zip(*(getattr(ax, f"get_{axis}lim")() for ax in axes[:, 1]), strict=True)
        for ax in axes[:, 1]:
            getattr(ax, f"set_{axis}lim")(min(low), max(high))
    axes[0, 1].legend(frameon=False, fontsize=10)
    axes[-1, 1].set_xlabel(seconds)
    return figure
