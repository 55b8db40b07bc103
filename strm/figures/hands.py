"""Hands, drawn as hands: bones, joints, and the photo under them."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from strm.figures.paper import BLUE, ORANGE
from strm.landmarks import Hand
from strm.read import FINGERS, PALM


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
