"""Both ends of the ranges in pyproject.toml: the package's tests in fresh environments, oldest and newest.

PyTorch and MediaPipe, which have gigabytes, stay those of this environment; so does what `book` asks for.
"""

import re
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from reliability import record
from test_repository import project

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[1]
APART = {"torch", "mediapipe"}
EXTRAS = ("export", "scale", "test")
OTHER_PROGRAMS = {"playwright", "jupyterlab", "ruff", "mypy"}  # browsers, and judges of the code's looks
TESTS = (
    "files bundle checkpoint data decode evaluate export extract hub landmarks loss model read recorder scale"
)
TESTS += " spell stream train words"


def wanted(lowest: bool) -> list[str]:
    """What pip is asked for: each package at the lower end of its range, or with no end at all."""
    said = [*project()["dependencies"]]
    for extra in EXTRAS:
        said += project()["optional-dependencies"][extra]
    out = {}
    for requirement in map(Requirement, said):
        name = canonicalize_name(requirement.name)
        here = requirement.marker is None or requirement.marker.evaluate()
        if here and name not in APART | OTHER_PROGRAMS:
            (low,) = [part.version for part in requirement.specifier if part.operator == ">="]
            out[name] = f"{name}=={low}" if lowest else str(requirement).split(";")[0]
    of_mediapipe = [r for r in metadata.requires("mediapipe") or () if r.startswith("protobuf")]
    return [*out.values(), *of_mediapipe]  # what pip would heed if it installed MediaPipe too


def environment(folder: Path) -> Path:
    """Make an environment that finds PyTorch, MediaPipe and what it lacks here; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(
        subprocess.run([python, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
    )
    ours = Path(sysconfig.get_path("purelib"))
    for name in APART:  # pip must know that they are there
        version = metadata.version(name)
        (info,) = [p for p in ours.glob(f"{name}-*.dist-info") if p.name.startswith(f"{name}-{version}")]
        (own / info.name).symlink_to(info, target_is_directory=True)
    (own / "zz_ours.pth").write_text(f"{ours}\n{ROOT}\n", "utf-8")  # after its own packages
    return python


@pytest.mark.parametrize("end", ["lowest", "newest"])
def test_the_package_works_at_this_end_of_its_ranges(end, tmp_path):
    python = environment(tmp_path / "env")
    packages = wanted(end == "lowest")
    newer = ["--upgrade"] if end == "newest" else []  # what it finds here would do, to pip
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-warn-conflicts", "--prefer-binary", *newer, *packages],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    names = [Requirement(package).name for package in packages]
    show = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    seen = subprocess.run([python, "-c", show, *names], capture_output=True, text=True, check=True)
    versions = dict(zip(names, seen.stdout.split(), strict=True))
    files = [path for name in TESTS.split() if (path := ROOT / "tests" / f"test_{name}.py").exists()]
    run = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files)]
    ended = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-5000:]
    passed = int(re.search(r"(\d+) passed", ended.stdout)[1])
    record(
        f"ranges_{end}",
        versions=versions,
        tests_passed=passed,
        tests_failed=0,
        python=sys.version.split()[0],
    )
