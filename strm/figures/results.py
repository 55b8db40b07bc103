"""What the results files say, drawn with every seed in sight."""

from typing import Any

import matplotlib.pyplot as plt

from strm.figures.paper import BLUE, INK, MAGENTA


def show_strangers(table: dict[str, Any], nets: dict[str, str], measures: dict[str, str]):
    """Show what people whom no net has met say of each net, and return the figure.

    table: data/results/strangers.json. nets: key -> name, in order. measures: key -> title. A dot is a seed.
    """
    figure, axes = plt.subplots(1, len(measures), figsize=(2.6 * len(measures) + 1.5, 0.42 * len(nets) + 1.1))
    rows = range(len(nets))[::-1]
    for ax, (measure, title) in zip(axes, measures.items(), strict=True):
        for row, net in zip(rows, nets, strict=True):
            of = table["nets"][net][measure]["mean"]
            memory = net.startswith("strm")
            colour, marker = (MAGENTA, "d") if memory else (BLUE, "o")
            ax.scatter(of["seeds"], [row] * len(of["seeds"]), s=22, color=colour, marker=marker, alpha=0.7)
            ax.plot([of["mean"]] * 2, [row - 0.3, row + 0.3], color=INK, linewidth=1.5)
        ax.set_yticks(rows, nets.values() if ax is axes[0] else [""] * len(nets))
        ax.set_title(title, fontsize=10)
        ax.grid(axis="x", alpha=0.3)
    return figure
