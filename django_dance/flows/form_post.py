"""Callbacks that come as a form (OAuth 2.0 Form Post Response Mode).

A browser does not send our cookies with a form of another site, but it sends them with the GET
request that follows a redirect. So the answer to the form is a redirect that carries the sealed
fields. The form itself changes nothing.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from ..exceptions import SealBroken
from ..tokens import Secret, seal, unseal

_PARAMETER = "dance_posted"
#: The fields that are used, and the longest text of all fields together.
_FIELDS = frozenset({"state", "code", "error", "error_description", "error_uri", "iss", "user"})
_LONGEST = 5000


def redirect_with_fields(request: HttpRequest, provider: str) -> str:
    """Return the address that brings the form's fields back by GET, sealed."""
    fields = {name: values for name, values in request.POST.lists() if name in _FIELDS}
    text = json.dumps(fields)
    if len(text) > _LONGEST:
        text = "{}"  # not a callback; without a state it is refused as `state_missing`
    sealed = seal(text.encode(), purpose="callback", identity=provider)
    return f"{request.path}?{urlencode({_PARAMETER: sealed})}"


def restore_fields(request: HttpRequest, provider: str) -> QueryDict | None:
    """Return the form's fields; ``None`` if the request does not bring a sealed form back."""
    try:
        fields = json.loads(
            unseal(request.GET.get(_PARAMETER, ""), purpose="callback", identity=provider)
        )
    except (SealBroken, ValueError):
        return None
    query = QueryDict(mutable=True)
    for name, values in fields.items():
        query.setlist(name, [Secret(value) for value in values])
    return query
