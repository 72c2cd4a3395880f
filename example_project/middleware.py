from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

#: Neither scripts nor styles in a page. Django 6 can do this with its setting ``SECURE_CSP``.
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)


def send_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Send a strict Content-Security-Policy with each page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # The pages with which Django reports an error while DEBUG contain styles.
        if response.status_code not in (404, 500):
            response["Content-Security-Policy"] = POLICY
        return response

    return middleware
