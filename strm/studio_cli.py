"""`strm studio …`: the commands of the hand that the book renders for itself.

They stand outside the package `strm.studio`, whose import takes a second: `strm --help` must not wait for it.
"""

import argparse
import os

from strm.arguments import Add, amount, count

TABLES = "outputs/studio"
SHIP = "data/studio"


def add_studio(add: Add) -> None:
    """Add `strm studio` and its own commands to the command line."""
    parser = add("studio", "renders hands: tables of landmarks, videos of words, the alphabet", _nothing)
    commands = parser.add_subparsers(dest="studio_command", metavar="COMMAND", required=True)
    for name, purpose, run, arguments in (
        ("dataset", "drawn people, looked at by the detector -> tables of landmarks", _dataset, _add_dataset),
        ("word", "a word -> a video of a drawn hand that spells it", _word, _add_word),
        ("grid", "all letters -> one picture", _grid, _add_grid),
        ("ship", "make all of data/studio anew", _ship, _add_ship),
    ):
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        command.set_defaults(run=run)
        arguments(command)


def _nothing(args: argparse.Namespace) -> None:
    raise AssertionError("argparse asks for one of the commands")


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=amount, default=0, help="the same seed gives the same tables (0)")
    parser.add_argument(
        "--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)"
    )


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out_dir", default=TABLES, metavar="DIR", help=f"where they go ({TABLES})")
    parser.add_argument("--signers", type=count, default=40, metavar="N", help="drawn people (40)")
    parser.add_argument("--stills", type=amount, default=4, metavar="N", help="photos of each letter (4)")
    parser.add_argument(
        "--clips",
        type=amount,
        default=1,
        metavar="N",
        help="clips of each letter and of 'nothing' (1); of those that movement tells apart, twice as many",
    )
    parser.add_argument("--words", type=amount, default=2, metavar="N", help="words of each person (2)")
    parser.add_argument(
        "--landmarks_only",
        action="store_true",
        help="no pixels: true landmarks, with noise like a detector's",
    )
    _add_jobs(parser)


def _dataset(args: argparse.Namespace) -> None:
    from strm.studio.dataset import make
    from strm.studio.takes import Plan

    plan = Plan(args.stills, args.clips, args.words, args.seed, args.landmarks_only)
    make(args.out_dir, args.signers, plan, args.jobs)


def _add_hand(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=count, default=256, help="pixels, of a square picture (256)")
    parser.add_argument("--seed", type=amount, default=0, help="the same seed gives the same hands (0)")
    parser.add_argument(
        "--tone", type=int, choices=range(1, 11), help="of the skin, on the Monk scale (drawn)"
    )
    parser.add_argument("--side", choices=["Left", "Right"], help="the hand that signs (drawn)")


def _add_word(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", metavar="WORD", help="what to spell")
    parser.add_argument("--out", required=True, metavar="FILE", help="the video, NAME.mp4")
    parser.add_argument("--csv", metavar="FILE", help="what each frame shows, and its true landmarks")
    _add_hand(parser)


def _word(args: argparse.Namespace) -> None:
    from strm.studio.album import word_video

    word_video(args.word, args.out, args.size, args.seed, args.tone, args.side, args.csv)


def _add_grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture, NAME.png")
    _add_hand(parser)


def _grid(args: argparse.Namespace) -> None:
    from strm.studio.album import grid

    grid(args.out, args.size, args.seed, args.tone, args.side)


def _add_ship(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out_dir", default=SHIP, metavar="DIR", help=f"where it goes ({SHIP})")
    parser.add_argument("--signers", type=count, default=None, metavar="N", help="drawn people (what ships)")
    _add_jobs(parser)


def _ship(args: argparse.Namespace) -> None:
    from strm.studio.ship import SIGNERS, ship

    ship(args.out_dir, args.signers or SIGNERS, args.seed, args.jobs)
