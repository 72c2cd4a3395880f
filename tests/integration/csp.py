"""The example site with the pages of the package, and with a button before each dance."""

from pathlib import Path

import django_dance
from example_project.settings import *  # noqa: F403
from example_project.settings import TEMPLATES

DANCE_LOGIN_ON_GET = False
# The pages of the package, instead of those with the look of the example.
PAGES = Path(django_dance.__file__).parent / "templates"
TEMPLATES = [{**TEMPLATES[0], "DIRS": [PAGES]}]
