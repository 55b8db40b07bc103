"""A model that travels: where a file's bytes are, and two runtimes that must agree."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from strm.figures.paper import BLUE, COLOURS, GREY, INK, MAGENTA, ORANGE, PURPLE
from strm.figures.streams import OUTLINE, in_seconds, show_ribbon, show_truth

KINDS = {  # of bytes, in the order of the legend; a hatch goes with each colour
    "numbers": (BLUE, ""),
    "words": (ORANGE, "//"),
    "program": (MAGENTA, "xx"),
    "frame": (GREY, ".."),
}
LETTER = 0.014  # of the panel's width: a part that is too narrow for its name gets none

Part = tuple[str, int, str]  # name, bytes, kind


def show_bytes(files: Mapping[str, Sequence[Part]], kinds: Mapping[str, str], titles: tuple[str, str]):
    """Show what each file's bytes are, and below only what is no numbers; return the figure.

    files: name -> parts in their order. kinds: what "numbers", "words", "program" and "frame" are called.
    titles: of the two panels. Both are in kilobytes.
    """
    figure, (whole, rest) = plt.subplots(2, 1, figsize=(6.4, 0.62 * 2 * len(files) + 1.9))
    others = {name: [part for part in parts if part[2] != "numbers"] for name, parts in files.items()}
    for ax, rows, title in ((whole, files, titles[0]), (rest, others, titles[1])):
        length = max(sum(size for _, size, _ in parts) for parts in rows.values())
        for y, parts in zip(range(len(rows))[::-1], rows.values(), strict=True):
            left = 0.0
            for name, size, kind in parts:
                colour, hatch = KINDS[kind]
                ax.barh(y, size / 1000, 0.62, left / 1000, color=colour, hatch=hatch, edgecolor="white")
                if size > (len(name) + 0.2) * LETTER * length:
                    at = (left + size / 2) / 1000, y
                    ax.text(*at, name, ha="center", va="center", fontsize=9, path_effects=[OUTLINE])
                left += size
        ax.set_yticks(range(len(rows))[::-1], rows)
        ax.set_title(title, loc="left", fontsize=11)
        ax.tick_params(axis="y", length=0)
    keys = [
        plt.Rectangle(
            (0, 0), 1, 1, facecolor=KINDS[kind][0], hatch=KINDS[kind][1], edgecolor="white", label=said
        )
        for kind, said in kinds.items()
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2, fontsize=10)
    return figure


def show_parity(
    t_ms: np.ndarray,
    p: np.ndarray,
    names: Sequence[str],
    letters: Sequence[str],
    gaps: Mapping[str, np.ndarray],
    words: tuple[str, str, str, str],
):
    """Show one runtime's reading of a stream, and by how much another one's differs; return the figure.

    p [S, C]: probabilities. letters [S]: what is signed. gaps: name -> [S], drawn on one log axis.
    words: what the bar, the ribbon, the log axis and time are called.
    """
    figure, (bar, ribbon, below) = plt.subplots(
        3, 1, figsize=(6.4, 4.7), sharex=True, height_ratios=[0.14, 0.9, 1]
    )
    show_truth(bar, t_ms, letters)
    bar.set_yticks([0.5], [words[0]])
    bar.spines[:].set_visible(False)
    bar.tick_params(length=0)
    show_ribbon(ribbon, t_ms, p, names)
    ribbon.set_ylabel(words[1])
    for (name, gap), colour, line, marker in zip(
        gaps.items(), (INK, MAGENTA, PURPLE), ("-", "--", ":"), "o^s", strict=False
    ):
        seen = np.maximum(gap, 1e-8)  # equal to the last bit: below every axis
        below.plot(t_ms, seen, color=colour, linestyle=line, marker=marker, markersize=3, label=name)
    below.set_yscale("log")
    below.set_ylabel(words[2])
    below.grid(axis="y", alpha=0.3)
    below.legend(loc="center right", fontsize=10)
    below.set_xlabel(words[3])
    in_seconds(below, t_ms[-1])
    return figure


def show_named(ax, x: Sequence[float], shares: np.ndarray, chance: float, words: tuple[str, str]) -> None:
    """Draw how many of several are named right, each dot one of them, and what chance would name.

    shares [N, P]: of P people at each of N values of x. words: of the line of means and of chance.
    """
    rng = np.random.default_rng(0)
    for place, row in enumerate(shares):
        aside = place + rng.uniform(-0.16, 0.16, len(row))
        ax.scatter(aside, row, s=14, color=COLOURS[0], alpha=0.45, linewidths=0)
    ax.plot(range(len(x)), shares.mean(1), color=INK, marker="d", markersize=8, label=words[0])
    ax.axhline(chance, color=MAGENTA, linestyle="--", label=words[1])
    ax.set_xticks(range(len(x)), [f"{value:g}" for value in x])
    ax.set_ylim(0, 1.04)
    ax.grid(axis="y", alpha=0.3)
    ax.legend(loc="center right", fontsize=10)
