"""The pages around the chapters: what they say of each other, of the chapters and of the code is so."""

import ast
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from strm.alphabet import ASL
from strm.figures.alphabet import framed, show_alphabet

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
PAGES = sorted(BOOK.glob("*.md"))
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
QUIZZES = sorted((BOOK / "quiz").glob("*.json"))
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"]
CITATION = """@software{strm_asl_2025,
  title = {S-TRM: Stateful Tiny Recursive Model for ASL Recognition},
  author = {Hakim et al.},
  year = {2025},
  url = {https://github.com/Hakim78/AI-SignLanguage}
}"""


def prose(path: Path) -> str:
    """What a page says, or a chapter between its cells of code."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return text


def outside_code(text: str) -> str:
    return re.sub(r"^( *)```(?!\{).*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)


def slugs(path: Path) -> set[str]:
    """The names by which links find the headings of a page."""
    heads = re.findall(r"^#{1,3} (.+)$", outside_code(prose(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(path: Path) -> list[tuple[str, str]]:
    """The links of a page to others of the book: (file or '', heading or '')."""
    found = re.findall(r"\]\(([^)\s]+)\)", outside_code(prose(path)))
    inner = [link for link in found if not re.match(r"\w+:", link)]
    return [(link.partition("#")[0], link.partition("#")[2]) for link in inner]


# Pages, and what they say of each other


@pytest.mark.parametrize("path", [*PAGES, *CHAPTERS], ids=lambda path: path.name)
def test_inner_links_arrive_at_a_page_and_a_heading(path):
    for file, heading in links(path):
        target = BOOK / file if file else path
        assert target.exists(), f"{path.name} links to {file}"
        if heading:
            assert heading in slugs(target), f"{path.name} links to {file}#{heading}"


def test_the_contents_list_every_page_and_the_front_page_leads_to_each():
    listed = set(
        re.findall(r"^[^#\n]*(?:file|root): book/(\S+)", (ROOT / "_toc.yml").read_text(), re.MULTILINE)
    )
    assert listed == {path.stem for path in [*PAGES, *CHAPTERS]}
    reached = {"index.md"} | {file for file, _ in links(BOOK / "index.md")}
    assert reached >= {path.name for path in [*PAGES, *CHAPTERS]}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_addresses_of_the_repository_are_the_configured_one(path):
    for address in re.findall(r"https://github\.com/[\w.-]+/AI-SignLanguage", prose(path)):
        assert address == ADDRESS


def test_every_picture_of_a_page_is_there_and_has_words():
    for path in PAGES:
        text = prose(path)
        assert not re.search(r"!\[\s*\]\(", text), path.name
        for name, body in re.findall(
            r"^```\{(?:image|figure)\} (\S+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL
        ):
            assert (path.parent / name).exists(), f"{path.name} shows {name}"
            assert re.search(r"^:alt: .{40,}$", body, re.MULTILINE), f"{name} has no description"


def test_the_table_of_chapters_is_complete_and_its_minutes_are_the_chapters():
    rows = re.findall(r"^\| (\d) \[(.+?)\]\((\S+?)\) \| (\d+) \|", prose(BOOK / "index.md"), re.MULTILINE)
    assert [file for _, _, file, _ in rows] == [path.name for path in CHAPTERS]
    for number, title, file, minutes in rows:
        text = prose(BOOK / file)
        assert file.startswith(f"0{number}_")
        assert re.search(r"^# (.+)$", text, re.MULTILINE)[1] == title
        assert re.search(r"\*\*Time:\*\* about (\d+) minutes", text)[1] == minutes, file


# What is cited, and how to cite


def test_every_citation_has_one_entry():
    entries = re.findall(r"^@\w+\{(\S+),$", (BOOK / "references.bib").read_text("utf-8"), re.MULTILINE)
    assert len(set(entries)) == len(entries), "an entry stands there twice"
    for path in [*PAGES, *CHAPTERS]:
        for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", prose(path)):
            for key in keys.split(","):
                assert key.strip() in entries, f"{path.name} cites {key}"


@pytest.mark.parametrize("path", [BOOK / "credits.md", ROOT / "README.md"], ids=lambda path: path.name)
def test_the_citation_is_the_one_that_was_agreed(path):
    assert f"```bibtex\n{CITATION}\n```" in path.read_text("utf-8")


# Words and symbols


def terms() -> list[str]:
    blocks = re.findall(r"^```\{glossary\}\n(.*?)^```", prose(BOOK / "glossary.md"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(" ")]


def test_a_term_is_explained_once_and_those_that_are_used_are_there():
    known = [term.lower() for term in terms()]
    assert len(set(known)) == len(known) > 50
    for path in [*PAGES, *CHAPTERS]:
        for used in re.findall(r"\{term\}`([^`]+)`", prose(path)):
            name = re.sub(r".*<(.+)>$", r"\1", used)
            assert name.lower() in known, f"{path.name} uses the term {name!r}"


def test_each_part_of_the_glossary_is_in_alphabetical_order():
    for block in re.findall(
        r"^```\{glossary\}\n(.*?)^```", prose(BOOK / "glossary.md"), re.MULTILINE | re.DOTALL
    ):
        named = [line.lower() for line in block.splitlines() if line and not line.startswith(" ")]
        assert named == sorted(named)


def test_symbols_are_those_of_the_code():
    table = prose(BOOK / "notation.md").partition("## What each symbol is")[2]
    named = {
        name for line in table.splitlines() if line.startswith("| ") for name in re.findall(r"`(\w+)`", line)
    }
    modules = [ROOT / "strm" / name for name in ("model.py", "loss.py", "landmarks.py")]
    code = {
        getattr(node, key)
        for module in modules
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        for key in ("id", "attr", "arg", "name")
        if isinstance(getattr(node, key, None), str)
    }
    assert named - {"B", "S", "C"} <= code
    assert len(named) > 15


def test_the_picture_of_the_network_can_be_read_without_seeing_it():
    root = ElementTree.parse(BOOK / "_static" / "architecture.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{space}title").text and len(root.find(f"{space}desc").text) > 200
    assert root.get("aria-labelledby").split() == [
        root.find(f"{space}{name}").get("id") for name in ("title", "desc")
    ]
    assert not root.findall(f".//{space}script") and not root.findall(f".//{space}image")
    said = " ".join("".join(text.itertext()).replace("\u200b", "") for text in root.iter(f"{space}text"))
    for part in ("e = Win x + Wm yprev", "n times", "T times", "norm( z + latent(e, y, z) )", "(1 − gy) y"):
        assert part in said


# Deaf readers, and the people in the data


def test_the_review_form_takes_writing_and_signing_and_demands_neither():
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "review.yml").read_text("utf-8"))
    assert {"name", "description", "body"} <= set(form)
    fields = {field["id"]: field for field in form["body"] if field["type"] != "markdown"}
    assert {"review", "video", "credit"} <= set(fields)
    for field in fields.values():
        assert field["type"] in ("input", "textarea", "dropdown", "checkboxes")
        assert not field.get("validations", {}).get("required"), "one sentence about one figure is a review"
        options = field["attributes"].get("options", [])
        # GitHub refuses an unquoted Yes or No in a dropdown: YAML reads them as true and false.
        assert all(isinstance(option, str if field["type"] == "dropdown" else dict) for option in options)
    assert f"({ADDRESS}/issues/new?template=review.yml)" in prose(BOOK / "fingerspelling.md")


def test_the_alphabet_to_review_hides_nothing(monkeypatch):
    """Hands and paths are wholly in the picture; who moves has a path, from its dot to its arrow."""
    monkeypatch.setattr("strm.figures.alphabet.LARGE", 0.0)  # the first that is inside will do here
    letters = ["F", *ASL.moving]
    drawn = [framed(letter, ASL.letters.index(letter)) for letter in letters]
    for portrait in drawn:
        shown = [portrait.render.points[:, :2], *([] if portrait.path is None else [portrait.path])]
        assert all(points.min() > 0.04 and points.max() < 0.96 for points in shown)
        assert portrait.render.handedness == "Right"
    figure = show_alphabet(drawn, letters)
    assert [ax.get_title() for ax in figure.axes] == letters
    for ax, portrait, letter in zip(figure.axes, drawn, letters, strict=True):
        assert bool(ax.lines) == (letter in ASL.moving)
        if ax.lines:
            size = len(portrait.render.image)
            np.testing.assert_allclose(ax.lines[1].get_xydata(), portrait.path * size)
            np.testing.assert_allclose(ax.lines[2].get_xydata(), portrait.path[:1] * size)
            (arrow,) = ax.texts
            np.testing.assert_allclose(arrow.xy, portrait.path[-1] * size)
    plt.close(figure)


def test_the_sets_that_are_named_are_those_that_the_weights_learned_from():
    card = (ROOT / "data" / "weights" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w+)(?: \(.*?\))? \|[^|]+\| ([^|]+) \|$", card, re.MULTILINE)
    sets = {name: licence for name, licence in rows if re.search("MIT|Apache|CC0|Domain", licence)}
    assert len(sets) > 5
    told = prose(BOOK / "fingerspelling.md").partition("## Whose hands taught it")[2].partition("\n## ")[0]
    for name, licence in sets.items():
        (line,) = [
            line for line in told.splitlines() if line.startswith("|") and re.search(rf"\b{name}\b", line)
        ]
        assert line.endswith(f"| {licence} |")
        assert name in prose(BOOK / "credits.md")


# Quizzes


@pytest.mark.parametrize("path", QUIZZES, ids=lambda path: path.stem)
def test_a_quiz_has_four_or_five_questions_with_one_answer_among_different_choices(path):
    questions = json.loads(path.read_text("utf-8"))
    assert 4 <= len(questions) <= 5
    for question in questions:
        assert set(question) == {"question", "choices", "answer", "why"}
        choices = question["choices"]
        assert 3 <= len(choices) <= 6 and len({choice.strip().lower() for choice in choices}) == len(choices)
        assert type(question["answer"]) is int and 0 <= question["answer"] < len(choices), question[
            "question"
        ]
        assert all(isinstance(text, str) and text.strip() for text in [*choices, question["question"]])
        assert 15 < len(question["why"]) < 300 and "\n" not in question["why"], "a reason in a line"
    assert len({question["question"] for question in questions}) == len(questions)
    assert len({question["answer"] for question in questions}) > 1, "the answers all have the same letter"


def test_every_chapter_has_its_quiz_on_the_teachers_page():
    shown = re.findall(r"^:::\{quiz\} (\S+)$", prose(BOOK / "teacher.md"), re.MULTILINE)
    assert shown == [f"quiz/chapter{int(path.stem[:2])}.en.json" for path in CHAPTERS]


def render(folder: Path, quiz: object) -> str:
    """Build a page with one quiz, warnings as errors, and return its HTML."""
    source = folder / "source"
    source.mkdir()
    (source / "quiz.json").write_text(quiz if isinstance(quiz, str) else json.dumps(quiz), "utf-8")
    (source / "index.md").write_text("# Page\n\n:::{quiz} quiz.json\n:answer: Réponse\n:::\n", "utf-8")
    settings = {"extensions": ["myst_parser", "quiz"], "myst_enable_extensions": ["colon_fence"]}
    with docutils_namespace():
        app = Sphinx(
            source, None, folder / "out", folder / "trees", "html", settings, status=None, warning=None,
            warningiserror=True,
        )  # fmt: skip
        app.build()
    assert app.statuscode == 0
    return (folder / "out" / "index.html").read_text("utf-8")


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(str(BOOK / "_ext"))


QUESTION = {"question": "*Which*?", "choices": ["one", "two `2`"], "answer": 1, "why": "It **is** two."}


def test_a_quiz_folds_its_answers_without_a_script(tmp_path, extension):
    html = render(tmp_path, [QUESTION, QUESTION | {"answer": 0}])
    page = re.search(r'<ol class="[^"]*\bquiz\b.*</ol>', html, re.DOTALL)[0]
    assert page.count("<details") == 2 and "<script" not in page and "onclick" not in page
    assert page.count("<summary>Réponse</summary>") == 2, "the fold speaks the page's language"
    first, second = re.findall(r"<details.*?</details>", page, re.DOTALL)
    assert "<strong>B.</strong> It <strong>is</strong> two." in first and "<strong>A.</strong>" in second
    assert page.count('class="upperalpha') == 2 and "<em>Which</em>?" in page
    outside = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    assert "is</strong> two" not in outside, "the answer shows before it is asked for"


@pytest.mark.parametrize(
    "quiz", [[QUESTION | {"answer": 2}], [QUESTION | {"answer": -1}], [{"question": "?"}], "no"]
)
def test_a_broken_quiz_stops_the_build(tmp_path, extension, quiz):
    with pytest.raises(Exception, match=r"quiz\.json"):
        render(tmp_path, quiz)
