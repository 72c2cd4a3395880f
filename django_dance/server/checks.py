"""System checks of the server. The ids never change; ``docs/server.md`` has the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.conf import settings as django_settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver

from ..conf import import_if_path, is_shared
from ..conf import settings as client_settings
from ..http import is_secure
from .authorization import AuthorizationServer, servers
from .bindings import client_model
from .conf import settings

_LIFETIMES = ("access_token_lifetime", "refresh_token_lifetime", "code_lifetime")
#: RFC 6749 §4.1.2 recommends ten minutes at the most.
_LONGEST_CODE = 600


@register("django_dance")
def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return [*_unknown_settings(), *_cache_aliases()]


@register(Tags.urls)
def check_servers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    try:
        # A site creates its servers in the modules that its URLs import.
        _ = get_resolver().url_patterns
    except Exception:  # noqa: BLE001  Django's own check reports the error
        return []
    made = sorted(servers, key=lambda server: server.name)
    return [
        *_duplicate_names(made),
        *(found for server in made for found in _server_problems(server)),
    ]


@register("django_dance", deploy=True)
def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return [*_cache_problems(), *_limit_problems()]


def _unknown_settings() -> Iterator[CheckMessage]:
    for name, hint in settings.unknown().items():
        yield Error(f"There is no setting {name}.", hint=hint, id="django_dance_server.E001")


def _cache_aliases() -> Iterator[CheckMessage]:
    known = list(caches.settings)
    alias = settings.token_cache
    if alias is not None and alias not in known:
        yield Error(
            f"DANCE_SERVER_TOKEN_CACHE is {alias!r}, which is not in CACHES.",
            hint="Use an alias of CACHES, or None.",
            id="django_dance_server.E004",
        )
    alias = settings.limit_cache
    if alias not in known:
        yield Error(
            f"DANCE_SERVER_LIMIT_CACHE is {alias!r}, which is not in CACHES.",
            hint="Use an alias of CACHES: the server counts wrong client secrets there.",
            id="django_dance_server.E004",
        )


def _duplicate_names(made: list[AuthorizationServer]) -> Iterator[CheckMessage]:
    for name, count in Counter(server.name for server in made).items():
        if count > 1:
            yield Error(
                f"{count} servers have the name {name!r}: each accepts the codes and tokens of the "
                "others.",
                hint='Give each server its own name: AuthorizationServer("partners").',
                id="django_dance_server.E007",
            )


def _server_problems(server: AuthorizationServer) -> Iterator[CheckMessage]:
    issuer = server.option("issuer")
    if not isinstance(issuer, str) or not is_secure(issuer) or any(c in issuer for c in "?#@ "):
        yield Error(
            f"The server {server.name!r} has the issuer {issuer!r}.",
            hint="Set DANCE_SERVER_ISSUER, or the server's option issuer, to the site's public "
            'URL: https, without query and fragment, such as "https://example.com". While DEBUG is '
            "on, plain http is allowed for loopback and for DANCE_INSECURE_HOSTS.",
            id="django_dance_server.E002",
        )
    if server.callbacks.missing:
        yield Error(
            f"The server {server.name!r} has no {', '.join(server.callbacks.missing)}.",
            hint=f"Register a function with @server.{server.callbacks.missing[0]}, or call "
            "bind_models(server, client=…, token=…, grant=…).",
            id="django_dance_server.E003",
        )
    yield from _option_problems(server)
    if server.option("allow_password_grant"):
        yield Warning(
            f"The server {server.name!r} accepts users' passwords from applications.",
            hint="RFC 9700 §2.4 says that the password grant must not be used. Set "
            "DANCE_SERVER_ALLOW_PASSWORD_GRANT to False when no client needs it any more.",
            id="django_dance_server.W005",
        )


def _option_error(server: AuthorizationServer, name: str, hint: str) -> CheckMessage:
    return Error(
        f"The server {server.name!r} has the {name} {server.option(name)!r}.",
        hint=hint,
        id="django_dance_server.E004",
    )


def _option_problems(server: AuthorizationServer) -> Iterator[CheckMessage]:
    for name in _LIFETIMES:
        value = server.option(name)
        if name != "code_lifetime":
            with suppress(ImproperlyConfigured):
                if callable(import_if_path(value, name)):
                    continue
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            yield _option_error(
                server,
                name,
                "It must be a positive number of seconds; the lifetime of a token can be a "
                "function of the client, or its dotted path.",
            )
        elif name == "code_lifetime" and value > _LONGEST_CODE:
            yield _option_error(
                server,
                name,
                "It must be at most 600: RFC 6749 §4.1.2 recommends ten minutes or less.",
            )
    yield from _open_client_problems(server)
    value = server.option("refresh_retry")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        yield _option_error(server, "refresh_retry", "It must be a number of seconds, or 0.")
    if not isinstance(server.option("scopes"), dict):
        yield _option_error(
            server, "scopes", 'It must be a dict: {"email": "see your email address"}.'
        )
    for name in ("token_generator", "refresh_token_generator"):
        try:
            import_if_path(server.option(name), "It")
        except ImproperlyConfigured as error:
            yield _option_error(server, name, str(error))
    if server.grant_cache is not None:
        try:
            _ = server.grant_cache.cache
        except ImproperlyConfigured as error:
            yield Error(
                f"The server {server.name!r} cannot store codes in the cache "
                f"{server.grant_cache.alias!r}.",
                hint=str(error),
                id="django_dance_server.E004",
            )
    for name in (
        "authorize",
        "token",
        "revoke",
        "introspect",
        "metadata",
        "resource_metadata",
        "register",
        "applications",
    ):
        try:
            server.view(name)
        except ImproperlyConfigured as error:
            yield Error(
                f"The server {server.name!r} has no {name}_view.",
                hint=str(error),
                id="django_dance_server.E004",
            )


def _open_client_problems(server: AuthorizationServer) -> Iterator[CheckMessage]:
    """Problems with clients that the site has not registered."""
    for name in ("client_documents", "registration"):
        if not isinstance(server.option(name), bool):
            yield _option_error(server, name, "It must be True or False.")
    scopes, known = server.option("open_scopes"), server.option("scopes")
    if (
        isinstance(scopes, str)
        or not isinstance(scopes, Iterable)
        or not all(isinstance(scope, str) for scope in scopes)
    ):
        yield _option_error(server, "open_scopes", 'It must be a list of scopes: ["email"].')
    elif isinstance(known, dict) and known and (unknown := sorted(set(scopes) - set(known))):
        yield Error(
            f"The open_scopes of the server {server.name!r} has {', '.join(unknown)}, which its "
            "scopes do not have.",
            hint="Add a description to DANCE_SERVER_SCOPES, or correct the spelling.",
            id="django_dance_server.E004",
        )
    if not _has_open_clients(server):
        return
    if client_model(server) is None:
        yield Error(
            f"The server {server.name!r} cannot store the clients that the site has not "
            "registered.",
            hint="Call bind_models() with a client model that inherits AbstractClient, or set "
            "DANCE_SERVER_CLIENT_DOCUMENTS and DANCE_SERVER_REGISTRATION to False.",
            id="django_dance_server.E010",
        )
    if not scopes:
        yield Warning(
            f"The server {server.name!r} accepts clients that the site has not registered, and "
            "they may ask for no scope.",
            hint="Name the scopes that any application may ask users for in "
            "DANCE_SERVER_OPEN_SCOPES.",
            id="django_dance_server.W012",
        )


def _has_open_clients(server: AuthorizationServer) -> bool:
    return bool(server.option("client_documents") or server.option("registration"))


def _cache_problems() -> Iterator[CheckMessage]:
    found: dict[str, Mapping[str, Any]] = {}
    for server in servers:
        if server.grant_cache is not None:
            # The other checks report a cache that cannot store codes.
            with suppress(ImproperlyConfigured):
                name, cache = server.grant_cache.description
                found[name] = cache
    if settings.token_cache in caches.settings:
        found[repr(settings.token_cache)] = caches.settings[settings.token_cache]
    for name, cache in sorted(found.items()):
        if not is_shared(cache):
            yield Warning(
                f"The server stores codes or tokens in the cache {name}, which is not shared "
                "between processes.",
                hint="Use a shared cache, such as Redis, and name its alias.",
                id="django_dance_server.W006",
            )
        elif not client_settings.names_site(cache):
            yield Warning(
                f"The server stores codes or tokens in the cache {name}, whose keys do not name "
                "this site.",
                hint="Another site, or another environment of this one, that uses the same cache "
                "and has the same name for its database and the same issuer would share them. Set "
                'DANCE_SITE_KEY to a name that no other has, such as "example.com production", or '
                "the KEY_PREFIX of the cache.",
                id="django_dance_server.W008",
            )


def _limit_problems() -> Iterator[CheckMessage]:
    alias = settings.limit_cache
    if servers and alias in list(caches.settings) and not is_shared(caches.settings[alias]):
        yield Warning(
            f"The server counts wrong client secrets in the cache {alias!r}, which is not shared "
            "between processes.",
            hint="With several processes the limit is higher. Use a shared cache, such as Redis, "
            "and name its alias in DANCE_SERVER_LIMIT_CACHE.",
            id="django_dance_server.W009",
        )
        if any(map(_has_open_clients, servers)):
            yield Warning(
                f"The server counts new clients in the cache {alias!r}, which is not shared "
                "between processes.",
                hint="Anybody can register clients, and each process has limits of its own. Use a "
                "shared cache, such as Redis, and name its alias in DANCE_SERVER_LIMIT_CACHE.",
                id="django_dance_server.W011",
            )
