"""The directive ``catalogue``: each build generates the presets' page from their classes."""

from __future__ import annotations

from typing import Any, ClassVar

import django.conf
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Catalogue(SphinxDirective):
    """A table of every preset, and a section for each."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        import presets

        for source in presets.sources():
            self.env.note_dependency(source)
        return self.parse_text_to_nodes(presets.markdown(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    # The presets read settings: DEBUG decides whether a URL may be plain http.
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    app.add_directive("catalogue", Catalogue)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
