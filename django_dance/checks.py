"""System checks find mistakes in the settings, and their hints say how to correct them.

The ids never change. docs/checks.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

from django.apps import AppConfig, apps
from django.conf import settings as django_settings
from django.core import checks
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import (
    LocalePrefixPattern,
    NoReverseMatch,
    URLPattern,
    URLResolver,
    get_resolver,
)
from django.utils import translation
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from .cache import CACHES, database_of
from .conf import is_shared, settings
from .connections import POLICIES
from .decorators import required_scopes
from .flows import Additions
from .http import is_secure, origin
from .models import OAuthConsumerMixin
from .providers import CLIENT_DESCRIPTIONS, is_document_url, providers
from .storage import BaseStorage, FallbackStorage, SessionStorage, build
from .tokens import scope_list

#: The longest scope, in bytes of a URL, that fits into 4 kB of headers with all the rest.
MAX_SCOPE_IN_URL = 1_600

_BACKEND = "django_dance.backends.ConnectedAccountBackend"
_MIDDLEWARE = "django_dance.middleware.OAuthMiddleware"
_EARLIER = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


@register("django_dance")
def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return [
        *_unknown_settings(),
        *_values(),
        *_storages(),
        *_cascades(),
        *_session_cookie(),
        *_templates(),
    ]


@register("django_dance")
def check_providers(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return [*_providers(), *_sign_in()]


@register("django_dance")
def check_bridges(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return list(_bridges())


@register("django_dance")
def check_middleware(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return list(_middleware())


@register(Tags.urls)
def check_urls(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    return list(_urls())


@register("django_dance", deploy=True)
def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    return list(_deployment())


def _unknown_settings() -> Iterator[CheckMessage]:
    for name, hint in settings.unknown().items():
        yield Error(f"There is no setting {name}.", hint=hint, id="django_dance.E007")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_site_origin(value: Any) -> bool:
    return (
        isinstance(value, str)
        and is_secure(value)
        and "@" not in value
        and value.count("/") <= 2 + value.endswith("/")
        and origin(value) is not None
    )


_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+")
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
#: Setting → whether a value of it is valid, and the hint about a value that is not.
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "timeout": (
        lambda value: _is_number(value) and value > 0,
        "It must be a positive number of seconds.",
    ),
    "async_calls": (
        lambda value: isinstance(value, int) and value is not True and value > 0,
        "It must be a positive whole number.",
    ),
    "async_deadline": (
        lambda value: _is_number(value) and value > 0,
        "It must be a positive number of seconds.",
    ),
    "flow_age": (
        lambda value: _is_number(value) and value > 0,
        "It must be a positive number of seconds.",
    ),
    "refresh_leeway": (
        lambda value: _is_number(value) and value >= 0,
        "It must be a number of seconds, 0 or more.",
    ),
    "sign_in_login_age": (
        lambda value: _is_number(value) and value > 0,
        "It must be a positive number of seconds.",
    ),
    "account_conflict": (
        lambda value: value in POLICIES,
        f"It must be one of {', '.join(map(repr, POLICIES))}.",
    ),
    "cache": (
        lambda value: value is None or value in list(caches.settings),
        "It must be an alias in CACHES, or None.",
    ),
    "direct_databases": (
        lambda value: (
            isinstance(value, Mapping)
            and all(alias in connections.settings for pair in value.items() for alias in pair)
        ),
        "It must be a dict of aliases in DATABASES: that of a database behind a pooler → that of "
        "the same database without the pooler.",
    ),
    "site_key": (
        lambda value: value is None or isinstance(value, str),
        'It must be a string that names the site, such as "example.com production", or None.',
    ),
    "insecure_hosts": (
        lambda value: (
            isinstance(value, (list, tuple, set, frozenset))
            and all(isinstance(host, str) and _HOST.fullmatch(host) for host in value)
        ),
        'It must be a list of host names without scheme, port and path, such as ["keycloak"].',
    ),
    "private_hosts": (
        lambda value: (
            isinstance(value, (list, tuple, set, frozenset))
            and all(isinstance(host, str) and _HOST_AND_PORT.fullmatch(host) for host in value)
        ),
        "It must be a list of host names, each with or without a port, such as "
        '["auth.corp.example", "localhost:8080"].',
    ),
    "bridges": (
        lambda value: (
            isinstance(value, Mapping)
            and all(isinstance(name, str) for name in value)
            and all(name is None or name in settings.providers for name in value.values())
        ),
        "It must be a dict: another library's name of a provider → the name in DANCE_PROVIDERS, or "
        "None for a provider whose tokens are not stored.",
    ),
    "client_metadata": (
        lambda value: isinstance(value, Mapping) and set(value) <= set(CLIENT_DESCRIPTIONS),
        f"It must be a dict that has some of {', '.join(CLIENT_DESCRIPTIONS)}.",
    ),
    "client_document": (
        lambda value: value is None or is_document_url(value),
        "It must be a complete https URL with a path, as servers on the internet reach it: "
        '"https://example.com/login/client.json".',
    ),
    "base_url": (
        lambda value: value is None or _is_site_origin(value),
        'It must be the site\'s public https origin, without a path: "https://example.com".',
    ),
}


def _values() -> Iterator[CheckMessage]:
    def bad(message: str, hint: str) -> CheckMessage:
        return Error(message, hint=hint, id="django_dance.E008")

    try:
        keys = settings.encryption_keys
    except ImproperlyConfigured as error:
        yield bad("DANCE_ENCRYPTION_KEYS cannot be used.", str(error))
    else:
        # Django's check security.W009 checks the length of SECRET_KEY.
        if settings.project_setting("DANCE_ENCRYPTION_KEYS") and any(len(key) < 32 for key in keys):
            yield bad(
                "A key in DANCE_ENCRYPTION_KEYS has fewer than 32 characters.",
                "Make a key with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
            )
    for name in ("tenant", "owner_tenant", "client_address", "notify", "sign_in_check", "sign_up"):
        try:
            getattr(settings, name)
        except ImproperlyConfigured as error:
            yield bad(f"DANCE_{name.upper()} cannot be used.", str(error))
    proxy = settings.egress_proxy
    if proxy is not None and not (isinstance(proxy, str) and origin(proxy)):
        # Without the value, which may have a password.
        yield bad(
            "DANCE_EGRESS_PROXY cannot be used.",
            'It must be the URL of a proxy, such as "http://proxy.internal:4750", or None.',
        )
    for name, (is_valid, hint) in _VALUES.items():
        value = getattr(settings, name)
        if not is_valid(value):
            yield bad(f"DANCE_{name.upper()} is {value!r}.", hint)


def _storages() -> Iterator[CheckMessage]:
    specs = {"DANCE_STORAGE": settings.storage}
    for name in _valid_providers():
        if providers[name].storage:
            specs[f"STORAGE of DANCE_PROVIDERS[{name!r}]"] = providers[name].storage
    for where, spec in specs.items():
        try:
            storage = build(spec)
            if storage.model_storage is not None:
                _ = storage.model_storage.model
        except ImproperlyConfigured as error:
            yield Error(
                f"{where} cannot be used.",
                hint=str(error),
                id="django_dance.E006",
            )
            continue
        if _is_session_storage(storage) and _position(_EARLIER[0]) is None:
            yield Error(
                f"{where} stores tokens in sessions, but SessionMiddleware is missing.",
                hint=f'Add "{_EARLIER[0]}" to MIDDLEWARE.',
                id="django_dance.E006",
            )


def _cascades() -> Iterator[CheckMessage]:
    in_database = getattr(models, "DB_CASCADE", None)  # since Django 6.1
    for model in apps.get_models():
        if not issubclass(model, OAuthConsumerMixin) or in_database is None:
            continue
        for field in model._meta.concrete_fields:
            if field.remote_field and field.remote_field.on_delete is in_database:
                yield checks.Warning(
                    f"The database deletes the rows of {model._meta.label} with their "
                    f"{field.name}, so their tokens are not revoked.",
                    hint="Use on_delete=models.CASCADE, which sends signals.",
                    id="django_dance.W028",
                )


def _session_cookie() -> Iterator[CheckMessage]:
    domain = django_settings.SESSION_COOKIE_DOMAIN
    if domain and (names := [name for name in _valid_providers() if _stores_in_sessions(name)]):
        yield checks.Warning(
            f"SESSION_COOKIE_DOMAIN is {domain!r}, and sessions store tokens of "
            f"{', '.join(names)}: every host below that domain gets the session cookie, and "
            "can use the tokens with it.",
            hint="Remove SESSION_COOKIE_DOMAIN, or use a DANCE_STORAGE that stores only tokens of "
            "users, such as django_dance.storage.ModelStorage.",
            id="django_dance.W015",
        )


def _stores_in_sessions(name: str) -> bool:
    try:
        return _is_session_storage(providers[name].token_storage)
    except ImproperlyConfigured:
        return False  # E006 reports the error


def _is_session_storage(storage: BaseStorage) -> bool:
    """Whether the storage stores tokens in sessions."""
    return isinstance(storage, SessionStorage) or (
        isinstance(storage, FallbackStorage) and storage.keeps_anonymous
    )


def _templates() -> Iterator[CheckMessage]:
    try:
        get_template("django_dance/error.html")
    except (TemplateDoesNotExist, ImproperlyConfigured):
        yield Error(
            "The templates of django_dance are not found.",
            hint='Add a DjangoTemplates backend with "APP_DIRS": True to TEMPLATES.',
            id="django_dance.E012",
        )


def _valid_providers() -> list[str]:
    """The names of the providers that can be created."""
    names = []
    try:
        for name in providers:
            try:
                providers[name]
            except ImproperlyConfigured:
                continue
            names.append(name)
    except ImproperlyConfigured:
        return []
    return names


def _providers() -> Iterator[CheckMessage]:
    try:
        names = list(providers)
    except ImproperlyConfigured as error:
        yield Error("DANCE_PROVIDERS cannot be used.", hint=str(error), id="django_dance.E001")
        return
    for name in names:
        try:
            provider = providers[name]
        except ImproperlyConfigured as error:
            yield Error(
                f"DANCE_PROVIDERS[{name!r}] cannot be used.",
                hint=str(error),
                id="django_dance.E001",
            )
            continue
        for problem in provider.problems():
            yield Error(problem.message, hint=problem.hint, id=problem.id)
        for ending in provider.ending_facts():
            yield checks.Warning(ending.message, hint=ending.hint, id=ending.id)
        if getattr(provider, "scope_required", False) and not provider.configured_scope:
            yield checks.Warning(
                f"DANCE_PROVIDERS[{name!r}]: SCOPE is empty, and {provider.label} refuses a "
                "request that names no scope.",
                hint="Name the scopes that your site needs, or remove SCOPE to use the preset's.",
                id="django_dance.W030",
            )
        for fact in ("session_class", "login_view", "authorized_view", "disconnect_view"):
            path = getattr(provider, fact)
            if isinstance(path, str):
                try:
                    import_string(path)
                except ImportError as error:
                    yield Error(
                        f"DANCE_PROVIDERS[{name!r}]: {fact.upper()} cannot be imported.",
                        hint=f"{error}.",
                        id="django_dance.E004",
                    )
        missing = provider.missing_credentials()
        if missing:
            yield checks.Warning(
                f"DANCE_PROVIDERS[{name!r}]: this site has no credentials for {provider.label}.",
                hint=f"Register the site at the provider, and set {' and '.join(missing)}."
                + _similar_settings(name, missing),
                id="django_dance.W005",
            )


def _similar_settings(name: str, missing: list[str]) -> str:
    """Name the settings that may have the missing credentials under another name."""
    wanted = {
        setting for each in _valid_providers() for setting in providers[each].from_config.values()
    }
    own = name.upper().replace("-", "_")
    others = [each for each in dir(django_settings) if each.startswith(own) and each not in wanted]
    near = dict.fromkeys(n for each in missing for n in get_close_matches(each, others, n=1))
    return f" Or is it {' and '.join(near)}? Rename it." if near else ""


def _sign_in() -> Iterator[CheckMessage]:
    names = [name for name in _valid_providers() if providers[name].sign_in]
    backends = map(_classes, django_settings.AUTHENTICATION_BACKENDS)
    if names and not any(_dotted(found) == _BACKEND for mro in backends for found in mro):
        yield Error(
            f"Visitors cannot sign in with {', '.join(names)}: the backend is missing.",
            hint=f'Add "{_BACKEND}" to AUTHENTICATION_BACKENDS.',
            id="django_dance.E027",
        )
    for name in names:
        try:
            table = providers[name].token_storage.model_storage
            keeps_sign_in = table is not None and table.keeps_sign_in
        except ImproperlyConfigured:
            continue  # E006 reports the error
        if not keeps_sign_in:
            yield Error(
                f"Visitors cannot sign in with {name}: its tokens are not in a table that says "
                "which connections may be used for it.",
                hint="Use a storage with django_dance.OAuthToken, or add the columns user, "
                "account, may_sign_in and issuer to your model.",
                id="django_dance.E027",
            )


def _dotted(found: type) -> str:
    return f"{found.__module__}.{found.__qualname__}"


#: The package of the bridges, and the settings that name them.
_BRIDGES = "django_dance.bridges."
_SETTINGS_WITH_BRIDGES = ("INSTALLED_APPS", "SOCIAL_AUTH_PIPELINE", "AUTHENTICATION_BACKENDS")


def _bridges() -> Iterator[CheckMessage]:
    """Let each bridge that the settings name check its own settings."""
    if not isinstance(settings.bridges, Mapping):
        return  # E008 reports the error
    modules = set()
    for setting in _SETTINGS_WITH_BRIDGES:
        for path in settings.project_setting(setting) or ():
            # A backend of the site may inherit from the one of a bridge.
            classes = _classes(path) if setting == "AUTHENTICATION_BACKENDS" else ()
            named = [str(path).rpartition(".")[0], *(each.__module__ for each in classes)]
            modules |= {name for name in named if name.startswith(_BRIDGES)}
    for name in sorted(modules):
        try:
            module = import_module(name)
        except ImportError as error:
            yield Error(
                f"The bridge {name} cannot be imported.",
                hint=f"{error}.",
                id="django_dance.E022",
            )
        else:
            yield from module.problems()


def _classes(path: str) -> tuple[type, ...]:
    try:
        found = import_string(path)
    except ImportError:
        return ()
    return found.__mro__ if isinstance(found, type) else ()


def _position(wanted: str) -> int | None:
    """The index in MIDDLEWARE of a class or a subclass of it; ``None`` if it is not there."""
    for position, path in enumerate(django_settings.MIDDLEWARE):
        if path == wanted or any(_dotted(c) == wanted for c in _classes(path)):
            return position
    return None


def _middleware() -> Iterator[CheckMessage]:
    ours = _position(_MIDDLEWARE)
    if ours is None:
        yield Error(
            "There is no request.oauth: OAuthMiddleware is missing.",
            hint=f'Add "{_MIDDLEWARE}" to MIDDLEWARE, after the session and authentication '
            "middleware.",
            id="django_dance.E009",
        )
        return
    for path in _EARLIER:
        theirs = _position(path)
        if theirs is not None and theirs > ours:
            yield Error(
                f"OAuthMiddleware is before {path.rpartition('.')[2]} in MIDDLEWARE.",
                hint=f'Move "{_MIDDLEWARE}" below "{path}".',
                id="django_dance.E010",
            )


def _urls() -> Iterator[CheckMessage]:
    yield from _redirects()
    yield from _scopes_of_views()
    languages = _languages()
    for name in _valid_providers():
        if providers[name].problems():
            continue
        try:
            addresses = _callback_addresses(name, languages)
        except NoReverseMatch:
            yield checks.Warning(
                f"The URLs of DANCE_PROVIDERS[{name!r}] are not included, so no user can connect.",
                hint='Add path("login/", include("django_dance.urls")) to your URLconf, outside '
                "of any namespace.",
                id="django_dance.W011",
            )

        else:
            if len(addresses) > 1:
                yield checks.Warning(
                    f"The callback address of DANCE_PROVIDERS[{name!r}] differs by language: "
                    f"{' and '.join(sorted(addresses)[:2])}.",
                    hint="The provider knows one address. Include django_dance.urls outside of "
                    "i18n_patterns(), and do not translate its route.",
                    id="django_dance.W016",
                )


def _scopes_of_views() -> Iterator[CheckMessage]:
    """Check the scopes that decorators and mixins name. The URLconf has imported the views."""
    for name, scopes in sorted(required_scopes):
        if name not in _valid_providers():
            continue
        wanted = providers[name].additional_scope(scope_list(" ".join(scopes)))
        if not Additions(scope=wanted, keep_granted=True).fit:
            yield Error(
                f"A view needs {len(wanted)} scopes of {name} that its SCOPE does not name. The "
                "cookie of a flow cannot store that many, so the login would be refused.",
                hint=f"Name most of them in SCOPE of DANCE_PROVIDERS[{name!r}]: {wanted[0]} …",
                id="django_dance.E018",
            )


def _callback_addresses(name: str, languages: list[str]) -> set[str]:
    """The callback addresses of a provider, in these languages and in that of the check.

    :raises NoReverseMatch: the URLconf does not include the provider's URLs.
    """
    addresses = {providers[name].url("authorized")}
    for code in languages:
        with translation.override(code):
            addresses.add(providers[name].url("authorized"))
    return addresses


def _languages() -> list[str]:
    """The languages in which the URLs may differ: none, if no URL depends on the language."""
    # Django reads the whole URLconf again for each language. A site that sets no LANGUAGES has 100.
    if django_settings.USE_I18N and _is_translated(get_resolver().url_patterns):
        return [code for code, _ in django_settings.LANGUAGES]
    return []


def _is_translated(patterns: Iterable[URLPattern | URLResolver]) -> bool:
    """Check whether a URL is below ``i18n_patterns()`` or has a translated route."""
    for entry in patterns:
        route = getattr(entry.pattern, "_route", getattr(entry.pattern, "_regex", ""))
        if isinstance(entry.pattern, LocalePrefixPattern) or isinstance(route, Promise):
            return True
        if isinstance(entry, URLResolver) and _is_translated(entry.url_patterns):
            return True
    return False


def _redirects() -> Iterator[CheckMessage]:
    """Check the names of URLs where a dance ends."""
    targets = {("DANCE_LOGIN_REDIRECT_URL", "django_dance.E008"): settings.login_redirect_url}
    for name in _valid_providers():
        where = f"REDIRECT_TO of DANCE_PROVIDERS[{name!r}]"
        targets[where, "django_dance.E004"] = providers[name].redirect_to
    for (where, check), target in targets.items():
        try:
            if target is not None:
                resolve_url(target)
        except NoReverseMatch as error:
            yield Error(
                f"{where} is no URL of this site: {error}",
                hint="Use a path that begins with a slash, or the name of a URL.",
                id=check,
            )


def _long_urls() -> Iterator[CheckMessage]:
    for name in _valid_providers():
        provider = providers[name]
        scope = urlencode({"scope": " ".join(provider.configured_scope)})
        if len(scope) > MAX_SCOPE_IN_URL:
            yield checks.Warning(
                f"The SCOPE of DANCE_PROVIDERS[{name!r}] makes the provider's URL longer than "
                f"{len(scope)} bytes, and the answer of the login has it in a header.",
                hint="Many proxies read at most 4 kB of headers and answer 502 otherwise. Ask for "
                "fewer scopes, or allow more: in nginx, proxy_buffer_size 16k.",
                id="django_dance.W019",
            )


def _is_in_database(alias: str) -> bool:
    try:
        return database_of(caches[alias]) is not None
    except Exception:  # noqa: BLE001  a backend may raise anything
        return False


def _deployment() -> Iterator[CheckMessage]:
    yield from _long_urls()
    if "*" in django_settings.ALLOWED_HOSTS and not settings.base_url and _valid_providers():
        yield checks.Warning(
            "ALLOWED_HOSTS accepts every host, and DANCE_BASE_URL is not set: no dance can begin, "
            "because a visitor could choose the host of the callback.",
            hint='Set DANCE_BASE_URL = "https://example.com", or list the hosts in ALLOWED_HOSTS.',
            id="django_dance.W017",
        )
    alias = settings.cache or "default"
    if alias in caches.settings and not is_shared(caches.settings[alias]):
        yield checks.Warning(
            f"The cache {alias!r} is not shared between processes, so one process does not know "
            "which callbacks another process has handled"
            + (", and which tokens it has deleted." if settings.token_cache else "."),
            hint="Use a shared cache, such as Redis, and name its alias in DANCE_CACHE.",
            id="django_dance.W013",
        )
    if alias in caches.settings and _is_in_database(alias):
        yield checks.Warning(
            f"The cache {alias!r} is in the database.",
            hint="Run `manage.py createcachetable`. While a transaction is open, as with "
            "ATOMIC_REQUESTS, a callback marks its flow as used on a second connection; on SQLite "
            "a callback that fails rolls the mark back. A refreshed token that the database cannot "
            "store is not kept there for other processes. Prefer a cache outside of the database, "
            "such as Redis, and name its alias in DANCE_CACHE.",
            id="django_dance.W020",
        )
    for alias in sorted(caches.settings.keys() & {*CACHES, settings.token_cache}):
        cache = caches.settings[alias]
        if is_shared(cache) and not settings.names_site(cache):
            yield checks.Warning(
                f"The cache {alias!r} stores tokens, and its keys do not name this site.",
                hint="Another site or environment with the same cache and the same database name "
                "would read these tokens. Set DANCE_SITE_KEY to a name that no other site or "
                'environment uses, such as "example.com production", or set the KEY_PREFIX of the '
                "cache.",
                id="django_dance.W014",
            )
