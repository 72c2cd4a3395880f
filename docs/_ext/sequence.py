"""The directive ``sequence``: a sequence diagram, drawn from text.

Each line is a message, ``Browser -> Site: GET /profile/``, or a note, ``Site: checks the state``.
The first mention of a participant gives it a column. The drawing has the colours of the text, and
the same steps follow as a list, which screen readers read instead of the drawing.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

#: In pixels.
COLUMN, ROW, HEAD, MARGIN = 230, 46, 40, 20
_STEP = re.compile(r"(?P<from>\w+)(?: -> (?P<to>\w+))?: (?P<text>.+)")


def steps_of(lines: list[str]) -> list[tuple[str, str, str]]:
    """The sender, the receiver and the text of each line; a note has no receiver.

    :raises ValueError: a line is neither a message nor a note.
    """
    steps = []
    for line in filter(None, map(str.strip, lines)):
        match = _STEP.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} is neither 'A -> B: text' nor 'A: text'.")
        steps.append((match["from"], match["to"] or "", match["text"]))
    return steps


def draw(steps: list[tuple[str, str, str]]) -> str:
    """The diagram as SVG."""
    names = list(dict.fromkeys(name for step in steps for name in step[:2] if name))
    middle = {name: MARGIN + COLUMN // 2 + COLUMN * place for place, name in enumerate(names)}
    width, height = 2 * MARGIN + COLUMN * len(names), HEAD + ROW * len(steps) + MARGIN
    parts = [
        f'<svg class="sequence" viewBox="0 0 {width} {height}" width="{width}" aria-hidden="true" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for name, x in middle.items():
        parts.append(f'<text class="name" x="{x}" y="22">{escape(name)}</text>')
        parts.append(f'<path class="life" d="M{x} {HEAD - 8}V{height}"/>')
    for number, (sender, receiver, text) in enumerate(steps, 1):
        y, x = HEAD + ROW * number - 12, middle[sender]
        label = f"{number}. {escape(text)}"
        if not receiver:
            parts.append(f'<text class="note" x="{x}" y="{y - 8}">{label}</text>')
            continue
        end = middle[receiver]
        tip = -8 if end > x else 8
        parts.append(f'<text x="{(x + end) // 2}" y="{y - 8}">{label}</text>')
        parts.append(f'<path d="M{x} {y}H{end}m{tip} -5L{end} {y}l{tip} 5"/>')
    return "\n".join([*parts, "</svg>"])


class Sequence(SphinxDirective):
    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        try:
            steps = steps_of(list(self.content))
        except ValueError as error:
            raise self.error(str(error)) from error
        # On a narrow screen the drawing is scrolled, also by the keyboard.
        frame = '<div class="sequence-frame" tabindex="0" role="group" aria-label="Diagram">'
        drawing = nodes.raw("", f"{frame}{draw(steps)}</div>", format="html")
        items = []
        for sender, receiver, text in steps:
            words = f"{sender} to {receiver}: {text}" if receiver else f"{sender}: {text}"
            items.append(nodes.list_item("", nodes.paragraph("", words)))
        return [drawing, nodes.enumerated_list("", *items, classes=["sequence-steps"])]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("sequence", Sequence)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
