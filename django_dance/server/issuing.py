"""Creates a token for a user without a request: for tests, and for personal access tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from oauthlib.common import Request

from ..tokens import Secret
from .endpoints import random_token
from .resources import canonical
from .rows import ClientRow, is_active

if TYPE_CHECKING:
    from .authorization import AuthorizationServer


def create_token(
    server: AuthorizationServer,
    user: Any,
    client: Any,
    scopes: Iterable[str],
    lifetime: int | None,
    with_refresh_token: bool,
    resources: Iterable[str],
) -> dict[str, Any]:
    """See :meth:`.AuthorizationServer.create_token`."""
    if isinstance(client, str):
        client_id = client
        client = server.callbacks.required("clientgetter")(client_id)
        if client is None:
            raise ValueError(f"There is no client {client_id}.")
    row, wanted = ClientRow(client), list(scopes)
    if not is_active(client) or (user is not None and not is_active(user)):
        raise ValueError("The user or the client is deactivated.")
    if not server.may_request(client, wanted):
        raise ValueError(
            f"The client {client.client_id} may request the scopes "
            f"{', '.join(row.default_scopes) or '(none)'}, and not all of {', '.join(wanted)}."
        )
    if with_refresh_token and "refresh_token" not in row.grant_types:
        raise ValueError(f"The grant types of {client.client_id} do not contain refresh_token.")
    if with_refresh_token and user is None:
        # RFC 6749 §4.4.3. The server would refuse the refresh token.
        raise ValueError("A token without a user has no refresh token.")
    named = [canonical(resource) for resource in resources]
    # Without the site's views, as in some commands, the server does not know its resources.
    if server.resources and (unknown := sorted(set(named) - set(server.resources))):
        raise ValueError(
            f"No view of the server {server.name} has the resource {', '.join(unknown)}. Pass the "
            "URI that a view names with require_oauth(resource=…)."
        )
    if lifetime is None:
        lifetime = server.lifetime("access_token_lifetime", client)
    request = Request("/")
    request.client, request.user, request.scopes = client, user, wanted
    vars(request).update(http_request=None, resources=named)
    new: Any = server.generator("token_generator") or random_token
    token: dict[str, Any] = {
        "access_token": Secret(new(request)),
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": " ".join(wanted),
    }
    if with_refresh_token:
        new = server.generator("refresh_token_generator") or new
        token["refresh_token"] = Secret(new(request))
    server.validator().save_token(token, request)
    return token
