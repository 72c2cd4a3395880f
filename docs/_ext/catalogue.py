"""Each build generates the catalogue from the classes of the presets: a table, and a page for each.

The directive ``catalogue`` is the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import django.conf
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Catalogue(SphinxDirective):
    """A table of every preset. A script adds a field that filters it."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        import presets

        for source in presets.sources():
            self.env.note_dependency(source)
        return [
            nodes.container("", *self.parse_text_to_nodes(presets.overview()), classes=["filter"])
        ]


def write_pages(app: Sphinx) -> None:
    """Write the page of each preset, if it has changed since the last build."""
    import presets

    folder = Path(app.srcdir) / "catalogue"
    folder.mkdir(exist_ok=True)
    pages = {folder / f"{each.name}.md": presets.page(each) + "\n" for each in presets.presets()}
    for old in {*folder.glob("*.md")} - {*pages}:
        old.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    # The presets read settings: DEBUG decides whether a URL may be plain http.
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    app.add_directive("catalogue", Catalogue)
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
