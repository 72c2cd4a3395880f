from inspect import getsource
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def demo(request: HttpRequest) -> dict[str, Any]:
    """Give templates the code of their view, the users, and the site that shows the page."""

    def view_source() -> str:
        match = request.resolver_match
        return getsource(match.func) if match else ""

    return {
        "people": settings.DEMO_PEOPLE,
        "at_provider": request.get_host() == settings.DEMO_PROVIDERS_HOST,
        "providers_origin": settings.DEMO_PROVIDERS,
        "view_source": view_source,
    }
