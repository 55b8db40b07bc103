"""README tells the truth: commands parse, snippets run, links lead somewhere, numbers are measured.

A measured number stands between two comments that a reader does not see, the first of which says where it
comes from: file, keys, format. `python tests/test_readme.py` writes the numbers anew.
"""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from strm import cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "book").glob("*.md"))
MEASURING = (README, ROOT / "data" / "weights" / "README.md", *PAGES)
MEASURED = re.compile(r"(<!--= (\S+) (\S+) (\S+) -->).*?(<!--/-->)")


def blocks(language: str) -> list[str]:
    # An indented block belongs to a list item.
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def filled(text: str) -> str:
    """Put into each pair of comments what the results file says."""

    def measured(match: re.Match) -> str:
        value = json.loads((ROOT / match[2]).read_text("utf-8"))
        for key in match[3].split("/"):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return match[1] + format(value, match[4]) + match[5]

    return MEASURED.sub(measured, text)


@pytest.mark.parametrize("path", MEASURING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_numbers_are_the_results_files_own(path):
    text = path.read_text("utf-8")
    assert filled(text) == text, "run `python tests/test_readme.py` and look at what changed"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_books_pages_claim_no_score_of_their_own(path):
    """What stands between the comments is a results file's; nothing else may look measured."""
    text = re.sub(r"```.*?```|`[^`]*`", " ", MEASURED.sub(" ", path.read_text("utf-8")), flags=re.DOTALL)
    assert not re.findall(r".*(?:\d\s?%|\b0\.\d{2,}).*", text)


def test_a_number_that_parts_from_its_file_is_found():
    where = "<!--= data/results/detector.json {} {} -->{}<!--/-->"
    said = where.format("photos", "d", "12") + where.format("found_share_per_source/insigh1", ".0%", "?")
    assert re.sub("<!--.*?-->", " ", filled(said)).split() == ["780", "100%"]


def strm_commands() -> list[str]:
    lines = "\n".join(blocks("bash")).splitlines()
    inline = re.findall(r"`(strm \w+ --[^`]*)`", README.read_text("utf-8"))
    found = [re.sub(r"^.*?\bstrm ", "", line) for line in lines if re.search(r"(^|[/ ])strm ", line)]
    return found + [line.removeprefix("strm ") for line in inline]


@pytest.mark.parametrize("command", strm_commands())
def test_commands_are_understood(command):
    assert cli.build_parser().parse_args(shlex.split(command.replace("…", ""))).run


def test_every_command_is_listed(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert "train" in commands
    for command in commands:
        assert f"| `strm {command}" in README.read_text("utf-8")


def test_links_lead_somewhere():
    text = README.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert link.startswith("https://") or link in anchors or (ROOT / link).exists(), link


def test_files_and_folders_it_names_exist():
    for name in re.findall(r"`((?:data|book|strm|tests)/[\w./-]+)`", README.read_text("utf-8")):
        assert (ROOT / name).exists(), name


def test_modules_and_names_it_mentions_exist():
    import importlib

    for dotted in re.findall(r"`(strm(?:\.\w+)+)`", README.read_text("utf-8")):
        try:
            importlib.import_module(dotted)
        except ModuleNotFoundError:
            module, name = dotted.rsplit(".", 1)
            assert hasattr(importlib.import_module(module), name), dotted


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A Hub on this machine on which the weights that ship were pushed as your-username/asl-strm."""
    from hub_server import HubServer

    from strm import export, hub
    from strm.bundle import WEIGHTS, load

    with HubServer() as server:
        server.user = "your-username"
        server.take_over(monkeypatch, tmp_path / "home", server.token)
        with monkeypatch.context() as patch:
            patch.setattr(export, "export", lambda *_: None)  # no snippet fetches the graphs
            hub.push(load(WEIGHTS), "your-username/asl-strm")
        yield


def test_snippets_run_one_after_the_other(tmp_path, monkeypatch, capsys, hand_photo, shared):
    monkeypatch.chdir(tmp_path)
    hand_photo("V", tmp_path / "my-hand.jpg")
    shutil.copy(ROOT / "data" / "studio" / "J.mp4", tmp_path / "my-word.mp4")
    names: dict = {}
    from strm.notebook_camera import CameraWords

    snippets = blocks("python")
    assert len(snippets) == 7
    models = []
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), names)
        models.append(names.get("model"))
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[0] == "V", "the photo's letter"
    assert said[1] == "V", "the stream's text"
    assert names["player"].readings[-1].text == "J", "the film's text"
    assert said[2:4] == [names["player"].words.static, CameraWords().off], "this is no notebook"
    assert said[4:] == ["Prediction: V"] * 15
    assert names["recognizer"].step(names["hand"], 0.0).top3[0][0] == "V", "by ONNX Runtime"
    x = names["video_frames"][:1]
    logits = [models[number](torch.tensor(x)) for number in (3, 5, 6)]
    assert torch.equal(logits[0], logits[1]) and torch.equal(logits[0], logits[2]), "from the Hub, the same"


if __name__ == "__main__":
    for path in MEASURING:
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
