"""Notebooks for a class: the chapters without their solutions."""

from pathlib import Path

import nbformat

from strm.files import replacing


def student(chapter: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a chapter without the cells tagged `solution`, and without what a run left in it."""
    from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

    for step in (
        TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True),
        ClearOutputPreprocessor(enabled=True),
    ):
        chapter, _ = step.preprocess(chapter, {})
    return chapter


def write(sources: list[Path], folder: Path) -> list[Path]:
    """Write each chapter as students get it into the folder, and return the files."""
    written = []
    for source in sources:
        notebook = student(nbformat.read(source, as_version=4))
        nbformat.validate(notebook)
        with replacing(folder / source.name) as temporary:
            temporary.write_text(nbformat.writes(notebook) + "\n", "utf-8")
        written.append(folder / source.name)
    return written
