"""The book: chapters that are fit to commit, executed and rendered in one strict run, true to the package."""

import ast
import builtins
import json
import os
import re
import subprocess
import symtable
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
import pytest
import yaml
from rich.console import Console

import strm
from strm import book, book_run, book_student, exercises
from strm.landmarks import Hand, normalise

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))


def read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


def source(cell: dict) -> str:
    return "".join(cell["source"])


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def functions(path: Path) -> dict:
    """The functions that a chapter builds by hand, by name."""
    code = "\n".join(source(cell) for cell in code_cells(read(path)))
    kept = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    space: dict = {"np": np}
    exec(compile(ast.Module(kept, []), path.name, "exec"), space)
    return space


def asked(notebook: dict, tag: str) -> dict[str, str]:
    """The code of a chapter's stubs (tag exercise) or of its solutions, by the exercise's number."""
    prefix = {"exercise": "stub", "solution": "solution"}[tag]
    found = {}
    for cell in code_cells(notebook):
        if tag in cell["metadata"].get("tags", []):
            match = re.fullmatch(rf"{prefix}-(\d+)-(\d+)", cell["id"])
            assert match, f"cell {cell['id']} is no {prefix}-CHAPTER-NUMBER"
            found[f"{match[1]}.{match[2]}"] = source(cell)
    return found


def read_names(table: symtable.SymbolTable) -> set[str]:
    """The global names that some code reads, its functions included."""
    names = {symbol.get_name() for symbol in table.get_symbols() if table.get_type() == "module"}
    names = {name for name in names if table.lookup(name).is_referenced()}
    for child in table.get_children():
        names |= {symbol.get_name() for symbol in child.get_symbols() if symbol.is_global()}
        names |= read_names(child)
    return names


SCORE = r"\d\s?%|\b0\.\d{2,}|\b[\w-]+ per ?cent\b|\b(?:six|seven|eight|nine) (?:out of|in) ten\b"


def claims(text: str) -> list[str]:
    """What in a text looks like a score, in figures or in words."""
    return re.findall(SCORE, text, re.IGNORECASE)


@pytest.mark.parametrize(
    "text", ["it reads 97 % of them", "0.93 is good", "ninety-seven percent", "nine in ten"]
)
def test_a_claim_is_seen(text):
    assert claims(text) and not claims("three of 63 numbers, 0.1 apart, ten of them in 15 frames; v0.1.0")


# What is committed


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestNotebook:
    def test_holds_nothing_that_a_run_left(self, path):
        notebook = read(path)
        assert path.stat().st_size < 100_000
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        assert "widgets" not in notebook["metadata"] and "papermill" not in notebook["metadata"]
        for cell in code_cells(notebook):
            assert not cell["outputs"] and cell["execution_count"] is None, cell["id"]
            assert not {"execution", "papermill"} & set(cell["metadata"]), cell["id"]

    def test_is_a_valid_notebook_with_named_cells(self, path):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(set(ids)) == len(ids)
        for name in ids:  # a name that somebody chose stays when cells move; a random one does not
            assert re.fullmatch(r"[a-z][a-z0-9-]*", name) and not re.fullmatch(r"[0-9a-f]{8}", name), name

    def test_lines_and_cells_are_short(self, path):
        for cell in read(path)["cells"]:
            lines = source(cell).splitlines()
            if cell["cell_type"] == "code":
                assert len(lines) <= 40, f"{cell['id']} has {len(lines)} lines"
                assert all(len(line) < 80 for line in lines), f"{cell['id']} has a line over 79 characters"

    def test_prose_comes_in_short_blocks(self, path):
        for cell in read(path)["cells"]:
            if cell["cell_type"] == "markdown":
                for block in re.split(r"\n\s*\n|^:::.*$|^(?=- )", source(cell), flags=re.MULTILINE):
                    words = len(block.split())
                    assert words < 80, f"{cell['id']}: a block of {words} words: {block[:60]!r}"

    def test_every_figure_says_what_it_shows(self, path):
        for cell in code_cells(read(path)):
            if "plt.show()" in source(cell):
                alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) > 40, f"{cell['id']} shows a figure without a description"
        for cell in read(path)["cells"]:
            if cell["cell_type"] == "markdown":
                assert not re.search(r"!\[\s*\]\(", source(cell)), f"{cell['id']}: a picture without words"

    def test_links_arrive(self, path):
        """In the repository too, not only in the pages."""
        for cell in read(path)["cells"]:
            if cell["cell_type"] == "markdown":
                for link in re.findall(r"\]\(([^)#:\s]+)[)#]", source(cell)):
                    assert (path.parent / link).exists(), f"{cell['id']} links to {link}"

    def test_prose_claims_no_score(self, path):
        """A figure that a run measures stands in a cell's output, where it cannot grow old."""
        for cell in read(path)["cells"]:
            if cell["cell_type"] == "markdown":
                assert not claims(source(cell)), cell["id"]

    def test_exercises_come_with_a_stub_a_check_and_a_solution(self, path):
        number = int(path.stem.split("_")[0])
        import_module(f"strm.exercises.chapter{number}")
        known = [name for name in exercises.CHECKS if name.split(".")[0] == str(number)]
        stubs, solutions = asked(read(path), "exercise"), asked(read(path), "solution")
        assert list(stubs) == list(solutions) == sorted(known, key=lambda name: int(name.split(".")[1]))
        assert len(stubs) >= 4
        for name in known:
            assert f'check("{name}", ' in stubs[name] and f'check("{name}", ' in solutions[name], name
        text = "\n".join(source(cell) for cell in read(path)["cells"] if cell["cell_type"] == "markdown")
        for name in known:
            assert f"**{name}**" in text, f"the text of exercise {name} does not begin with its number"
        assert text.count(":::{exercise-start}") == text.count(":::{solution-start}") >= len(known)

    def test_a_student_needs_nothing_from_a_solution(self, path):
        """Solutions can be taken away: no later cell reads what only they define."""
        defined = set(dir(builtins)) | {"display", "get_ipython"}
        for cell in code_cells(read(path)):
            if "solution" in cell["metadata"].get("tags", []):
                continue
            table = symtable.symtable(source(cell), cell["id"], "exec")
            own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
            own |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_imported()}
            assert not read_names(table) - own - defined, f"{cell['id']} needs a solution's names"
            defined |= own

    def test_default_address_and_edition(self, path):
        (setup,) = [source(cell) for cell in code_cells(read(path)) if cell["id"] == "setup"]
        address = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
        assert re.findall(r"https://[^\"'\s]+", setup) == [address]
        assert f'"v{strm.__version__}"' in setup
        for cell in code_cells(read(path)):
            installs = "pip" in source(cell)
            assert not (installs and re.search(r"\b(torch|numpy)\b", source(cell))), "leave theirs alone"


def test_a_fast_run_finds_what_it_shortens(tmp_path):
    found = book_run.chapters(ROOT, book.chapters(ROOT), tmp_path, fast=True)
    assert {chapter.name for chapter in found if chapter.shorter}, "no chapter is any shorter"
    for chapter in found:
        book_run.shortened(nbformat.read(chapter.source, as_version=4), chapter.shorter)


def test_labels_are_told_apart_and_what_is_cited_is_there():
    """Two figures of one name, in two chapters even, or a reference to nothing, would stop the build."""
    names, cited = [], set()
    for path in CHAPTERS:
        for cell in read(path)["cells"]:
            names.append(cell["metadata"].get("mystnb", {}).get("figure", {}).get("name"))
            if cell["cell_type"] == "markdown":
                names += re.findall(r"^:label: (\S+)|^\(([\w-]+)\)=$", source(cell), re.MULTILINE)
                cited |= {
                    key.strip()
                    for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", source(cell))
                    for key in keys.split(",")
                }
    names = [name if isinstance(name, str) else "".join(name) for name in names if name]
    assert not {name for name in names if names.count(name) > 1}
    known = set(
        re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.MULTILINE)
    )
    assert not cited - known


def test_there_is_a_chapter_and_the_contents_name_them_all():
    assert CHAPTERS
    named = [Path(page).name for page in book.chapters(ROOT)]
    assert sorted(named) == [path.stem for path in CHAPTERS]


# The first cell, where there is no clone


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_first_cell_fetches_the_package_into_an_empty_folder(path, repository, tmp_path):
    (setup,) = [source(cell) for cell in code_cells(read(path)) if cell["id"] == "setup"]
    script = f"{setup}\nimport strm\nprint(strm.__file__)\n"
    # -I: nothing but what the cell finds, neither this checkout nor an installed package.
    blind = "import sys; sys.meta_path = [f for f in sys.meta_path if 'ditable' not in repr(f)]\n"
    environment = os.environ | {"STRM_REPO": str(repository), "STRM_TAG": "some-tag"}

    def run(**changes: str) -> Path:
        done = subprocess.run(
            [sys.executable, "-I", "-c", blind + script],
            cwd=tmp_path,
            env=environment | changes,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip()).resolve()

    first = run()
    assert first.is_relative_to(tmp_path.resolve())
    assert run(STRM_REPO=str(tmp_path / "gone")) == first, "what is there is not fetched again"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["whole", "student"])
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_alone_in_an_empty_folder(path, kind, repository, tmp_path, monkeypatch):
    """As it is opened in Colab: nothing is there but the notebook, and real people's data are nowhere."""
    monkeypatch.setenv("STRM_REPO", str(repository))
    monkeypatch.setenv("STRM_TAG", "some-tag")
    monkeypatch.delenv("STRM_REAL_DATA", raising=False)
    (tmp_path / "alone").mkdir()
    notebook = nbformat.read(path, as_version=4)
    if kind == "student":
        notebook = book_student.student(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell("import strm\nprint(strm.__file__)", id="where"))
    alone = tmp_path / "alone" / path.name
    nbformat.write(notebook, alone)
    chapter = book_run.Chapter(path.stem, alone, tmp_path / "run" / path.name, tmp_path / "log", "")
    book_run.execute([chapter], Console(quiet=True))
    where = source({"source": code_cells(read(chapter.executed))[-1]["outputs"][0]["text"]}).strip()
    assert Path(where).resolve().is_relative_to((tmp_path / "alone").resolve()), "it ran another package"


# What a chapter builds by hand


def test_the_numbers_built_by_hand_are_the_packages():
    by_hand = functions(ROOT / "book" / "01_landmarks.ipynb")
    rng = np.random.default_rng(0)
    for side in ("Right", "Left"):
        for width, height in ((640, 480), (480, 640), (256, 256)):
            hand = Hand(rng.random((21, 3)).astype(np.float32), side, 1.0, width, height)
            numbers, _ = normalise(hand.points, width, height, side)
            np.testing.assert_allclose(by_hand["by_hand"](hand), numbers, atol=1e-5)


def test_the_movement_built_by_hand_is_the_packages():
    motion = functions(ROOT / "book" / "01_landmarks.ipynb")["motion"]
    stream = np.random.default_rng(0).random((30, 21, 3)).astype(np.float32)
    width, height = 640, 480
    numbers, _ = normalise(stream, width, height)
    pixels = stream * np.array([width, height, width], np.float32)
    np.testing.assert_allclose(motion(pixels), numbers[:, :2], atol=1e-4)
    assert np.abs(numbers[:, :2]).max() > 0.1, "nothing moved: this test would prove nothing"


# The whole book, in one run


class Page(HTMLParser):
    """What a page loads, links and shows."""

    def __init__(self, path: Path):
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.images: list[dict] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag in ("script", "iframe"):
            self.loads.append(values.get("src") or "")
        elif tag == "link" and values.get("rel") in ("stylesheet", "preload", "modulepreload"):
            self.loads.append(values.get("href") or "")
        elif tag == "a":
            self.links.append(values.get("href") or "")
        elif tag == "img":
            self.loads.append(values.get("src") or "")
            self.images.append(values)


def pages(built: Path) -> dict[str, Page]:
    html = built / "_build" / "html"
    return {path.stem: Page(path) for path in [html / "index.html", *html.glob("book/*.html")]}


def test_every_chapter_runs_to_its_end_without_a_word_of_complaint(built):
    for path in CHAPTERS:
        executed = read(built / "executed" / "book" / path.name)
        for cell in code_cells(executed):
            assert cell["execution_count"], f"{path.stem}: cell {cell['id']} did not run"
            for output in cell["outputs"]:
                assert output["output_type"] != "error"
                assert output.get("name") != "stderr", f"{cell['id']}: {source({'source': output['text']})}"


def test_stubs_are_not_answered_yet_and_solutions_are_right(built):
    for path in CHAPTERS:
        executed = read(built / "executed" / "book" / path.name)
        for cell in code_cells(executed):
            kind, _, number = cell["id"].partition("-")
            if kind in ("stub", "solution") and set(cell["metadata"].get("tags", [])) & {
                "exercise",
                "solution",
            }:
                said = "".join("".join(output.get("text", "")) for output in cell["outputs"])
                mark = {"stub": exercises.NOT_YET, "solution": exercises.RIGHT}[kind]
                line = f"{exercises.MARKS[mark]} {number.replace('-', '.')}: "
                assert line in said and "✗" not in said, f"{path.stem}: {cell['id']} says {said!r}"


def test_exercises_keep_their_number_on_the_pages(built):
    for path in CHAPTERS:
        page = (built / "_build" / "html" / "book" / f"{path.stem}.html").read_text("utf-8")
        for name in asked(read(path), "exercise"):
            assert f'"caption-number">Exercise {name}<' in page, f"{path.stem}: {name}"
            assert f"> Exercise {name}</a>" in page, f"{path.stem}: the solution to {name}"


def test_every_chapter_became_a_page_and_every_picture_has_words(built):
    shown = pages(built)
    assert {path.stem for path in CHAPTERS} | {"index"} <= set(shown)
    for name, page in shown.items():
        for image in page.images:
            words = image.get("alt") or ""
            assert words.strip() and not words.startswith(("_images", "../_images")), f"{name}: {image}"


def test_figures_reached_the_pages(built):
    for path in CHAPTERS:
        drawn = sum("plt.show()" in source(cell) for cell in code_cells(read(path)))
        outputs = [image for image in pages(built)[path.stem].images if "_images" in image["src"]]
        assert len(outputs) >= drawn > 0


def test_pages_need_no_other_computer(built):
    for name, page in pages(built).items():
        foreign = [address for address in page.loads if re.match(r"(https?:)?//", address)]
        assert not foreign, f"{name} loads {foreign}"


def test_what_pages_load_is_there(built):
    """The live page and the figures to play with among it, with the nets that they need."""
    html, framed = built / "_build" / "html", []
    for name, page in pages(built).items():
        base = html if name == "index" and not (html / "book" / "index.html").exists() else html / "book"
        for address in page.loads:
            path = re.sub(r"[?#].*", "", address)
            if path and not path.startswith(("data:", "/")):
                found = [folder / path for folder in (base, html) if (folder / path).exists()]
                assert found, f"{name} loads {address}, which is not there"
                framed += [found[0].name] if "_static/live" in path else []
    assert sorted(framed) == ["index.html", "play.html", "play.html", "play.html"]
    live = html / "_static" / "live"
    for need in ("weights.bin", "hands.json", "clip/clips.json", "vendor/hand_landmarker.task"):
        assert (live / need).exists(), need


def test_links_lead_somewhere(built):
    """Inside the book to a page and a place on it that are there, outside to a well-formed address."""
    html = built / "_build" / "html"
    files = {path: Page(path) for path in html.rglob("*.html")}
    for path, page in files.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "mailto"), f"{path.name}: {link}"
                assert parts.scheme == "mailto" or re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), link
                assert not re.search(r"\s", link), f"{path.name}: {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists() and target.is_relative_to(html.resolve()), f"{path.name} links to {link}"
            if parts.fragment and target in files:
                assert unquote(parts.fragment) in files[target].anchors, f"{path.name} links to {link}"


def test_chapters_have_their_buttons(built):
    address = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
    owner = address.removeprefix("https://github.com/")
    for path in CHAPTERS:
        links = pages(built)[path.stem].links
        kaggle = (
            f"https://kaggle.com/kernels/welcome?src=https://raw.githubusercontent.com/{owner}/main/book/"
        )
        assert f"{kaggle}{path.name}" in links
        assert any(
            link.startswith(f"https://colab.research.google.com/github/{owner}/blob/main/book/{path.name}")
            for link in links
        )
        assert any(link.startswith(address) for link in links)
    for link in pages(built)["index"].links:
        assert not re.search(r"(kaggle|colab)\S+index\.", link), "that is no notebook"
