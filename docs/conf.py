"""How the documentation is built: ``make docs``."""

import re
import sys
from pathlib import Path

_package = Path(__file__).resolve().parent.parent / "django_dance" / "__init__.py"

project = "django-dance"
author = "The django-dance maintainers"
project_copyright = "2026, the django-dance maintainers"
release = version = re.findall(r'__version__ = "(.+)"', _package.read_text("utf-8"))[0]

sys.path[:0] = [str(Path(__file__).parent / "_ext"), str(_package.parent.parent)]

extensions = ["myst_parser", "sphinx_copybutton", "accessible", "catalogue", "sequence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext"]
nitpicky = True

html_theme = "furo"
html_title = f"django-dance {release}"
html_theme_options = {
    # For the link "Edit this page".
    "source_repository": "https://github.com/django-dance/django-dance/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["guide.css"]
html_js_files = ["filter.js"]
# The button does not copy the prompt and the output of a command.
copybutton_prompt_text = "$ "
html_show_sourcelink = False
