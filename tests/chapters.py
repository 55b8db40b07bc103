"""A chapter's notebook as its tests need it: the code of its cells, and what they define."""

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BOOK = Path(__file__).parents[1] / "book"


def code_of(chapter: str) -> dict[str, str]:
    """Return the code of a chapter's cells, by their ids."""
    cells = json.loads((BOOK / f"{chapter}.ipynb").read_text("utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}


def defined(codes: Iterable[str], **known: Any) -> dict[str, Any]:
    """Return the functions and classes that these cells define, among the names they are `known` to use."""
    body = [node for code in codes for node in ast.parse(code).body]
    kept = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    exec(compile(ast.Module(kept, []), "a chapter", "exec"), known)
    return known
