"""The server's settings; this module is their only reader. Read late, as the client's are."""

from __future__ import annotations

from typing import Any

from ..conf import PrefixedSettings

#: Every setting and its default; a server's own options go before them.
DEFAULTS: dict[str, Any] = {
    "DANCE_SERVER_ISSUER": None,
    "DANCE_SERVER_SCOPES": {},
    "DANCE_SERVER_ACCESS_TOKEN_LIFETIME": 3600,
    "DANCE_SERVER_REFRESH_TOKEN_LIFETIME": 30 * 24 * 3600,
    "DANCE_SERVER_CODE_LIFETIME": 60,
    "DANCE_SERVER_ALLOW_PASSWORD_GRANT": False,
    "DANCE_SERVER_TOKEN_CACHE": None,
    "DANCE_SERVER_TOKEN_GENERATOR": None,
    "DANCE_SERVER_REFRESH_TOKEN_GENERATOR": None,
}

#: The same as options of ``AuthorizationServer``: ``issuer``, ``scopes`` and so on. The token cache
#: hears of users and clients, which are nobody's own.
OPTIONS = frozenset(
    name.removeprefix("DANCE_SERVER_").lower()
    for name in DEFAULTS
    if name != "DANCE_SERVER_TOKEN_CACHE"
)


class Settings(PrefixedSettings):
    """The settings of all servers. ``settings.issuer`` is ``DANCE_SERVER_ISSUER``."""

    prefix = "DANCE_SERVER_"
    defaults = DEFAULTS


settings = Settings()
