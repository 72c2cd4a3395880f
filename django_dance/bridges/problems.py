"""The texts of the checks that the bridges share."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from ..providers import Provider
from ..tokens import ResourceOwner


def bridge_error(message: str, hint: str) -> CheckMessage:
    """Return the error that a bridge cannot work."""
    return Error(message, hint=hint, id="django_dance.E022")


def client_differs(provider: Provider, theirs: object, where: str) -> Iterator[CheckMessage]:
    """Yield a warning if the library uses another client than our provider.

    :param theirs: the library's client id; empty if it has none in the settings.
    :param where: the part of the library's configuration with the client.
    """
    if provider.credentials or provider.missing_credentials():
        return  # they are not in the settings; or another check says that they are missing
    try:
        ours = provider.get_client_credentials(ResourceOwner(provider)).client_id
    except ImproperlyConfigured:
        return
    if theirs and str(theirs) != ours:
        yield checks.Warning(
            f"DANCE_PROVIDERS[{provider.name!r}] has another client id than {where}, so tokens of "
            "sign-ins are not stored: this site could not refresh them.",
            hint="Use the same client id and secret in both, or exclude the provider in "
            "DANCE_BRIDGES.",
            id="django_dance.W023",
        )
