"""What a look at the repository as a whole must find, and must not."""

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
TOP = {"README.md", "LICENSE", "requirements.txt", "pyproject.toml", "_config.yml", "_toc.yml"}
FOLDERS = {"book", "strm", "data", "tests"}
MB = 1_000_000
DISTRIBUTIONS = {
    "cv2": "opencv-contrib-python",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "spellchecker": "pyspellchecker",
    "yaml": "pyyaml",
}


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    if listing.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_files() -> list[Path]:
    kinds = {
        ".py",
        ".md",
        ".ipynb",
        ".yml",
        ".yaml",
        ".toml",
        ".txt",
        ".json",
        ".css",
        ".js",
        ".bib",
        ".svg",
        ".html",
        "",
    }
    return [path for path in tracked() if path.suffix in kinds]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def pins() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_top_level_holds_nothing_else():
    for path in tracked():
        first = path.relative_to(ROOT).parts[0]
        folder = path.parent != ROOT
        assert first.startswith(".") or first in (FOLDERS if folder else TOP), (
            f"{first} does not belong at the top"
        )


def test_files_are_small():
    sizes = {path: path.stat().st_size for path in tracked()}
    for path, size in sizes.items():
        assert size < 5 * MB, f"{path.relative_to(ROOT)} has {size / MB:.1f} MB"
    assert sum(sizes.values()) < 40 * MB


def test_modules_read_in_one_sitting():
    for path in (ROOT / "strm").rglob("*.py"):
        lines = path.read_text("utf-8").count("\n")
        assert lines <= 250, f"{path.relative_to(ROOT)} has {lines} lines"


def test_notebooks_are_committed_without_outputs():
    for path in tracked():
        if path.suffix == ".ipynb":
            notebook = json.loads(path.read_text("utf-8"))
            assert "widgets" not in notebook["metadata"], f"{path.name} holds widget state"
            for cell in notebook["cells"]:
                if cell["cell_type"] == "code":
                    assert not cell["outputs"] and cell["execution_count"] is None, (
                        f"{path.name}: cell {cell['id']}"
                    )


SECRETS = {
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "an AWS key": r"\bAKIA[A-Z0-9]{16}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a Kaggle key": r'"key"\s*:\s*"[0-9a-f]{32}"',
    "a path of somebody's machine": r"(?<![\w.:/{}$<-])/(?:home|root|Users|work|mnt|opt)/\w",
}


@pytest.mark.parametrize("what", SECRETS)
def test_no_file_gives_away(what):
    for path in text_files():
        found = re.search(SECRETS[what], path.read_text("utf-8"))
        assert not found, f"{path.relative_to(ROOT)} holds {what}: {found}"


def test_relative_paths_stay_inside_the_repository():
    """A link that climbs out of its folder arrives at something that is there."""
    for path in text_files():
        if path.suffix == ".md":
            for link in re.findall(r"\]\((\.\./[^)#\s]+)", path.read_text("utf-8")):
                assert (path.parent / link).resolve().is_relative_to(ROOT), f"{path.name} links to {link}"
                assert (path.parent / link).exists(), f"{path.name} links to {link}"


def test_ranges_cover_the_pins():
    pinned = {pin.name.lower(): pin for pin in pins()}
    ranges = list(project()["dependencies"])
    for extra in project()["optional-dependencies"].values():
        ranges += extra
    for requirement in map(Requirement, ranges):
        assert requirement.name.lower() in pinned, f"requirements.txt does not pin {requirement.name}"
        for pin in pins():
            if pin.name.lower() == requirement.name.lower():
                (specifier,) = pin.specifier
                assert specifier.operator == "==" and specifier.version in requirement.specifier, pin


def imported() -> dict[str, Path]:
    """The packages that the project's own code imports, each with a file that does."""
    sources = {path: path.read_text("utf-8") for path in tracked() if path.suffix == ".py"}
    for path in tracked():
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text("utf-8"))["cells"]
            code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
            sources[path] = re.sub(r"^\s*[%!].*$", "", code, flags=re.MULTILINE)
    found = {}
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0]: path for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module.split(".")[0]] = path
    own = {path.stem for path in sources} | {"strm", "tomllib", "google"}  # google.colab is Colab's
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | own}


def test_everything_imported_is_pinned():
    pinned = {pin.name.lower() for pin in pins()}
    for name, path in imported().items():
        owner = DISTRIBUTIONS.get(name, name)
        assert owner in pinned, (
            f"{path.relative_to(ROOT)} imports {name}, which requirements.txt does not pin"
        )


def test_the_wheel_holds_the_whole_package_and_the_weights(tmp_path):
    source = tmp_path / "source"
    for path in tracked():
        if path.is_relative_to(ROOT / "strm") or path.is_relative_to(ROOT / "data") or path.parent == ROOT:
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    build = (
        f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"  # uv brings no pip
    )
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("strm-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(source).as_posix() for path in (source / "strm").rglob("*.*")}
    weights = {f"strm/_weights/{path.name}" for path in (source / "data" / "weights").iterdir()}
    assert {"strm/_weights/trm_best.pt", "strm/_weights/trm_config.json"} <= weights
    assert modules | weights <= names


def commands(marker: str) -> str:
    """The command that README gives between a marker and <!-- end -->."""
    readme = (ROOT / "README.md").read_text("utf-8")
    return re.search(rf"<!-- {marker} -->\n```bash\n(.*?)\n```\n<!-- end -->", readme, re.DOTALL)[1]


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    extraction = re.search(r"^command=\$\((sed .*)\)$", script, re.MULTILINE)[1]
    assert 'eval "$command"' in script and "pytest" not in script, "it must have no test command of its own"
    if sys.platform == "win32":
        pytest.skip("the script is for bash and sed")
    shown = subprocess.run(
        ["bash", "-c", extraction], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert shown.stdout.strip() == commands("test command")
    assert "-r requirements.txt" in shown.stdout and "-m pytest" in shown.stdout


def test_the_pages_are_where_readme_and_workflow_say():
    from strm.book import run

    out_dir = inspect.signature(run).parameters["out_dir"].default
    assert f"`{out_dir}/_build/html/index.html`" in (ROOT / "README.md").read_text("utf-8")
    assert f"path: {out_dir}/_build/html\n" in (ROOT / ".github" / "workflows" / "book.yml").read_text(
        "utf-8"
    )


def test_both_readme_commands_install_the_same():
    book, test = commands("book command"), commands("test command")
    install, _, last = book.rpartition(" && ")
    assert last.endswith("strm book") and test.startswith(install)


@pytest.mark.parametrize("name", ["tests", "book", "audit", "release"])
def test_workflows_are_valid_and_pinned(name):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8"))
    assert workflow["jobs"] and "permissions" in workflow
    assert workflow.get(True), "YAML reads the key `on` as True: the workflow must say when it runs"
    for job in workflow["jobs"].values():
        assert "runs-on" in job and job["steps"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1")), step


def test_workflows_cover_every_python_and_system():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    promised = re.findall(r"Python :: (3\.\d+)", " ".join(project()["classifiers"]))
    assert matrix["python"] == promised == ["3.10", "3.11", "3.12"]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_this_edition_has_its_release_notes():
    from strm import __version__

    notes = (ROOT / "book" / "changes.md").read_text("utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\n\n\S", notes, re.MULTILINE)


def test_code_is_clean():
    for check in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        done = subprocess.run(
            [sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stdout + done.stderr
