"""What several commands ask for. Each kind of number says what it wants when it gets something else."""

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[..., argparse.ArgumentParser]  # adds one command to the command line
MODELS = "outputs/models"


def _number(kind: type, fits: Callable[[float], bool], wanted: str) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not fits(value):
            raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
        return value

    number.__name__ = kind.__name__  # argparse names it when the text is no number at all
    return number


count = _number(int, lambda value: value > 0, "greater than 0")
amount = _number(int, lambda value: value >= 0, "0 or greater")
seed = _number(int, lambda value: 0 <= value < 2**32, "at least 0 and below 2^32")
rate = _number(float, lambda value: 0 < value < float("inf"), "greater than 0 and finite")
weight = _number(float, lambda value: 0 < value <= 1, "above 0 and at most 1")
share = _number(float, lambda value: 0 <= value < 1, "at least 0 and below 1")


def add_csv(parser: argparse.ArgumentParser, purpose: str, required: bool = True) -> None:
    """Add the tables of landmarks, and the rate assumed of clips without times."""
    parser.add_argument("--csv", nargs="+", required=required, metavar="FILE", help=purpose)
    parser.add_argument("--fps", type=rate, default=30.0, help="frames a second where t_ms is missing (30)")


def add_model(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """Add the model: a folder, or a repository of the Hub (a default is a folder, never asked of the Hub)."""
    said = default or "the shipped weights"
    where = f"its folder, or USER/NAME[@REVISION] on the Hugging Face Hub ({said})"
    parser.add_argument("--model", default=default, metavar="MODEL", help=where)
