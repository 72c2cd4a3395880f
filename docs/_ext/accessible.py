"""Completes what the HTML of Sphinx lacks for screen readers and for the keyboard."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

#: In the HTML of a page → instead of it.
REPLACED = {
    'role="heading"': 'role="heading" aria-level="2"',  # the caption of a list of pages
    "<pre>": '<pre tabindex="0">',  # code that is wider than the screen is scrolled
}


def complete(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    for part in ("body", "furo_navigation_tree"):
        html = context.get(part) or ""
        for lacking, complete in REPLACED.items():
            html = html.replace(lacking, complete)
        context[part] = html


def setup(app: Sphinx) -> dict[str, Any]:
    # After the theme has made its parts.
    app.connect("html-page-context", complete, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
