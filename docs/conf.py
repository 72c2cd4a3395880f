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

extensions = ["myst_parser", "catalogue"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext"]
nitpicky = True

html_theme = "alabaster"
html_theme_options = {
    "description": "Act for your users at other sites.",
    "fixed_sidebar": True,
    "page_width": "68rem",
}
html_show_sourcelink = False
