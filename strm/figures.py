"""The book's one way to draw: colours that colour-blind readers tell apart, hands with their landmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from strm.alphabet import ASL
from strm.bundle import WEIGHTS, load
from strm.landmarks import Hand
from strm.read import FINGERS, PALM

# The IBM palette, safe for colour-blind readers; a marker or a line style goes with each colour.
COLOURS = BLUE, ORANGE, MAGENTA, PURPLE, RED = "#648fff", "#ffb000", "#dc267f", "#785ef0", "#fe6100"
INK = "#1f2430"
STYLE = {
    # White paper, in the page's dark mode too: a photo's colours are then judged against the same ground.
    "figure.facecolor": "white",
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 11,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def style() -> None:
    """Make every figure that follows look like the book's."""
    plt.rcParams.update(STYLE)


def draw_hand(
    ax, points: np.ndarray, image: np.ndarray | None = None, size: float = 16, colour: str = ORANGE
) -> None:
    """Draw 21 points and their bones, over a picture or on paper with y downwards.

    points: [21, 2 or 3] in the units of the axes: pixels if there is an image, uint8 [H, W, 3] RGB.
    """
    if image is not None:
        ax.imshow(image)
        ax.autoscale(False)  # a fingertip beyond the edge must not shrink the picture
    else:
        ax.set_aspect("equal")
        if not ax.yaxis_inverted():
            ax.invert_yaxis()
    for chain in (PALM, *FINGERS):
        ax.plot(*points[list(chain), :2].T, color=colour, linewidth=size / 8, solid_capstyle="round")
    ax.scatter(*points[:, :2].T, s=size, color=BLUE, edgecolors="white", linewidths=size / 40, zorder=3)
    ax.axis("off")


def show_hands(
    images: Sequence[np.ndarray],
    hands: Sequence[Hand | None] | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 6,
):
    """Show pictures in a grid, each with the landmarks found in it, and return the figure."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = 1.45 if titles is None else 1.7
    figure, axes = plt.subplots(rows, columns, figsize=(1.45 * columns, height * rows), squeeze=False)
    for i, ax in enumerate(axes.flat):
        ax.axis("off")
        if i >= len(images):
            continue
        hand = hands[i] if hands is not None else None
        if hand is None:
            ax.imshow(images[i])
        else:
            draw_hand(ax, hand.points * [hand.width, hand.height, 1], images[i], size=6)
        if titles is not None:
            ax.set_title(titles[i], fontsize=11)
    return figure


def show_confusions(true: Sequence[str], read: Sequence[str], classes: Sequence[str]):
    """Show how often each true letter (a row) is read as which (a column), and return the figure."""
    index = {label: i for i, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for t, r in zip(true, read, strict=True):
        counts[index[t], index[r]] += 1
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, ax = plt.subplots(figsize=(6, 5.2))
    shown = ax.imshow(share, cmap="cividis", vmin=0, vmax=1)
    ax.set_xticks(range(len(classes)), classes, fontsize=9)
    ax.set_yticks(range(len(classes)), classes, fontsize=9)
    ax.set(xlabel="read as", ylabel="true letter")
    figure.colorbar(shown, ax=ax, label="share of the letter's photos", shrink=0.85)
    return figure


def hand_to_letter(
    path: str | Path, letter: str = ASL.still[-1], seed: int = 1, model: str | Path = WEIGHTS
) -> None:
    """Draw the book's one picture into a PNG: a photo, its 21 points, their 63 numbers, the letter read.

    Each letter and seed is another photo; model: the folder of the model that reads it.
    """
    from PIL import Image

    from strm import studio
    from strm.files import replacing
    from strm.landmarks import HandDetector, normalise
    from strm.read import read_hand

    photo = studio.sample(letter, np.random.default_rng(seed), size=512)
    with HandDetector() as detector:
        hand = detector.detect(photo.image)
    if hand is None:
        raise RuntimeError(f"no hand found in the photo of seed {seed}: choose another seed.")
    numbers, _ = normalise(hand.points, hand.width, hand.height, hand.handedness)
    reading = read_hand(load(model), hand)
    with plt.rc_context(STYLE):
        ratios = [4, 0.5, 4, 0.5, 2.1, 0.5, 2.4]
        figure, axes = plt.subplots(1, 7, figsize=(10, 2.9), width_ratios=ratios)
        axes[0].imshow(photo.image)
        draw_hand(axes[2], hand.points, size=40)
        axes[4].imshow(numbers.reshape(21, 3), cmap="cividis", aspect="auto")
        axes[6].text(0.5, 0.5, reading.letter, fontsize=110, ha="center", va="center", color=INK)
        for ax in axes[1::2]:
            ax.annotate("", (1, 0.5), (0, 0.5), arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 2})
        for ax in axes:
            ax.axis("off")
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120)
            plt.close(figure)
            # A palette of 256 colours is a third of the size, and nobody sees it.
            Image.open(temporary).convert("RGB").quantize(256).save(temporary, "PNG", optimize=True)


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
