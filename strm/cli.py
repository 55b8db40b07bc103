"""The command line: `strm COMMAND`, the same as `python -m strm COMMAND`.

Each command has one function that names its flags and one that calls the package. Imports wait
until a command runs, so that `strm --help` answers at once.
"""

import argparse
import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from strm import __version__, book_cli, demo_cli, extract_cli, hub_cli, studio_cli, train_cli
from strm.arguments import MODELS, Add, add_csv, add_model, count
from strm.files import ILL, UserError, trouble

GRAPHS = "outputs/onnx"


def _add_evaluate(add: Add) -> None:
    parser = add("evaluate", "a model and CSV files -> accuracy, macro-F1, per letter, per signer", _evaluate)
    add_csv(parser, "landmarks to judge the model on, one file or several")
    add_model(parser, Path(MODELS))
    units = parser.add_mutually_exclusive_group()
    units.add_argument(
        "--sequence_mode", action="store_true", help="judge whole clips instead of single frames"
    )
    units.add_argument(
        "--stream", action="store_true", help="judge what is typed: each clip's label is the word it spells"
    )
    parser.add_argument("--stateless", action="store_true", help="with --stream: read each frame alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _evaluate(args: argparse.Namespace) -> None:
    if args.stream:
        from strm import words

        return words.run(args.csv, args.model, not args.stateless, args.json, args.fps)
    if args.stateless:
        raise UserError("--stateless goes with --stream: clips and frames are read as the model was trained.")
    from strm.evaluate import run

    run(args.csv, args.model, args.sequence_mode, args.json, args.fps)


def _add_compare(add: Add) -> None:
    parser = add("compare", "makes the tables of data/results (all but memory need STRM_REAL_DATA)", _compare)
    parser.add_argument(
        "what",
        nargs="?",
        choices=[
            "photos",
            "strangers",
            "qualities",
            "search",
            "taught",
            "signs",
            "studio",
            "movement",
            "memory",
            "all",
            "weights",
        ],
        default="all",
        help="which tables (all), or the weights that ship",
    )
    parser.add_argument(
        "--out_dir", default="data/results", metavar="DIR", help="where they go (data/results)"
    )
    parser.add_argument(
        "--seeds", type=count, default=3, metavar="N", help="trainings of each, seeds 0 to N-1 (3)"
    )
    parser.add_argument("--jobs", type=count, default=2, metavar="N", help="processes (2)")


def _compare(args: argparse.Namespace) -> None:
    from strm.compare import run

    run(args.what, out_dir=args.out_dir, seeds=args.seeds, jobs=args.jobs)


def _add_read(add: Add) -> None:
    parser = add("read", "photos of a hand -> letters, and pictures with the landmarks drawn", _read)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a picture of one hand")
    add_model(parser)
    parser.add_argument("--out_dir", metavar="DIR", help="where NAME.read.png goes (beside the photo)")


def _read(args: argparse.Namespace) -> int:
    from strm.read import run

    return run(args.photos, args.model, args.out_dir)


def _add_export(add: Add) -> None:
    parser = add(
        "export", "a model -> ONNX graphs that run without PyTorch, the state going in and out", _export
    )
    add_model(parser)
    parser.add_argument("--out_dir", default=GRAPHS, metavar="DIR", help=f"where they go ({GRAPHS})")
    parser.add_argument(
        "--int8", action="store_true", help="one with weights of 8 bits as well, and what it loses"
    )


def _export(args: argparse.Namespace) -> None:
    from strm.export import run

    run(args.model, args.out_dir, args.int8)


def _add_bench(add: Add) -> None:
    parser = add("bench", "time and memory of the model beside its rivals, v1 and the detector", _bench)
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--out", metavar="FILE", help="write the JSON there as well")
    parser.add_argument(
        "--quick", action="store_true", help="a rough look in half a minute, nothing compiled"
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--demo", action="store_true", help="the stages of `strm demo` instead")
    other.add_argument("--scale", action="store_true", help="what large sets of hands would cost instead")


def _bench(args: argparse.Namespace) -> None:
    if args.demo:
        from strm import bench_demo, bundle

        bench_demo.run(args.model or bundle.WEIGHTS, args.json, args.out)
        return
    if args.scale:
        from strm import bench_scale

        bench_scale.run(args.json, args.out)
        return
    from strm.bench import run

    run(args.model, args.json, args.out, args.quick)


COMMANDS = (
    extract_cli.add_images,
    extract_cli.add_videos,
    studio_cli.add_studio,
    train_cli.add_train,
    train_cli.add_kaggle,
    _add_evaluate,
    _add_compare,
    _add_read,
    _add_export,
    hub_cli.add_push,
    demo_cli.add_demo,
    demo_cli.add_live,
    _add_bench,
    book_cli.add_book,
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="strm", description="Read fingerspelling from a hand's landmarks.")
    parser.add_argument("--version", action="version", version=f"strm {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, purpose: str, run: Callable) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        command.set_defaults(run=run)
        return command

    for add_command in COMMANDS:
        add_command(add)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 done in part, 2 a mistake in what was asked."""
    args = build_parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold what this terminal has no sign for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output, `head` say, has seen enough
        _hush()
        return 1
    except OSError as error:
        if error.errno not in ILL and not isinstance(error, shutil.Error):
            raise
        print(trouble(error.filename or "what was asked for", error), file=sys.stderr)
        _hush()
        return 2


def _hush() -> None:
    """Let nobody hear what is still to be printed: Python would try at its end, and fail again."""
    with suppress(OSError), open(os.devnull, "w") as nowhere:  # in a notebook, stdout may be no file
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
