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
    :param resource: the URL of the protected resource that the token must be for.
    """

    openapi_scheme = "bearer"

    def __init__(
        self,
        server: AuthorizationServer,
        *scopes: str,
        any: bool = False,
        resource: str | None = None,
    ) -> None:
        super().__init__()
        self.server, self.scopes, self.any = server, scopes, any
        self.resource = None if resource is None else server.add_resource(resource, scopes)

    def __call__(self, request: HttpRequest) -> AccessToken | None:
        """The token; ``None`` if the request has no bearer token.

        :raises Refused: the token is not accepted.
        """
        rejection = self.server.protector.rejection(request, self.scopes, self.any, self.resource)
        if rejection is None:
            token: AccessToken = vars(request)["oauth_token"]
            set_identity(request, token)
            return token
        refused = Refused(rejection, self)
        if rejection.error:
            raise refused
        # Another callable of the API may accept the request.
        vars(request)[_REFUSED] = refused
        return None


class Refused(HttpError):
    """The token of the request is not accepted."""

    def __init__(self, rejection: TokenRejected, auth: TokenAuth) -> None:
        super().__init__(rejection.status, rejection.message)
        self.rejection, self.auth = rejection, auth

    def response(self) -> HttpResponse:
        """The response of RFC 6750 §3."""
        scopes = () if self.rejection.status == 400 else self.auth.scopes
        return access_tokens.challenge(
            self.rejection, self.auth.server.name, scopes, self.auth.resource
        )


def add_challenges(api: NinjaAPI) -> None:
    """Answer refusals of this API as RFC 6750 §3 requires: with a challenge and its error code."""

    def answer(request: HttpRequest, error: Any) -> HttpResponse:
        refused: Refused | None = (
            error if isinstance(error, Refused) else vars(request).get(_REFUSED)
        )
        if refused is None:
            response: HttpResponse = api.create_response(
                request, {"detail": str(error)}, status=error.status_code
            )
            return response
        return refused.response()

    api.add_exception_handler(Refused, answer)
    api.add_exception_handler(AuthenticationError, answer)
