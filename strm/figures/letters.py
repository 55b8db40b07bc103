"""How letters are read: the book's one picture, and who is taken for whom."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from strm.alphabet import ASL
from strm.bundle import WEIGHTS, load
from strm.figures.hands import draw_hand
from strm.figures.paper import INK, STYLE


def show_confusions(
    true: Sequence[str], read: Sequence[str], classes: Sequence[str], labels: tuple[str, str, str]
):
    """Show how often each true letter (a row) is read as which (a column), and return the figure.

    labels: of the columns, of the rows, of the shade (the share of the row). What never happens stays white.
    """
    import seaborn  # half a second that only this figure needs

    index = {label: i for i, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for t, r in zip(true, read, strict=True):
        counts[index[t], index[r]] += 1
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, ax = plt.subplots(figsize=(6.4, 5.6))
    bar = {"label": labels[2], "shrink": 0.8}
    look = {"cmap": "cividis_r", "vmin": 0, "vmax": 1, "linewidths": 0.4, "linecolor": "#e6e8ec"}
    names = {"xticklabels": classes, "yticklabels": classes}
    seaborn.heatmap(share, mask=share == 0, square=True, ax=ax, cbar_kws=bar, **look, **names)
    ax.tick_params(length=0, labelsize=9, labelrotation=0)
    ax.set(xlabel=labels[0], ylabel=labels[1])
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
