"""Django REST framework: an authentication class, permission classes and a throttle.

A view with these classes accepts the bearer tokens of one server. ``request.auth`` is the
:class:`~.access_tokens.AccessToken`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.throttling import SimpleRateThrottle

from . import access_tokens
from .access_tokens import AccessToken, TokenRejected
from .authorization import AuthorizationServer, servers
from .hashing import digest


class TokenAuthentication(BaseAuthentication):
    """Accepts the bearer tokens of a server.

    A request without a bearer token is left to the next authentication class. So a session, with
    its CSRF protection, can be accepted beside tokens.
    """

    #: The server. A site with one server need not name it; otherwise a subclass does.
    server: AuthorizationServer | None = None
    #: The URL of the protected resource that the tokens must be for (RFC 8707), if any.
    resource: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.resource is None:
            return
        if cls.server is None:
            raise ImproperlyConfigured(
                f"{cls.__name__} has a resource, so it must name its server."
            )
        # The authorization endpoint must know the resource before the first request for the view.
        cls.server.add_resource(cls.resource, ())

    def authenticate(self, request: Any) -> tuple[Any, AccessToken] | None:
        """The user and the token of the request; ``None`` if it has no bearer token."""
        from django.contrib.auth.models import AnonymousUser

        http_request = request._request
        rejection = self._rejection(request)
        if rejection is None:
            token: AccessToken = vars(http_request)["oauth_token"]
            return AnonymousUser() if token.user is None else token.user, token
        if not rejection.error:
            return None
        fields = {"error": rejection.error, "error_description": rejection.message}
        if rejection.status == 401:
            raise AuthenticationFailed(fields)
        raise Refused(rejection, self, ())

    def authenticate_header(self, request: Any) -> str:
        """The challenge of a response 401 (RFC 6750 §3)."""
        rejection = self._rejection(request) or TokenRejected(*access_tokens.NO_TOKEN)
        view = request.parser_context["view"]
        scopes = required_scopes(view, request.method) if hasattr(view, "required_scopes") else []
        return self.challenge(rejection, scopes)

    def challenge(self, rejection: TokenRejected, scopes: Iterable[str]) -> str:
        """The header ``WWW-Authenticate`` of a refusal."""
        response = access_tokens.challenge(
            rejection, self._server().name, scopes, self._resource(scopes)
        )
        return str(response["WWW-Authenticate"])

    def _rejection(self, request: Any) -> TokenRejected | None:
        return self._server().protector.rejection(request._request, (), False, self._resource(()))

    def _resource(self, scopes: Iterable[str]) -> str | None:
        if self.resource is None:
            return None
        return self._server().add_resource(self.resource, scopes)

    def _server(self) -> AuthorizationServer:
        if self.server is not None:
            return self.server
        if len(servers) == 1:
            return next(iter(servers))
        raise ImproperlyConfigured(
            f"There are {len(servers)} servers: set the attribute server in a subclass of "
            f"{type(self).__name__}."
        )


class Refused(APIException):
    """A response that refuses the token, with its challenge."""

    def __init__(
        self, rejection: TokenRejected, authenticator: TokenAuthentication, scopes: Iterable[str]
    ) -> None:
        super().__init__({"error": rejection.error, "error_description": rejection.message})
        self.status_code = rejection.status
        self.auth_header = authenticator.challenge(rejection, scopes)


class HasScopes(BasePermission):
    """Accepts a token with all scopes in the attribute ``required_scopes`` of the view.

    The attribute is a list, or a dict of lists by method: ``{"GET": ["read"], "POST": ["write"]}``.
    A request without a token is refused.
    """

    any = False

    def has_permission(self, request: Any, view: Any) -> bool:
        """:raises Refused: the token lacks a scope."""
        token = request.auth
        if not isinstance(token, AccessToken):
            return False
        scopes = required_scopes(view, request.method)
        if token.allows(scopes, any=self.any):
            return True
        authenticator = request.successful_authenticator
        if not isinstance(authenticator, TokenAuthentication):
            return False
        raise Refused(TokenRejected(*access_tokens.WRONG_SCOPE), authenticator, scopes)


class HasAnyScope(HasScopes):
    """Accepts a token with one of the scopes in ``required_scopes``."""

    any = True


class ClientRateThrottle(SimpleRateThrottle):
    """Limits the requests of each client. The rate is ``oauth_client`` in
    ``DEFAULT_THROTTLE_RATES``."""

    scope = "oauth_client"

    def get_cache_key(self, request: Any, view: Any) -> str | None:
        """``None`` for a request without a token, which is not limited."""
        if not isinstance(request.auth, AccessToken):
            return None
        # The id of a client may be a URL, which is too long for a key of memcached.
        ident = digest(request.auth.client_id)
        return str(self.cache_format % {"scope": self.scope, "ident": ident})


def required_scopes(view: Any, method: str) -> list[str]:
    """The scopes that a view needs for a method.

    :raises ImproperlyConfigured: the view does not say it.
    """
    found = getattr(view, "required_scopes", None)
    if isinstance(found, dict):
        if method not in view.allowed_methods:
            return []  # the response is 405
        # A browser asks with OPTIONS what it may send. HEAD is as GET.
        found = found.get(
            "GET" if method == "HEAD" else method, [] if method == "OPTIONS" else None
        )
    if found is None or isinstance(found, str):
        raise ImproperlyConfigured(
            f"{type(view).__name__} needs required_scopes for {method}: a list of scopes, or a "
            "dict of lists by method."
        )
    return list(found)


try:
    from drf_spectacular.extensions import OpenApiAuthenticationExtension
except ImportError:
    pass
else:

    class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
        """The security scheme in the schema of drf-spectacular."""

        target_class = TokenAuthentication
        match_subclasses = True
        name = "oauth2"

        def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
            view = auto_schema.view
            if not hasattr(view, "required_scopes"):
                return {self.name: []}
            return {self.name: required_scopes(view, auto_schema.method)}

        def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
            server = self.target._server()
            return {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": server.url("authorize"),
                        "tokenUrl": server.url("token"),
                        "refreshUrl": server.url("token"),
                        "scopes": dict(server.scopes),
                    }
                },
            }
