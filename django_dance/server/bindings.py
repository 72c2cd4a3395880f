"""Bindings: getters and setters for the models of a site."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import authenticate, get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import models, router
from django.utils import timezone

from ..conf import require_app
from .hashing import credentials_fingerprint, digest

if TYPE_CHECKING:
    from .authorization import AuthorizationServer
    from .models import AbstractClient

Model = str | type[models.Model]


class BoundFunctions(SimpleNamespace):
    """The functions that were registered, by name: ``tokengetter``, ``tokensetter`` and so on."""


def bind_models(
    server: AuthorizationServer,
    *,
    user: Model | None = None,
    client: Model | None = None,
    token: Model | None = None,
    grant: Model | None = None,
    current_user: Callable[[Any], Any] | None = None,
) -> BoundFunctions:
    """Register functions that load and store rows of these models, and return the functions.

    For a model that is left out, no function is registered. A function that is registered
    afterwards takes precedence. It can call the function that it replaces:
    ``bound.tokensetter(token, request)``.

    :param user: the user model, for the password grant.
    :param client: has the attributes of :class:`~.models.AbstractClient`.
    :param token: inherits :class:`~.models.AbstractToken`.
    :param grant: inherits :class:`~.models.AbstractGrant`.
    :param current_user: a function that gets the ``HttpRequest`` and returns the user who is logged
        in; the default is ``request.user``.
    """
    functions: dict[str, Callable[..., Any]] = {}
    if user is not None:
        functions["usergetter"] = UserBinding(user).get
    if client is not None:
        functions["clientgetter"] = ClientBinding(client).get
    if token is not None:
        tokens = TokenBinding(token, server)
        functions.update(tokengetter=tokens.get, tokensetter=tokens.set, tokenrevoker=tokens.revoke)
    if grant is not None:
        grants = GrantBinding(grant, server)
        functions.update(grantgetter=grants.get, grantsetter=grants.set, grantrevoker=grants.revoke)
    if current_user is not None:
        functions["current_user"] = current_user
    server.callbacks.functions.update(functions)
    return BoundFunctions(**functions)


def only(rows: Any) -> Any:
    """The row that has a unique value, or ``None``: ``first()`` without its useless order."""
    return next(iter(rows), None)


def client_model(server: AuthorizationServer) -> type[AbstractClient] | None:
    """The model in which the server finds its clients; ``None`` if it is not one of ours."""
    from .models import AbstractClient  # the apps may not be ready when this module is imported

    getter = getattr(server.callbacks.functions.get("clientgetter"), "__self__", None)
    if not isinstance(getter, ClientBinding):
        return None
    model: Any = getter.model
    return model if issubclass(model, AbstractClient) else None


def rows_to_write(model: Any) -> Any:
    """The rows of a model, in the database that the router returns for writing.

    The server issues or revokes something because of the rows that it reads, and a replica may lag.
    """
    return model._default_manager.db_manager(router.db_for_write(model))


class Binding:
    """The functions for one model, which is imported when it is first needed."""

    #: The name of the abstract model that the model must inherit.
    base = ""

    def __init__(self, model: Model) -> None:
        self._model = model

    @cached_property
    def model(self) -> Any:
        model = self._model
        if isinstance(model, str):
            try:
                model = apps.get_model(model)
            except (LookupError, ValueError) as error:
                if model.startswith("django_dance_server."):
                    require_app("django_dance.server")
                raise ImproperlyConfigured(
                    f"bind_models() was called with the model {model!r}, which is not installed: "
                    f'{error}. Write it as "app_label.ModelName".'
                ) from error
        if self.base and not any(cls.__name__ == self.base for cls in model.__mro__):
            raise ImproperlyConfigured(
                f"bind_models() was called with {model.__name__}, which does not inherit "
                f"{self.base} of django_dance.server.models. Inherit it, or register "
                "functions of your own."
            )
        return model

    @property
    def rows(self) -> Any:
        return rows_to_write(self.model)


class UserBinding(Binding):
    def get(
        self, username: str, password: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """The user whom ``AUTHENTICATION_BACKENDS`` accept with this password, or ``None``.

        :param request: oauthlib's request.
        :raises ImproperlyConfigured: the backends do not return users of the bound model.
        """
        if not issubclass(self.model, get_user_model()):
            raise ImproperlyConfigured(
                f"bind_models() was called with the user model {self.model.__name__}, but "
                "AUTHENTICATION_BACKENDS authenticate users of AUTH_USER_MODEL. Leave out user=… "
                "and register a function with @server.usergetter."
            )
        # The same as the login form does: locked accounts and user_login_failed count here, too.
        user = authenticate(
            getattr(request, "http_request", None), username=username, password=password
        )
        if user is None or isinstance(user, self.model):
            return user
        return self.rows.filter(pk=user.pk).first()


class ClientBinding(Binding):
    def get(self, client_id: str) -> Any:
        client = only(self.rows.filter(client_id=client_id))
        # Some databases ignore the case; RFC 6749 §2.2 does not.
        return client if client is not None and client.client_id == client_id else None


class TokenBinding(Binding):
    base = "AbstractToken"

    def __init__(self, model: Model, server: AuthorizationServer) -> None:
        super().__init__(model)
        self._server = server

    def get(
        self,
        access_token: str | None = None,
        refresh_token: str | None = None,
        *,
        client: Any = None,
    ) -> Any:
        """The row of a token, or ``None``.

        :param client: the client that sent the token. If the token is its own, as it nearly always
            is, the client is not read again.
        """
        if access_token:
            wanted = {"access_digest": digest(access_token)}
        elif refresh_token:
            wanted = {"refresh_digest": digest(refresh_token)}
        else:
            return None
        rows = self.rows.filter(**wanted)
        if client is None:
            return only(rows.select_related("client", "user"))
        token = only(rows.select_related("user"))
        if token is not None and token.client_id == client.client_id:
            relation = self.model._meta.get_field("client")
            if isinstance(client, relation.related_model):
                token.client = client
        return token

    def set(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> Any:
        """Store an issued token. The other tokens of the same user and client are unchanged."""
        refresh_token = token.get("refresh_token")
        now = timezone.now()
        until = request.refresh_expires or now + timedelta(
            seconds=self._server.lifetime("refresh_token_lifetime", request.client)
        )
        return self.rows.create(
            access_digest=digest(token["access_token"]),
            refresh_digest=digest(refresh_token) if refresh_token else None,
            client_id=request.client.client_id,
            user=request.user,
            scope=" ".join(request.scopes),
            granted_scope=" ".join(request.granted_scopes or request.scopes),
            resource=" ".join(vars(request).get("resources", ())),
            granted_resource=" ".join(vars(request).get("granted_resources", ())),
            expires=now + timedelta(seconds=token["expires_in"]),
            refresh_expires=until if refresh_token else None,
            family=request.family,
            server=self._server.name,
            bound_to=credentials_fingerprint(request.client, request.user),
        )

    def revoke(
        self, family: str | None = None, user: Any = None, client_id: str | None = None
    ) -> None:
        """Revoke a family of tokens, or all tokens of a user, for one client or for all."""
        if family is not None:
            rows = self.rows.filter(family=family)
        elif user is not None:
            rows = self.rows.filter(user=user)
            if client_id is not None:
                rows = rows.filter(client_id=client_id)
        else:
            raise TypeError(
                "Pass the tokens to revoke: family, or user and client_id, or user alone."
            )
        rows = rows.filter(server=self._server.name, revoked_at=None)
        # The first update waits for a refresh in another transaction. The second update revokes
        # the token that the refresh has stored.
        while rows.update(revoked_at=timezone.now()):
            pass


def grant_fields(server: AuthorizationServer, client_id: str, request: Any) -> dict[str, Any]:
    """The fields of a code that a table and a cache store alike.

    :param request: oauthlib's request.
    """
    return {
        "client_id": client_id,
        # RFC 6749 §4.1.3: the token request must repeat it only if it was in this request.
        "redirect_uri": "" if request.using_default_redirect_uri else request.redirect_uri,
        "code_challenge": request.code_challenge,
        "code_challenge_method": request.code_challenge_method,
        "server": server.name,
        "bound_to": credentials_fingerprint(request.client, request.user),
    }


class GrantBinding(Binding):
    base = "AbstractGrant"

    def __init__(self, model: Model, server: AuthorizationServer) -> None:
        super().__init__(model)
        self._server = server

    def get(self, client_id: str, code: str) -> Any:
        rows = self.rows.select_related("user")
        grant = only(rows.filter(code_digest=digest(code), server=self._server.name))
        return grant if grant is not None and grant.client_id == client_id else None

    def set(
        self, client_id: str, code: dict[str, Any], request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        return self.rows.create(
            **grant_fields(self._server, client_id, request),
            code_digest=digest(code["code"]),
            user=request.user,
            scope=" ".join(request.scopes),
            resource=" ".join(vars(request).get("resources", ())),
            expires=timezone.now() + timedelta(seconds=self._server.code_lifetime),
        )

    def revoke(self, user: Any, client_id: str | None = None) -> None:
        """Delete the codes of a user, for one client or for all, except those that are used."""
        rows = self.rows.filter(user=user, server=self._server.name, used_at=None)
        if client_id is not None:
            rows = rows.filter(client_id=client_id)
        rows.delete()
