"""The client models of the servers in use, for the command and the admin that register clients."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings as django_settings
from django.urls import URLPattern, URLResolver, get_resolver

from .authorization import AuthorizationServer, servers
from .bindings import client_model
from .models import AbstractClient


def servers_in_use() -> list[AuthorizationServer]:
    """The servers whose views are in the URLs of the site; if no URL has one, all servers.

    Without ``ROOT_URLCONF`` there is none.
    """
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    patterns = get_resolver().url_patterns
    found = set(_servers_of(patterns)) or set(servers)
    return sorted(found, key=lambda server: server.name)


def unused_model_error(model: type[AbstractClient]) -> str | None:
    """The reason not to register clients in this model; ``None`` if a server finds them there."""
    used = servers_in_use()
    if not used or any(client_model(server) is model for server in used):
        return None
    names = ", ".join(
        f"{server.name!r} in {other._meta.label}"
        if (other := client_model(server))
        else f"{server.name!r} by a function of the site"
        for server in used
    )
    return f"No server finds its clients in {model._meta.label}. They are found: {names}."


def client_error(server: AuthorizationServer | None, client: AbstractClient) -> str | None:
    """The reason not to register a client with these grant types, redirect URIs and scopes.

    :param server: the server that finds the client; ``None`` if the site has none yet.
    :returns: ``None`` if the client can be registered.
    """
    grants = set(client.allowed_grant_types)
    if not grants - {"refresh_token"}:
        return "It has no grant type with which it gets a first token: add authorization_code."
    if "authorization_code" in grants and not client.redirect_uris:
        return "The grant type authorization_code needs a redirect URI: pass --redirect-uri."
    if "client_credentials" in grants and not client.is_confidential:
        return "The grant type client_credentials is for clients with a secret: leave out --public."
    if server is None:
        return None
    if "password" in grants and not server.password_grant:
        return (
            f"The server {server.name!r} does not allow the password grant: see "
            "DANCE_SERVER_ALLOW_PASSWORD_GRANT."
        )
    if server.scopes and (unknown := set(client.default_scopes) - set(server.scopes)):
        return (
            f"The server {server.name!r} has no scope {', '.join(sorted(unknown))}. It has "
            f"{', '.join(sorted(server.scopes))}."
        )
    return None


def _servers_of(patterns: list[URLPattern | URLResolver]) -> Iterator[AuthorizationServer]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _servers_of(pattern.url_patterns)
            continue
        server = getattr(pattern.callback, "view_initkwargs", {}).get("server")
        if isinstance(server, AuthorizationServer):
            yield server
