"""Reads the settings. No other module reads them.

Each setting is read when it is first needed, and again after Django's signal ``setting_changed``,
so that ``override_settings`` takes effect at once.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Every setting and its default.
DEFAULTS: dict[str, Any] = {
    "DANCE_PROVIDERS": {},
    "DANCE_STORAGE": {"BACKEND": "django_dance.storage.FallbackStorage"},
    "DANCE_CACHE": "default",
    "DANCE_DIRECT_DATABASES": {},
    "DANCE_REFRESH_LEEWAY": 60,
    "DANCE_ACCOUNT_CONFLICT": "refuse",
    "DANCE_ENCRYPTION_KEYS": None,
    "DANCE_LOGIN_REDIRECT_URL": None,
    "DANCE_TIMEOUT": 10,
    "DANCE_ASYNC_CALLS": 100,
    "DANCE_ASYNC_DEADLINE": 60,
    "DANCE_FLOW_AGE": 600,
    "DANCE_LOGIN_ON_GET": True,
    "DANCE_BASE_URL": None,
    "DANCE_INSECURE_HOSTS": (),
    "DANCE_PRIVATE_HOSTS": (),
    "DANCE_EGRESS_PROXY": None,
    "DANCE_SITE_KEY": None,
    "DANCE_TENANT": None,
    "DANCE_OWNER_TENANT": None,
    "DANCE_CLIENT_METADATA": {},
    "DANCE_CLIENT_DOCUMENT": None,
    "DANCE_CLIENT_ADDRESS": None,
    "DANCE_NOTIFY": None,
    "DANCE_SIGN_IN_CHECK": None,
    "DANCE_SIGN_IN_LOGIN_AGE": 600,
    "DANCE_SIGN_UP": None,
    "DANCE_BRIDGES": {},
}

#: Backends whose entries other processes cannot read, or that are no faster than the table.
UNSHARED = tuple(f"django.core.cache.backends.{name}." for name in ("locmem", "dummy", "db"))


def is_shared(cache: Mapping[str, Any]) -> bool:
    """Whether several processes can share the entries of a cache.

    :param cache: its description, as in ``CACHES``.
    """
    backend = str(cache.get("BACKEND", ""))
    return not backend.endswith((".LocMemCache", ".DummyCache"))


def require_app(name: str = "django_dance") -> None:
    """Check that an app of this package is installed.

    The URLs and the middleware call it, because without the app no system check of it runs.

    :raises ImproperlyConfigured: it is not.
    """
    if not apps.is_installed(name):
        raise ImproperlyConfigured(
            f'"{name}" is missing in INSTALLED_APPS: add it, and run "manage.py migrate". The app '
            "has tables, templates and system checks."
        )


def import_if_path(value: Any, name: str) -> Any:
    """The object that a dotted path names; a value that is no string is returned as it is.

    :param name: the name of the setting or option, for the error.
    :raises ImproperlyConfigured: the object cannot be imported.
    """
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{name} cannot be imported: {error}.{similar_path(value)}"
        ) from error


def similar_path(path: str) -> str:
    """Return a question that names the object with a path like this one, or an empty text."""
    module, _, name = path.rpartition(".")
    if module not in sys.modules:
        return ""
    found = sys.modules[module]
    near = difflib.get_close_matches(name, getattr(found, "__all__", None) or vars(found), n=1)
    return f" Did you mean {f'{module}.{near[0]}'!r}?" if near else ""


class PrefixedSettings:
    """The project's settings with one prefix. ``settings.timeout`` is ``DANCE_TIMEOUT``.

    A setting is read when it is first needed, and again after Django's signal ``setting_changed``.
    A setting that the project does not have has its default.
    """

    prefix: str
    #: Every setting with this prefix, and its default.
    defaults: Mapping[str, Any]

    def __init__(self) -> None:
        setting_changed.connect(self._clear, dispatch_uid=f"django_dance.conf {self.prefix}")

    def _clear(self, **kwargs: Any) -> None:
        self.__dict__.clear()

    def __getattr__(self, name: str) -> Any:
        setting = f"{self.prefix}{name.upper()}"
        try:
            default = self.defaults[setting]
        except KeyError:
            raise AttributeError(f"There is no setting {setting}.") from None
        value = self.__dict__[name] = getattr(django_settings, setting, default)
        return value

    def project_setting(self, name: str) -> Any:
        """Any setting of the project; ``None`` if the project does not have it."""
        return getattr(django_settings, name, None)

    def unknown(self) -> dict[str, str]:
        """The project's settings that have this prefix and do not exist, each with a hint."""
        hints = {}
        for name in sorted(dir(django_settings)):
            if name.startswith(self.prefix) and name not in self.defaults:
                near = difflib.get_close_matches(name, self.defaults, n=1)
                known = f"There are {', '.join(self.defaults)}."
                hints[name] = f"Did you mean {near[0]}?" if near else known
        return hints


class Settings(PrefixedSettings):
    """The settings of the client."""

    prefix = "DANCE_"
    defaults = DEFAULTS

    @cached_property
    def providers(self) -> Mapping[str, Mapping[str, Any]]:
        found = getattr(django_settings, "DANCE_PROVIDERS", None) or {}
        if not isinstance(found, Mapping):
            raise ImproperlyConfigured(
                "DANCE_PROVIDERS must be a dict of name to options, like CACHES: "
                '{"github": {"PROVIDER": "django_dance.contrib.github.GitHub"}}.'
            )
        return found

    @cached_property
    def encryption_keys(self) -> Sequence[str]:
        """The key that encrypts, then older keys that only decrypt.

        :raises ImproperlyConfigured: the setting is not a list of strings, or is empty.
        """
        keys = getattr(django_settings, "DANCE_ENCRYPTION_KEYS", None)
        if keys is None:
            return tuple(
                key if isinstance(key, str) else key.decode()
                for key in (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)
            )
        if (
            not isinstance(keys, (list, tuple))
            or not keys
            or not all(isinstance(key, str) and key for key in keys)
        ):
            raise ImproperlyConfigured(
                "DANCE_ENCRYPTION_KEYS must be a list of strings: the key that encrypts first, "
                "then older keys that may still decrypt."
            )
        return tuple(keys)

    @cached_property
    def token_cache(self) -> str | None:
        """The alias of the cache for sealed tokens: ``DANCE_CACHE``, or ``None`` for no cache.

        If the setting is missing, it is "default", unless this cache belongs to one process (the
        other processes would not notice that a token is deleted) or is in the database.
        """
        if hasattr(django_settings, "DANCE_CACHE"):
            return self.cache and str(self.cache)
        backend = str(django_settings.CACHES.get("default", {}).get("BACKEND", ""))
        return None if backend.startswith(UNSHARED) else "default"

    @cached_property
    def tenant(self) -> Callable[[], object] | None:
        """The function that returns the current tenant, if ``DANCE_TENANT`` names one.

        :raises ImproperlyConfigured: it is not a function, or cannot be imported.
        """
        function: Callable[[], object] | None
        function = self._function("DANCE_TENANT", "a function without arguments")
        return function

    @cached_property
    def owner_tenant(self) -> Callable[[Any], object] | None:
        """The function in ``DANCE_OWNER_TENANT``, which returns the tenant of a resource owner.

        :raises ImproperlyConfigured: it is not a function, or cannot be imported.
        """
        function: Callable[[Any], object] | None
        function = self._function("DANCE_OWNER_TENANT", "a function that takes the resource owner")
        return function

    @cached_property
    def client_address(self) -> Callable[[HttpRequest], object] | None:
        """The function in ``DANCE_CLIENT_ADDRESS``, which returns the address of a request.

        :raises ImproperlyConfigured: it is not a function, or cannot be imported.
        """
        function: Callable[[HttpRequest], object] | None
        function = self._function("DANCE_CLIENT_ADDRESS", "a function that takes the request")
        return function

    @cached_property
    def notify(self) -> Callable[[Any], object] | None:
        """The function in ``DANCE_NOTIFY``, which tells a user about a connection.

        :raises ImproperlyConfigured: it is not a function, or cannot be imported.
        """
        function: Callable[[Any], object] | None
        function = self._function("DANCE_NOTIFY", "a function that takes the notice")
        return function

    @cached_property
    def sign_in_check(self) -> Callable[[HttpRequest, Any], object] | None:
        """The function in ``DANCE_SIGN_IN_CHECK``, which may refuse a user or answer first.

        :raises ImproperlyConfigured: it is not a function, or cannot be imported.
        """
        function: Callable[[HttpRequest, Any], object] | None
        kind = "a function that takes the request and the user"
        function = self._function("DANCE_SIGN_IN_CHECK", kind)
        return function

    @cached_property
    def sign_up(self) -> Callable[[HttpRequest, Any, Any], Any] | None:
        """The function in ``DANCE_SIGN_UP``, which creates the user of an account.

        :raises ImproperlyConfigured: it is not a function, or cannot be imported.
        """
        function: Callable[[HttpRequest, Any, Any], Any] | None
        kind = "a function that takes the request, the provider and the account"
        function = self._function("DANCE_SIGN_UP", kind)
        return function

    def _function(self, name: str, kind: str) -> Any:
        function = import_if_path(getattr(django_settings, name, None), name)
        if function is not None and (not callable(function) or iscoroutinefunction(function)):
            raise ImproperlyConfigured(
                f"{name} is {function!r}. It must be {kind}, or its dotted path."
            )
        return function

    def names_site(self, cache: Mapping[str, Any]) -> bool:
        """Whether the keys in a cache name the site, by ``KEY_PREFIX`` or ``DANCE_SITE_KEY``.

        :param cache: its description, as in ``CACHES``.
        """
        return bool(cache.get("KEY_PREFIX") or self.site_key)

    @property
    def debug(self) -> bool:
        # Read at each call: a test runner changes it without the signal.
        return bool(django_settings.DEBUG)

    def unknown(self) -> dict[str, str]:
        hints = super().unknown()
        if apps.is_installed("django_dance.server"):
            # The optional server has settings of its own, and a check for them.
            hints = {k: v for k, v in hints.items() if not k.startswith("DANCE_SERVER_")}
        return hints


settings = Settings()
