"""The ways to try it on one's own hand, on the command line: `strm demo` and `strm live`."""

import argparse

from strm.arguments import Add, add_model, count, share, weight


def add_demo(add: Add) -> None:
    parser = add("demo", "reads your hand before a webcam, in a window or a terminal", _demo)
    parser.add_argument("--camera", type=int, default=0, metavar="N", help="which camera (0)")
    parser.add_argument("--source", metavar="FILE", help="a video instead of a camera")
    parser.add_argument(
        "--width", type=count, default=1280, metavar="PIXELS", help="asked of the camera (1280)"
    )
    parser.add_argument("--height", type=count, default=720, metavar="PIXELS", help="likewise (720)")
    parser.add_argument(
        "--confidence", type=share, default=0.5, help="what a letter must reach, 0 to 1 (0.5)"
    )
    parser.add_argument(
        "--smoothing", type=weight, default=0.5, help="the newest frame's weight, above 0 to 1 (0.5)"
    )
    parser.add_argument(
        "--stateful",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="carry the state from frame to frame, or read each on its own (carried)",
    )
    add_model(parser)
    parser.add_argument("--headless", action="store_true", help="no window: a line for each letter")
    parser.add_argument("--record", metavar="FILE", help="record clips of landmarks, each labelled by a key")
    parser.add_argument("--label", metavar="LETTER", help="record everything under this label from the start")
    parser.add_argument("--signer", default="me", metavar="NAME", help="who signs in what is recorded (me)")
    parser.add_argument(
        "--language", choices=["en", "fr", "none"], default="en", help="of the suggested words (en)"
    )
    parser.add_argument("--loops", type=count, default=1, metavar="N", help="play the video so often (1)")


def _demo(args: argparse.Namespace) -> None:
    from strm.demo import run

    names = "camera source width height confidence smoothing stateful model headless record label signer"
    run(**{name: getattr(args, name) for name in (*names.split(), "language", "loops")})


def add_live(add: Add) -> None:
    parser = add(
        "live", "builds the page that reads a hand in the browser, from files of its own only", _live
    )
    parser.add_argument("what", choices=["build"])
    parser.add_argument("--out_dir", default="outputs/live", metavar="DIR", help="where (outputs/live)")


def _live(args: argparse.Namespace) -> None:
    from strm.live import run

    run(args.out_dir)
