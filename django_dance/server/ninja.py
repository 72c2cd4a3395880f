"""django-ninja: an ``auth`` callable that accepts the bearer tokens of a server."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.security.http import HttpAuthBase

from . import access_tokens
from .access_tokens import AccessToken, TokenRejected
from .authorization import AuthorizationServer
from .resource_protector import set_identity

_REFUSED = "_oauth_refused"


class TokenAuth(HttpAuthBase):
    """``auth=TokenAuth(server, "email")``: ``request.auth`` is the
    :class:`~.access_tokens.AccessToken`, which has all the scopes.

    ``request.user`` is the user of the token.

    :param any: one of the scopes is enough.
    """

    openapi_scheme = "bearer"

    def __init__(self, server: AuthorizationServer, *scopes: str, any: bool = False) -> None:
        super().__init__()
        self.server, self.scopes, self.any = server, scopes, any

    def __call__(self, request: HttpRequest) -> AccessToken | None:
        """The token; ``None`` if the request has no bearer token.

        :raises Refused: the token is not accepted.
        """
        rejection = self.server.protector.rejection(request, self.scopes, self.any)
        if rejection is None:
            token: AccessToken = vars(request)["oauth_token"]
            set_identity(request, token)
            return token
        refused = Refused(rejection, self.server, self.scopes)
        if rejection.error:
            raise refused
        # Another callable of the API may accept the request.
        vars(request)[_REFUSED] = refused
        return None


class Refused(HttpError):
    """The token of the request is not accepted."""

    def __init__(
        self, rejection: TokenRejected, server: AuthorizationServer, scopes: tuple[str, ...]
    ) -> None:
        super().__init__(rejection.status, rejection.message)
        self.rejection, self.server = rejection, server
        self.scopes = () if rejection.status == 400 else scopes


def add_challenges(api: NinjaAPI) -> None:
    """Answer refusals of this API as RFC 6750 §3 requires: with a challenge and its error code."""

    def answer(request: HttpRequest, error: Any) -> HttpResponse:
        refused = error if isinstance(error, Refused) else vars(request).get(_REFUSED)
        if refused is None:
            response: HttpResponse = api.create_response(
                request, {"detail": str(error)}, status=error.status_code
            )
            return response
        return access_tokens.challenge(refused.rejection, refused.server.name, refused.scopes)

    api.add_exception_handler(Refused, answer)
    api.add_exception_handler(AuthenticationError, answer)
