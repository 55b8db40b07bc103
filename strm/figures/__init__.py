"""The book's one way to draw. Text comes from the caller, so that a figure speaks the reader's language."""

from strm.figures.answers import draw_runs, show_answers, show_pulls
from strm.figures.claims import (
    show_against,
    show_costs,
    show_intervals,
    show_people,
    show_reliability,
)
from strm.figures.hands import draw_hand, show_hands
from strm.figures.letters import hand_to_letter, show_confusions
from strm.figures.maps import show_map, show_slot
from strm.figures.memory import (
    draw_stroke,
    show_films,
    show_lines,
    show_poses,
    show_reach,
    show_strokes,
    show_trials,
    show_unrolled,
)
from strm.figures.movement import show_movement
from strm.figures.paper import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    MAGENTA,
    ORANGE,
    PURPLE,
    RED,
    STYLE,
    letter_colour,
    style,
)
from strm.figures.results import show_heat, show_letters, show_seeds, show_strangers
from strm.figures.share import show_bytes, show_named, show_parity
from strm.figures.streams import (
    in_seconds,
    show_cameras,
    show_commits,
    show_gates,
    show_path,
    show_readings,
    show_ribbon,
    show_truth,
    show_turned,
)
from strm.figures.thinking import draw_grid, show_grids, show_loop, show_settling
from strm.figures.words import show_word, word_read

__all__ = [
    "BLUE",
    "COLOURS",
    "GREY",
    "INK",
    "MAGENTA",
    "ORANGE",
    "PURPLE",
    "RED",
    "STYLE",
    "draw_grid",
    "draw_hand",
    "draw_runs",
    "draw_stroke",
    "hand_to_letter",
    "in_seconds",
    "letter_colour",
    "show_against",
    "show_answers",
    "show_bytes",
    "show_cameras",
    "show_commits",
    "show_confusions",
    "show_costs",
    "show_films",
    "show_gates",
    "show_grids",
    "show_hands",
    "show_heat",
    "show_intervals",
    "show_letters",
    "show_lines",
    "show_loop",
    "show_map",
    "show_movement",
    "show_named",
    "show_parity",
    "show_path",
    "show_people",
    "show_poses",
    "show_pulls",
    "show_reach",
    "show_readings",
    "show_reliability",
    "show_ribbon",
    "show_seeds",
    "show_settling",
    "show_slot",
    "show_strangers",
    "show_strokes",
    "show_trials",
    "show_truth",
    "show_turned",
    "show_unrolled",
    "show_word",
    "style",
    "word_read",
]
