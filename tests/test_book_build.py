"""`strm book` on a book of one or two chapters: what runs, what is named, written and fetched."""

import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from strm import book, book_print, book_run, book_vendor
from strm.files import UserError

ROOT = Path(__file__).parents[1]
MINI_CONFIG = """title: mini
only_build_toc_files: true
execute: {execute_notebooks: force}
"""


def notebook(path: Path, code: str, prose: str = "# A chapter", solution: str | None = None) -> None:
    cells = [nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell(code, id="the-cell")]
    if solution:
        cells.append(nbformat.v4.new_code_cell(solution, metadata={"tags": ["solution"]}, id="the-solution"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def mini_book(root: Path, code: str = "print(6 * 7)", prose: str = "# A chapter") -> Path:
    (root / "book").mkdir(parents=True)
    (root / "_config.yml").write_text(MINI_CONFIG, "utf-8")
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters: [{file: book/01_one}]\n")
    (root / "book" / "index.md").write_text("# Home\n", "utf-8")
    notebook(root / "book" / "01_one.ipynb", code, prose)
    return root


def add_chapter(root: Path, code: str) -> None:
    toc = "format: jb-book\nroot: book/index\nchapters: [{file: book/01_one}, {file: book/02_two}]\n"
    (root / "_toc.yml").write_text(toc)
    notebook(root / "book" / "02_two.ipynb", code, "# Another chapter")


@pytest.fixture
def no_pages(monkeypatch):
    """Leave out the pages, where a test is about the chapters only."""
    monkeypatch.setattr(book, "_render", lambda root, out, found, fast: out / "index.html")


# Executing


def test_a_cell_that_fails_is_named_and_its_log_is_kept(tmp_path):
    root = mini_book(tmp_path / "root", "raise ValueError('too cold')")
    with pytest.raises(UserError, match=r"01_one .*cell 'the-cell' with ValueError: too cold") as caught:
        book.run(tmp_path / "out", root=root)
    log = next((tmp_path / "out" / "logs").glob("01_one*"))
    assert str(log) in str(caught.value) and "too cold" in log.read_text("utf-8")
    assert not (tmp_path / "out" / "_build").exists(), "a chapter that failed is not shown"


def test_what_is_executed_again(tmp_path, no_pages):
    """A chapter that changed, until it succeeds; and one that is asked for."""
    root, out = mini_book(tmp_path / "root", "print('first')"), tmp_path / "out"
    executed = out / "executed" / "book" / "01_one.ipynb"
    book.run(out, root=root)
    fresh = executed.read_text("utf-8")
    assert "first\\n" in fresh

    for asked, again in (({}, False), ({"only": ["01_one"]}, True), ({"force": True}, True)):
        executed.write_text(fresh.replace("first\\n", "stale\\n"), "utf-8")
        book.run(out, root=root, **asked)
        assert ("stale" not in executed.read_text("utf-8")) == again, asked

    chapter = root / "book" / "01_one.ipynb"
    chapter.write_text(chapter.read_text("utf-8").replace("print('first')", "1 / 0"), "utf-8")
    for _ in range(2):
        with pytest.raises(UserError, match="ZeroDivisionError"):
            book.run(out, root=root)


def test_a_chapter_computes_on_one_core(tmp_path, monkeypatch, no_pages):
    """Its nets are small: on several busy cores they would wait for each other."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    code = "import os\nprint('cores', os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    out = tmp_path / "out"
    book.run(out, root=mini_book(tmp_path / "root", code))
    assert "cores 1 1" in (out / "executed" / "book" / "01_one.ipynb").read_text("utf-8")


def test_the_pages_are_served_to_this_machine(tmp_path, monkeypatch):
    (tmp_path / "index.html").write_text("hello", "utf-8")
    answers = []

    def one_request(server):
        assert server.server_address[0] == "127.0.0.1"
        address = f"http://127.0.0.1:{server.server_port}/index.html"
        asker = threading.Thread(target=lambda: answers.append(urllib.request.urlopen(address).read()))
        asker.start()
        server.handle_request()
        asker.join()

    monkeypatch.setattr(http.server.ThreadingHTTPServer, "serve_forever", one_request)
    book._serve(tmp_path, 0, Console(quiet=True))
    assert answers == [b"hello"]


def test_a_port_in_use_is_the_users_mistake(tmp_path):
    with socket.socket() as taken:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows lets two share a port otherwise
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="port"):
            book._serve(tmp_path, taken.getsockname()[1], Console(quiet=True))


def test_a_warning_of_the_build_is_an_error(tmp_path):
    root = mini_book(tmp_path / "root", prose="# A chapter\n\n[nowhere](nowhere.md)")
    with pytest.raises(UserError, match="nowhere") as caught:
        book.run(tmp_path / "out", root=root)
    assert "nowhere" in next((tmp_path / "out" / "logs").glob("pages*")).read_text("utf-8")
    assert "\n" not in str(caught.value), "one sentence"


def test_an_unknown_chapter_is_named(tmp_path):
    root = mini_book(tmp_path / "root")
    with pytest.raises(UserError, match=r"'02_two'.*01_one"):
        book.run(tmp_path / "out", only=["02_two"], root=root)


def test_outside_a_clone_it_says_so(tmp_path):
    with pytest.raises(UserError, match="in a clone"):
        book.run(tmp_path / "out", root=tmp_path)


def test_a_chapter_depends_on_itself_the_package_and_the_data_but_not_on_other_chapters(tmp_path):
    root = mini_book(tmp_path / "root")
    add_chapter(root, "print(1)")
    for name in ("strm/exercises/chapter1.en.json", "strm/a.py", "strm/__pycache__/a.pyc", "data/a.csv.gz"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1")
    (root / "requirements.txt").write_text("numpy==1")

    def states() -> list[str]:
        found = book_run.chapters(root, book.contents(root), tmp_path / "out")
        assert [chapter.name for chapter in found] == ["01_one", "02_two"], "the index is no chapter"
        return [chapter.state for chapter in found]

    before = states()
    for name, changes in {
        "strm/a.py": [True, True],
        "strm/exercises/chapter1.en.json": [True, True],
        "data/a.csv.gz": [True, True],
        "requirements.txt": [True, True],
        "book/02_two.ipynb": [False, True],
        "book/index.md": [False, False],
        "strm/__pycache__/a.pyc": [False, False],
    }.items():
        text = (root / name).read_text()
        (root / name).write_text(text + "\n")
        assert [old != new for old, new in zip(before, states(), strict=True)] == changes, name
        (root / name).write_text(text)
    (root / "strm" / "a.py").rename(root / "strm" / "b.py")
    assert states() != before, "the same text under another name"


def test_two_chapters_run_at_the_same_time_and_each_that_fails_is_named(tmp_path, no_pages, monkeypatch):
    monkeypatch.setattr(book_run, "_together", lambda: 2)
    meet = tmp_path.as_posix()
    code = """import time
from pathlib import Path
Path("{meet}/{mine}").write_text("here")
end = time.monotonic() + 60
while not Path("{meet}/{other}").exists():
    assert time.monotonic() < end, "alone"
    time.sleep(0.05)
raise ValueError("met")"""
    root = mini_book(tmp_path / "root", code.format(meet=meet, mine="one", other="two"))
    add_chapter(root, code.format(meet=meet, mine="two", other="one"))
    with pytest.raises(UserError) as caught:
        book.run(tmp_path / "out", root=root)
    first, second = sorted(str(caught.value).splitlines())
    assert "01_one" in first and "02_two" in second
    assert first.count("met") == second.count("met") == 1


def test_a_kernel_that_dies_is_told(tmp_path, no_pages):
    root = mini_book(tmp_path / "root", "import os\nos._exit(1)")
    with pytest.raises(UserError, match=r"01_one stops .*[Dd]ied"):
        book.run(tmp_path / "out", root=root)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent another way there")
def test_ctrl_c_loses_nothing_that_was_finished(tmp_path):
    root, out = mini_book(tmp_path / "root"), tmp_path / "out"
    add_chapter(root, "import time\ntime.sleep(600)")
    code = (
        f"from strm import book; from pathlib import Path; book.run({str(out)!r}, root=Path({str(root)!r}))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    finished = out / "executed" / "book" / "01_one.sha256"
    end = time.monotonic() + 120
    while not finished.exists() or not list(finished.parent.glob(".02_two*")):
        assert time.monotonic() < end and run.poll() is None
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    assert b"KeyboardInterrupt" in run.communicate(timeout=60)[1]
    assert sorted(path.name for path in finished.parent.iterdir()) == ["01_one.ipynb", "01_one.sha256"]


def test_a_fast_run_is_never_the_book(tmp_path):
    root, out = mini_book(tmp_path / "root", "epochs = 50\nprint(f'{epochs} epochs')"), tmp_path / "out"
    (root / "book" / "fast.json").write_text('{"01_one": {"the-cell": {"epochs = 50": "epochs = 2"}}}')

    def epochs(folder: Path) -> int:
        executed = (folder / "executed" / "book" / "01_one.ipynb").read_text("utf-8")
        page = (folder / "_build" / "html" / "book" / "01_one.html").read_text("utf-8")
        said = int(re.search(r"(\d+) epochs", executed)[1])
        assert ("A fast run" in page) == (said == 2), "it says so on its pages"
        return said

    book.run(out, root=root, fast=True)
    assert epochs(out / "fast") == 2 and not (out / "_build").exists() and not (out / "executed").exists()
    book.run(out, root=root)
    assert epochs(out) == 50 and epochs(out / "fast") == 2
    both = [book_run.chapters(root, ["book/01_one"], out, kind)[0].state for kind in (False, True)]
    assert both[0] != both[1], "even in the book's own folder, a fast run would be run again"
    (root / "book" / "fast.json").write_text('{"01_one": {"the-cell": {"epochs = 60": "epochs = 2"}}}')
    with pytest.raises(UserError, match=r"no cell 'the-cell' with 'epochs = 60'"):
        book.run(out, root=root, fast=True)


# A class


def test_students_get_no_solution_and_a_notebook_that_runs(tmp_path, capsys):
    root = mini_book(tmp_path / "root")
    path = root / "book" / "01_one.ipynb"
    notebook(path, "answer = ...\nprint(answer)", "# A chapter", "answer = 42\nprint(answer)")
    committed = nbformat.read(path, as_version=4)
    committed.cells[1].outputs = [nbformat.v4.new_output("stream", text="Ellipsis")]
    nbformat.write(committed, path)
    book.run(tmp_path / "out", root=root, student=True)
    written = tmp_path / "out" / "student" / "01_one.ipynb"
    assert capsys.readouterr().out.split() == [str(written)], "nothing else is done"
    nbformat.validate(nbformat.read(written, as_version=4))
    assert "42" not in written.read_text("utf-8") and "Ellipsis" not in written.read_text("utf-8")

    chapter = book_run.Chapter("01_one", written, tmp_path / "run" / "01_one.ipynb", tmp_path / "log", "")
    book_run.execute([chapter], Console(quiet=True))
    assert "Ellipsis" in chapter.executed.read_text("utf-8")


# On paper


def test_the_pdf_holds_all_pages_and_its_links_stay_inside(tmp_path, missing):
    from pypdf import PdfReader

    if not book_print.chromium():
        missing("no Chromium, Chrome or Edge")
    root = mini_book(
        tmp_path / "root", prose="# A chapter\n\nBack [home](index.md), or [out](https://example.org)."
    )
    book.run(tmp_path / "out", root=root, pdf=True)
    pdf = PdfReader(tmp_path / "out" / "book.pdf")
    text = [page.extract_text() for page in pdf.pages]
    assert len(text) == 2 and "Home" in text[0] and "A chapter" in text[1] and "42" in text[1]
    assert [item.title for item in pdf.outline] == ["Home", "A chapter"]
    notes = [note.get_object() for note in pdf.pages[1]["/Annots"]]
    assert "https://example.org/" in [note["/A"]["/URI"] for note in notes if "/A" in note]
    assert any("/Dest" in note for note in notes), "the link home"
    assert "127.0.0.1" not in str(notes)


def test_without_a_browser_the_pdf_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(book_print, "chromium", lambda: None)
    with pytest.raises(UserError, match="Chromium, Chrome or Edge"):
        book.run(tmp_path / "out", root=mini_book(tmp_path / "root"), pdf=True)
    assert not (tmp_path / "out").exists()


# What npm brings


def packed(path: Path, files: dict[str, str]) -> str:
    """Write an archive as npm makes it, and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def asked(path: Path, sha256: str, package: str = "@some/thing@1.2.3") -> Path:
    path.write_text(json.dumps({package: {"sha256": sha256, "files": ["LICENSE", "lib/*.js"]}}))
    return path


def npm_that(gives: Path | None, calls: list):
    def npm(*words: str) -> subprocess.CompletedProcess:
        calls.append(words)
        if gives:
            shutil.copy(gives, Path(words[words.index("--pack-destination") + 1]) / "some-thing-1.2.3.tgz")
        return subprocess.CompletedProcess(words, 0 if gives else 1, b"", b"npm error network")

    return npm


def test_a_package_is_fetched_once_and_checked_each_time(tmp_path, monkeypatch):
    archive, cache, calls = tmp_path / "theirs.tgz", tmp_path / "cache", []
    sha256 = packed(archive, {"LICENSE": "free", "lib/a.js": "1", "src/a.ts": "2"})
    wanted = asked(tmp_path / "vendor.json", sha256)
    monkeypatch.setattr(book_vendor, "_npm", npm_that(archive, calls))
    for folder in ("first", "again"):
        book_vendor.unpack(wanted, tmp_path / folder, cache)
        there = sorted(p.relative_to(tmp_path / folder).as_posix() for p in (tmp_path / folder).rglob("*.*"))
        assert there == ["@some/thing/lib/a.js"] and (tmp_path / folder / "@some/thing/LICENSE").exists()
    assert len(calls) == 1 and "@some/thing@1.2.3" in calls[0]

    (kept,) = cache.iterdir()
    kept.write_bytes(b"broken")
    book_vendor.unpack(wanted, tmp_path / "mended", cache)
    assert len(calls) == 2, "what is not what it was is fetched again"


def test_what_is_not_what_was_asked_for_is_not_used(tmp_path, monkeypatch):
    packed(tmp_path / "theirs.tgz", {"LICENSE": "free", "lib/a.js": "evil"})
    wanted, cache = asked(tmp_path / "vendor.json", "0" * 64), tmp_path / "cache"
    monkeypatch.setattr(book_vendor, "_npm", npm_that(tmp_path / "theirs.tgz", []))
    with pytest.raises(UserError, match=r"@some/thing@1\.2\.3 is not what"):
        book_vendor.unpack(wanted, tmp_path / "into", cache)
    assert not (tmp_path / "into").exists() and not cache.exists()


def test_without_a_network_it_says_so_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(book_vendor, "_npm", npm_that(None, []))
    with pytest.raises(UserError, match="needs a network") as caught:
        book_vendor.unpack(asked(tmp_path / "vendor.json", "0" * 64), tmp_path / "into", tmp_path / "cache")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wanted", [ROOT / "book", ROOT / "tests"], ids=lambda path: path.name)
def test_what_the_pages_take_from_npm_is_pinned_and_brings_its_licence(wanted):
    for package, rule in json.loads((wanted / "vendor.json").read_text("utf-8")).items():
        assert re.fullmatch(r"(@[\w-]+/)?[\w.-]+@\d+\.\d+\.\d+", package)
        assert re.fullmatch("[0-9a-f]{64}", rule["sha256"])
        assert any(name.startswith("LICEN") for name in rule["files"]), package


def test_npm_comes_with_the_environment():
    assert re.fullmatch(rb"\d+\.\d+\.\d+\s*", book_vendor._npm("--version").stdout)


# What the theme leaves undone


def mended(*pages: str) -> list[str]:
    space: dict = {}
    exec((ROOT / "book" / "_ext" / "mended.py").read_text("utf-8"), space)
    return space["mend"](list(pages))


def test_an_exercise_is_called_what_its_text_calls_it():
    page = """<div class="exercise admonition" id="ex-a">
<p class="admonition-title"><span class="caption-number">Exercise 7 </span></p>
<section id="exercise-content">
<p><strong>2.1</strong> How many?</p>"""
    solution = '<p>Solution to<a class="reference internal" href="#ex-a"> Exercise 7</a></p>'
    elsewhere = '<a href="02.html#ex-a"><span>Exercise 7</span></a> <a href="#ex-b">Exercise 7</a>'
    first, second = mended(page + solution, elsewhere)
    assert "Exercise 2.1</span>" in first and "<p>How many?</p>" in first and "> Exercise 2.1</a>" in first
    assert second == '<a href="02.html#ex-a"><span>Exercise 2.1</span></a> <a href="#ex-b">Exercise 7</a>'


def test_labels_do_not_hide_what_a_button_says():
    (summary,) = mended('<summary aria-label="Toggle hidden content"><p>Show code</p></summary>')
    assert summary == "<summary><p>Show code</p></summary>"


def test_a_line_neither_ends_in_a_bracket_nor_begins_with_a_comma():
    x = r'<span class="math notranslate nohighlight">\(x\)</span>'
    held = f'<span class="unbroken">{x},</span>'
    once = mended(f"<p>with {x}, and ({x}). But {x} alone</p>")
    assert once == [f'<p>with {held} and <span class="unbroken">({x}).</span> But {x} alone</p>']
    assert mended(*once) == once, "a page that was not built anew is mended again"


def test_a_line_that_was_printed_in_pieces_stays_one_line():
    """Also where a figure stands between two of them, or another stream."""
    space: dict = {}
    exec((ROOT / "book" / "_ext" / "mended.py").read_text("utf-8"), space)

    def said(text, name="stdout"):
        return {"output_type": "stream", "name": name, "text": text}

    figure = {"output_type": "display_data", "data": {}, "metadata": {}}
    pieces = [
        said(["read:"]),
        said([" H\n", "true:"]),
        said(" A\n"),
        said("!", "stderr"),
        figure,
        said("end\n"),
    ]
    cells = [{"cell_type": "code", "outputs": pieces}, {"cell_type": "markdown"}]
    joined = space["join_pieces"]({"cells": cells})["cells"][0]["outputs"]
    assert joined == [said("read: H\ntrue: A\n"), said("!", "stderr"), figure, said("end\n")]
