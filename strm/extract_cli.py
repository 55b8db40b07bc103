"""`strm images` and `strm videos`: the commands that look for hands in pictures."""

import argparse
import os

from strm.arguments import Add, count, rate


def add_images(add: Add) -> None:
    """Add `strm images` to the command line."""
    parser = add("images", "photos in a folder per letter -> a CSV of landmarks", _images)
    parser.add_argument(
        "--root", required=True, metavar="DIR", help="the folder that holds a folder per letter"
    )
    parser.add_argument("--out_csv", required=True, metavar="FILE", help="where the landmarks go")
    parser.add_argument(
        "--max_per_class",
        type=count,
        default=400,
        metavar="N",
        help="photos of a letter at most, evenly spaced (400)",
    )
    _add_common(parser)


def _images(args: argparse.Namespace) -> None:
    from strm.extract import extract_images

    who = {"signer": args.signer, "signer_level": args.signer_level}
    extract_images(
        args.root, args.out_csv, max_per_class=args.max_per_class, **who, jobs=_jobs(args), dask=args.dask
    )


def add_videos(add: Add) -> None:
    """Add `strm videos` to the command line."""
    parser = add("videos", "videos, labelled by folder or file name -> a CSV of landmarks", _videos)
    parser.add_argument("--input_dir", required=True, metavar="DIR", help="the folder of videos")
    parser.add_argument("--output_csv", required=True, metavar="FILE", help="where the landmarks go")
    parser.add_argument("--fps", type=rate, default=15.0, help="frames a second to sample, by timestamp (15)")
    _add_common(parser)


def _videos(args: argparse.Namespace) -> None:
    from strm.extract import extract_videos

    who = {"signer": args.signer, "signer_level": args.signer_level}
    extract_videos(args.input_dir, args.output_csv, fps=args.fps, **who, jobs=_jobs(args), dask=args.dask)


def _jobs(args: argparse.Namespace) -> int:
    return args.jobs or os.cpu_count() or 1


def _add_common(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--signer", metavar="NAME", help="who signs in all of these files")
    who.add_argument(
        "--signer_level",
        type=int,
        metavar="N",
        help="the folder level that names the signer (0: the first below the root)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=count, metavar="N", help="processes on this machine (one a core)")
    where.add_argument(
        "--dask",
        metavar="HOST:PORT",
        help="work on a cluster instead: its Dask scheduler, whose workers see the same folders",
    )
