"""The book's one style: white paper, and colours that colour-blind readers tell apart."""

import matplotlib.pyplot as plt

from strm.alphabet import ASL

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
GREY = "#8a8f98"
# The letters that the book is about have colours of their own; the others share what is left. A letter has
# the same colour in every figure, and its name beside it: colour alone says nothing.
LETTERS = dict(zip((*ASL.moving, *ASL.moving.values()), (MAGENTA, RED, BLUE, PURPLE), strict=True))
OTHERS = ("#117733", "#88ccee", "#aa4499", "#999933", "#332288", "#cc6677", "#44aa99", "#882255")


def style() -> None:
    """Make every figure that follows look like the book's."""
    plt.rcParams.update(STYLE)


def letter_colour(letter: str) -> str:
    """Return the colour of a class in every figure; of 'nothing', grey."""
    if letter == ASL.nothing:
        return GREY
    return LETTERS[letter] if letter in LETTERS else OTHERS[sum(map(ord, letter)) % len(OTHERS)]
