"""The server's settings; this module is their only reader. Read late, as the client's are."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

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


class Settings:
    """``settings.issuer`` is ``DANCE_SERVER_ISSUER`` of now, or its default."""

    def __getattr__(self, name: str) -> Any:
        setting = f"DANCE_SERVER_{name.upper()}"
        try:
            default = DEFAULTS[setting]
        except KeyError:
            raise AttributeError(f"There is no setting {setting}.") from None
        value = self.__dict__[name] = getattr(django_settings, setting, default)
        return value

    def named(self, name: str) -> Any:
        """Any setting of the project; ``None`` if absent."""
        return getattr(django_settings, name, None)

    def unknown(self) -> list[str]:
        """``DANCE_SERVER_…`` names in the settings that mean nothing to us."""
        return sorted(
            name
            for name in dir(django_settings)
            if name.startswith("DANCE_SERVER_") and name not in DEFAULTS
        )


settings = Settings()


def _on_setting_changed(**kwargs: Any) -> None:
    settings.__dict__.clear()


setting_changed.connect(_on_setting_changed, dispatch_uid="django_dance.server.conf")
