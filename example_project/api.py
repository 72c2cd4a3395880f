"""The provider's API. It knows nothing of django-dance: any site could ask it."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.decorators import protected_resource, rw_protected_resource


class Request(HttpRequest):
    """Tells type checkers what the decorators below hang on a request."""

    resource_owner: User


# RFC 6750 §3.1: a token that is over is a 401, which tells the client to refresh it.
@protected_resource(scopes=["read"], advertise_metadata=True)  # type: ignore[untyped-decorator]
def me(request: Request) -> JsonResponse:
    user = request.resource_owner
    return JsonResponse(
        {"username": user.username, "name": user.get_full_name()},
        json_dumps_params={"indent": 2},
    )


@csrf_exempt  # a token came with the call, not a cookie
@rw_protected_resource(advertise_metadata=True)  # type: ignore[untyped-decorator]
def notes(request: Request) -> JsonResponse:
    # In the cache, for this is an example of tokens and not of notes.
    key = f"notes-of-{request.resource_owner.pk}"
    written: list[Any] = cache.get(key, [])
    if request.method == "POST":
        text = str(json.loads(request.body).get("text", "")).strip()
        if not text:
            return JsonResponse({"error": "A note needs a text."}, status=400)
        written = [text, *written]
        cache.set(key, written, timeout=None)
    return JsonResponse({"notes": written})
