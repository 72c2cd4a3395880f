"""The example site with a strict Content-Security-Policy, and with a button before each dance."""

from pathlib import Path

import django_dance
from example_project.settings import *  # noqa: F403
from example_project.settings import MIDDLEWARE, TEMPLATES

POLICY = "default-src 'self'; form-action 'self'"
DANCE_LOGIN_ON_GET = False
# The pages of the package, instead of those with the look of the example.
PAGES = Path(django_dance.__file__).parent / "templates"
TEMPLATES = [{**TEMPLATES[0], "DIRS": [PAGES]}]
MIDDLEWARE = [*MIDDLEWARE, "tests.integration.csp.send_policy"]


def send_policy(get_response):
    """Add the policy to the pages of the client. The providers of the example are other sites."""

    def middleware(request):
        response = get_response(request)
        if request.path.startswith("/login/"):
            response["Content-Security-Policy"] = POLICY
        return response

    return middleware
