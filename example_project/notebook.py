"""The provider "Notebook": an authorization server, and the API that it guards.

It knows nothing of the client: any application could be registered here.
"""

import json
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, JsonResponse

from django_dance.server import AuthorizationServer, bind_models
from django_dance.server.access_tokens import AccessToken

server = AuthorizationServer()
bind_models(
    server,
    client="django_dance_server.Client",
    token="django_dance_server.Token",
    grant="django_dance_server.Grant",
)


class Request(HttpRequest):
    """Tells type checkers what ``require_oauth`` hangs on a request."""

    oauth_token: AccessToken


@server.require_oauth("read")
def me(request: Request) -> JsonResponse:
    user = request.oauth_token.user
    return JsonResponse(
        {"username": user.username, "name": user.get_full_name()},
        json_dumps_params={"indent": 2},
    )


@server.require_oauth("read")
def notes(request: Request) -> JsonResponse:
    if request.method == "POST":
        return add_note(request)
    return JsonResponse({"notes": written(request)})


@server.require_oauth("write")
def add_note(request: Request) -> JsonResponse:
    text = str(json.loads(request.body).get("text", "")).strip()
    if not text:
        return JsonResponse({"error": "A note needs a text."}, status=400)
    notes = [text, *written(request)]
    cache.set(shelf(request), notes, timeout=None)
    return JsonResponse({"notes": notes}, status=201)


def written(request: Request) -> list[Any]:
    notes: list[Any] = cache.get(shelf(request), [])
    return notes


def shelf(request: Request) -> str:
    """Notes are in the cache, for this is an example of tokens and not of notes."""
    return f"notes-of-{request.oauth_token.user.pk}"
