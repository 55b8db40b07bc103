"""What every command needs: a user's mistake in one sentence, and files that are never half written."""

import contextlib
import errno
import glob
import os
import platform
import re
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

FULL = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}
# The disk is full, locked, not ours or broken, or the name is none: no mistake in a program.
ILL = FULL | {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP}
WRITER = re.compile("([0-9a-f]{8})-([0-9]+)")  # the machine and the process, in a temporary file's name
FORGOTTEN_S = 24 * 3600.0  # seconds after which nobody still writes what another machine began


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
    part = temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        yield part
        os.replace(part, path)
    except OSError as error:
        places = {str(place) for place in (part, path, *path.parents)}
        if str(error.filename) in places or (error.filename is None and error.errno in ILL):
            raise trouble(path, error) from error
        raise  # the block did something else
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def temporary(path: Path, suffix: str = ".part") -> Path:
    """Name a temporary file beside `path` by who writes it: .NAME.MACHINE-PROCESS.part."""
    return path.with_name(f".{path.name}.{_machine()}-{os.getpid()}{suffix}")


def sweep(path: Path, suffix: str = ".part") -> None:
    """Remove the temporary files that killed processes left beside `path`.

    Another machine's, in a shared folder, stay for a day: nobody can tell here whether its process lives.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{suffix}*"):
        writer = WRITER.fullmatch(left.name[len(path.name) + 2 :].split(".")[0])
        with contextlib.suppress(OSError):  # on Windows, a file that somebody still writes stays
            if writer and _abandoned(left, writer[1], int(writer[2])):
                left.unlink()


def _abandoned(left: Path, machine: str, process: int) -> bool:
    if machine == _machine():
        return not _lives(process)
    return time.time() - left.stat().st_mtime > FORGOTTEN_S


def _machine() -> str:
    """Name this machine in eight characters; a container is one of its own."""
    return f"{zlib.crc32(platform.node().encode(errors='replace')):08x}"


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
