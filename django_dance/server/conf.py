"""Reads the settings of the server. No other module reads them."""

from __future__ import annotations

from typing import Any

from ..conf import PrefixedSettings

#: Every setting and its default. The options of a server take precedence.
DEFAULTS: dict[str, Any] = {
    "DANCE_SERVER_ISSUER": None,
    "DANCE_SERVER_SCOPES": {},
    "DANCE_SERVER_ACCESS_TOKEN_LIFETIME": 3600,
    "DANCE_SERVER_REFRESH_TOKEN_LIFETIME": 30 * 24 * 3600,
    "DANCE_SERVER_CODE_LIFETIME": 60,
    "DANCE_SERVER_REFRESH_RETRY": 0,
    "DANCE_SERVER_BROWSER_CLIENTS": False,
    "DANCE_SERVER_ALLOW_PASSWORD_GRANT": False,
    "DANCE_SERVER_TOKEN_CACHE": None,
    "DANCE_SERVER_LIMIT_CACHE": "default",
    "DANCE_SERVER_LOCALHOST_PORTS": False,
    "DANCE_SERVER_CLIENT_DOCUMENTS": False,
    "DANCE_SERVER_REGISTRATION": False,
    "DANCE_SERVER_OPEN_SCOPES": (),
    "DANCE_SERVER_TOKEN_GENERATOR": None,
    "DANCE_SERVER_REFRESH_TOKEN_GENERATOR": None,
}

#: Settings that are no options of a server: a user who is saved, and a redirect URI that is
#: compared, belong to no single server.
_ONLY_SETTINGS = frozenset(
    {"DANCE_SERVER_LIMIT_CACHE", "DANCE_SERVER_LOCALHOST_PORTS", "DANCE_SERVER_TOKEN_CACHE"}
)
#: The options of ``AuthorizationServer``: ``issuer``, ``scopes`` and so on.
OPTIONS = frozenset(
    name.removeprefix("DANCE_SERVER_").lower() for name in DEFAULTS.keys() - _ONLY_SETTINGS
)


class Settings(PrefixedSettings):
    """The settings of all servers. ``settings.issuer`` is ``DANCE_SERVER_ISSUER``."""

    prefix = "DANCE_SERVER_"
    defaults = DEFAULTS


settings = Settings()
