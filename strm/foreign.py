"""Files from elsewhere are looked at before they are opened: how large they are, and what is inside.

A small file may unpack to a large one, and a pickle is a program. So a table is read through a gate that
stops when it swells, and an archive of weights may hold plain tensors only, none of them packed.
"""

import csv
import gzip
import io
import os
import pickletools
import zipfile
from pathlib import Path

LONGEST_LINE = 2**15  # bytes; an honest table's have 800
SWOLLEN, TIMES = 2**26, 20  # a packed table may grow to so many bytes, or to so many times its size
LARGEST_PROGRAM = 2**20  # bytes of an archive's pickle: it names tensors, and holds none
ARCHIVE, ITS_END, PICKLE = b"PK\x03\x04", b"PK\x05\x06", "data.pkl"
PLAIN = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2"} | {
    f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Bool")
}
# What else calls something, or makes an object of a class.
FORBIDDEN = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}


def read_bytes(path: Path, most: int) -> bytes:
    """Return a file's content. Raises ValueError if it has more than `most` bytes, OSError as `open` does."""
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    return content


def check_archive(content: bytes) -> None:
    """Raise ValueError unless this is an archive of `torch.save` that holds plain tensors and nothing else.

    `torch.load` runs no foreign code either (weights_only=True), but it would unpack what a few bytes swell
    to, and would let a pickle ask for any amount of memory.
    """
    # Nothing before and nothing after it: whoever reads it must see the same archive.
    if not content.startswith(ARCHIVE) or content[-22:-18] != ITS_END:
        raise ValueError("it is no archive")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(m.compress_type != zipfile.ZIP_STORED or m.compress_size != m.file_size for m in members):
                raise ValueError("its parts are packed")
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("its parts are larger than the whole")
            programs = [member for member in members if member.filename.casefold().endswith(PICKLE)]
            if len(programs) != 1 or programs[0].file_size > LARGEST_PROGRAM:
                raise ValueError("it has no table of tensors")
            program = archive.read(programs[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError("it is a broken archive") from error
    for operation, what, _ in pickletools.genops(program):
        if operation.name in FORBIDDEN or (operation.name == "GLOBAL" and what not in PLAIN):
            raise ValueError(f"it asks for {what or operation.name}")


class Table(io.RawIOBase):
    """A table's bytes, unpacked where its name ends in .gz, read no further than an honest table would go.

    Reading raises ValueError where a line is absurdly long, or where the file swells without end.
    """

    def __init__(self, path: Path) -> None:
        packed = path.suffix.lower() == ".gz"
        self._file = gzip.open(path) if packed else open(path, "rb")  # noqa: SIM115
        self._most = max(SWOLLEN, TIMES * os.stat(path).st_size) if packed else float("inf")
        self._read = self._line = 0  # bytes of all, and of the line that has not ended yet

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._file.read(min(len(buffer), LONGEST_LINE))
        if not self._read:
            self._check_header(data)
        self._read += len(data)
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._line = len(data) - end - 1 if end >= 0 else self._line + len(data)
        if self._line > LONGEST_LINE:
            raise ValueError(f"a line is longer than {LONGEST_LINE:,} bytes")
        if self._read > self._most:
            raise ValueError(f"it unpacks to more than {self._most / 1e6:.0f} MB")
        buffer[: len(data)] = data
        return len(data)

    def _check_header(self, data: bytes) -> None:
        header = (data.lstrip(b"\xef\xbb\xbf\r\n\t ").splitlines() or [b""])[0]
        try:  # a quotation mark that is never closed would make the whole file one line
            for _ in csv.reader([header.decode("latin-1")], strict=True):
                pass
        except csv.Error:
            raise ValueError("its first line is broken") from None

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_table(path: Path) -> io.BufferedReader:
    """Open a table for reading, through the gate. Raises OSError as `open` does."""
    return io.BufferedReader(Table(path), LONGEST_LINE)
