"""List the configured providers, with their callback URLs and missing settings."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import NoReverseMatch

from ...conf import settings
from ...http import is_loopback, origin
from ...providers import providers


class Command(BaseCommand):
    help = (
        "Lists the providers: name, class, the callback URL to register at the provider, and the "
        "configuration that is missing."
    )
    # A failed check would stop the command, which shows how to correct the configuration.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--base-url",
            metavar="URL",
            help="Your site's public origin, such as https://example.com (default: DANCE_BASE_URL)",
        )
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="One JSON object on each line"
        )

    def handle(self, *, base_url: str | None, as_json: bool, **options: Any) -> None:
        base = _origin_option(base_url) if base_url else str(settings.base_url or "").rstrip("/")
        try:
            names = list(providers)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        for name in names:
            provider = _describe(name, base)
            self.stdout.write(json.dumps(provider) if as_json else _format(provider))
        if not names:
            self.stderr.write("DANCE_PROVIDERS names no provider.")
        elif not base and not as_json:
            self.stderr.write(
                "Callback URLs are shown without your site's origin: set DANCE_BASE_URL, or pass "
                "--base-url https://…"
            )


def _origin_option(url: str) -> str:
    where = origin(url)
    if (
        where is None
        or urlsplit(url).path not in ("", "/")
        or not (where[0] == "https" or is_loopback(where[1]))
    ):
        raise CommandError(
            f"--base-url is {url!r}: it must be your site's public https origin, without a path: "
            "https://example.com"
        )
    return url.rstrip("/")


def _describe(name: str, base: str) -> dict[str, Any]:
    try:
        provider = providers[name]
    except ImproperlyConfigured as error:
        return {
            "name": name,
            "class": None,
            "callback_url": None,
            "missing": [str(error)],
            "checked": None,
            "refresh_token_days": None,
            "ending": [],
        }
    cls = type(provider)
    missing = [f"{problem.message} {problem.hint}" for problem in provider.problems()]
    missing += [f"the setting {setting}" for setting in provider.missing_credentials()]
    callback = None
    try:
        callback = base + provider.url("authorized")
    except NoReverseMatch:
        missing.append('its URLs: path("login/", include("django_dance.urls")) in your URLconf')
    return {
        "name": name,
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "callback_url": callback,
        "missing": missing,
        "checked": provider.checked or None,
        "refresh_token_days": getattr(provider, "refresh_token_lifetime", None),
        "ending": [f"{ending.message} {ending.hint}" for ending in provider.ending_facts()],
    }


def _format(provider: dict[str, Any]) -> str:
    lines = [
        provider["name"],
        f"  class         {provider['class'] or '-'}",
        f"  callback URL  {provider['callback_url'] or '-'}",
        f"  missing       {'; '.join(provider['missing']) or 'nothing'}",
    ]
    if provider["checked"]:
        lines.append(f"  facts checked {provider['checked']}")
    if provider["refresh_token_days"]:
        lines.append(f"  refresh token expires after {provider['refresh_token_days']} days")
    lines += [f"  ending        {ending}" for ending in provider["ending"]]
    return "\n".join(lines)
