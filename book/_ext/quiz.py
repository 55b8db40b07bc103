"""A directive that shows a chapter's quiz: questions, lettered choices, and each answer in a fold.

The fold is the browser's own `<details>`: it opens with the keyboard and without JavaScript, and a printed
page shows the answers that were open: the same page prints a sheet for the class, and one with the key.

    :::{quiz} quiz/chapter1.en.json
    :answer: Answer
    :::

The file is a list of {"question", "choices", "answer": the right one's place, "why"}, all in Markdown. The
words around it come from the page, so that another language is another page and another file.
"""

import json
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

LETTERS = "ABCDEFGH"


class Quiz(SphinxDirective):
    """Turn a file of questions into a numbered list."""

    required_arguments = 1
    option_spec: ClassVar = {"answer": directives.unchanged_required}

    def run(self):
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        try:
            with open(path, encoding="utf-8") as file:
                questions = json.load(file)
            items = [self.item(question) for question in questions]
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise self.error(f"no quiz in {relative}: {error!r}") from error
        return [nodes.enumerated_list("", *items, enumtype="arabic", prefix="", suffix=".", classes=["quiz"])]

    def item(self, question):
        """Return one question with its choices and its answer."""
        choices = [nodes.list_item("", *self.parse(choice)) for choice in question["choices"]]
        place = question["answer"]
        if not 0 <= place < min(len(choices), len(LETTERS)):
            raise IndexError(f"the answer {place} to {question['question']!r} is none of its choices")
        told = f"**{LETTERS[place]}.** {question['why']}"
        return nodes.list_item(
            "",
            *self.parse(question["question"]),
            nodes.enumerated_list("", *choices, enumtype="upperalpha", prefix="", suffix="."),
            nodes.raw("", '<details class="quiz-answer">', format="html"),
            nodes.raw("", f"<summary>{self.options.get('answer', 'Answer')}</summary>", format="html"),
            *self.parse(told),
            nodes.raw("", "</details>", format="html"),
        )

    def parse(self, words):
        """Return Markdown as nodes."""
        parent = nodes.Element()
        source, line = self.get_source_info()
        self.state.nested_parse(StringList(words.splitlines(), source), line, parent)
        return parent.children


def setup(app):
    app.add_directive("quiz", Quiz)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
