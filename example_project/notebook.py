"""The provider "Notebook": an authorization server, and the API that it protects.

Nothing here depends on the client: you can register other clients.
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
    """Declare for type checkers the attribute that ``require_oauth`` sets on a request."""

    oauth_token: AccessToken


@server.require_oauth("read")
def me(request: Request) -> JsonResponse:
    user = request.oauth_token.user
    return JsonResponse(
        {"id": user.pk, "username": user.username, "name": user.get_full_name()},
        json_dumps_params={"indent": 2},
    )


@server.require_oauth("read")
def notes(request: Request) -> JsonResponse:
    if request.method == "POST":
        return add_note(request)
    return JsonResponse({"notes": notes_of(request)})


@server.require_oauth("write")
def add_note(request: Request) -> JsonResponse:
    text = str(json.loads(request.body).get("text", "")).strip()
    if not text:
        return JsonResponse({"error": "A note needs a text."}, status=400)
    notes = [text, *notes_of(request)]
    cache.set(cache_key(request), notes, timeout=None)
    return JsonResponse({"notes": notes}, status=201)


def notes_of(request: Request) -> list[Any]:
    notes: list[Any] = cache.get(cache_key(request), [])
    return notes


def cache_key(request: Request) -> str:
    """The cache key of a user's notes, which need no table in an example of tokens."""
    return f"notes-of-{request.oauth_token.user.pk}"
