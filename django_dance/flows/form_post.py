"""Callbacks that come as a form (OAuth 2.0 Form Post Response Mode).

Browsers keep our cookies from another site's form, but send them with the redirect that answers
it. So a form changes nothing: its fields come back by GET, sealed, and are looked at then.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from ..exceptions import SealBroken
from ..tokens import Secret, seal, unseal

_PARAMETER = "dance_posted"
#: What a form may carry, and how long it may be in all.
_FIELDS = frozenset({"state", "code", "error", "error_description", "error_uri", "iss", "user"})
_LONGEST = 5000


def way_back(request: HttpRequest, provider: str) -> str:
    """Where the browser goes to bring the form's fields by GET."""
    fields = {name: values for name, values in request.POST.lists() if name in _FIELDS}
    text = json.dumps(fields)
    if len(text) > _LONGEST:
        text = "{}"  # what is that long is no callback; without a state it will be refused as such
    sealed = seal(text.encode(), purpose="callback", identity=provider)
    return f"{request.path}?{urlencode({_PARAMETER: sealed})}"


def brought_back(request: HttpRequest, provider: str) -> QueryDict | None:
    """The form's fields, or ``None`` if it is no form of ours that came back."""
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
