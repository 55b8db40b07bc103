"""Share a model on the Hugging Face Hub, on the command line: `strm push`."""

import argparse

from strm.arguments import Add, add_model


def add_push(add: Add) -> None:
    """Add `strm push` to the command line."""
    parser = add("push", "a model -> a repository of the Hugging Face Hub, in one commit", _push)
    parser.add_argument(
        "--repo_id", required=True, metavar="USER/NAME", help="the repository, made if missing"
    )
    parser.add_argument("--private", action="store_true", help="make it so that only you see it")
    add_model(parser)
    parser.add_argument("--revision", metavar="BRANCH", help="a branch, made if missing (main)")


def _push(args: argparse.Namespace) -> None:
    from rich.console import Console

    from strm.bundle import WEIGHTS
    from strm.hub import push

    with Console(stderr=True).status("making the files, and sending them"):
        url = push(args.model or WEIGHTS, args.repo_id, args.private, revision=args.revision)
    print(f"Pushed: {url}")
