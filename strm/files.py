"""What every command needs: a user's mistake in one sentence, and files that are never half written."""

import contextlib
import errno
import glob
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

FULL = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}
# The disk is full, locked, not ours or broken, or the name is none: no mistake in a program.
ILL = FULL | {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP}


class UserError(Exception):
    """One sentence that says what is wrong and what to do. The command line prints it and exits with 2.

    What cannot be printed, such as a line's end in a file's name, is written out (`visible`).
    """

    def __init__(self, *sentences: object) -> None:
        super().__init__("\n".join(visible(str(sentence)) for sentence in sentences))


def visible(text: str) -> str:
    """Return a text for the terminal: what would move its cursor, or is no text, is written as \\x1b."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def trouble(path: str | Path, error: OSError) -> UserError:
    """Return what to tell the user of a file or folder with which the system would not do as asked."""
    why, full = error.strerror or type(error).__name__, error.errno in FULL
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of each file of a folder
        path, why = error.args[0][0][1:]
        full = any(os.strerror(number) in why for number in FULL)
    advice = " Make room there." if full else " Choose another folder."
    if isinstance(error, FileNotFoundError):
        advice = " It went away meanwhile."
    return UserError(f"Cannot use {path}: {why}.{advice}")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed onto it only when the block ends without an error.

    Raises UserError where the folder cannot be made, the disk is full, or the file cannot be written:
    `path` is then as it was. What a killed process left beside it is swept away.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        places = {str(place) for place in (temporary, path, *path.parents)}
        if str(error.filename) in places or (error.filename is None and error.errno in ILL):
            raise trouble(path, error) from error
        raise  # the block did something else
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(path: Path, suffix: str = ".part") -> None:
    """Remove the temporary files that killed processes left beside `path`: .NAME.PROCESS.part, or so."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{suffix}*"):
        process = left.name[len(path.name) + 2 :].split(".")[0]
        if process.isdigit() and not _lives(int(process)):
            with contextlib.suppress(OSError):  # on Windows, a file that somebody still writes stays
                left.unlink()


def _lives(process: int) -> bool:
    if sys.platform == "win32":  # there a signal 0 would end it; who writes a file holds it, though
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
