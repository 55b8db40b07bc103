"""The command `strm book` on the command line."""

import argparse

from strm.arguments import Add, count


def add_book(add: Add) -> None:
    parser = add("book", "execute the chapters and build the book", _book)
    parser.add_argument(
        "--out_dir", default="outputs/book", metavar="DIR", help="where it is built (outputs/book)"
    )
    parser.add_argument("--only", nargs="+", metavar="CHAPTER", help="execute only these chapters")
    parser.add_argument("--force", action="store_true", help="execute chapters again that have not changed")
    parser.add_argument(
        "--serve", nargs="?", type=count, const=8000, metavar="PORT", help="then show it (8000)"
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="a smoke run in DIR/fast, with less data and fewer epochs (book/fast.json says where); "
        "every page says so",
    )
    parser.add_argument(
        "--student",
        action="store_true",
        help="only write the notebooks of a class, without solutions, to DIR/student; nothing is executed",
    )
    parser.add_argument(
        "--pdf", action="store_true", help="print the pages to DIR/book.pdf (needs Chromium or Chrome)"
    )


def _book(args: argparse.Namespace) -> None:
    from strm.book import run

    names = ("out_dir", "only", "force", "serve", "fast", "student", "pdf")
    run(**{name: getattr(args, name) for name in names})
