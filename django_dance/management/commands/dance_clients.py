"""Add, list, rotate and test this site's credentials at the servers of places."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DEFAULT_DB_ALIAS, connections

from ...cache import tenant as current_tenant
from ...conf import settings
from ...exceptions import PlaceError, ProviderNotConfigured, SealBroken
from ...models import ClientRegistration
from ...providers import providers, signing_key, try_registration
from ..registrations import registration_of, registration_rows
from ..token_tables import batches

_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


class Command(BaseCommand):
    help = "Adds, lists, rotates and tests client registrations. Prints no secret."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="Add credentials; reads the secret from the input")
        add.add_argument("provider", help="The name in DANCE_PROVIDERS")
        add.add_argument("issuer", help="The issuer of the authorization server, exactly")
        add.add_argument("client_id")
        add.add_argument("--tenant", help="The tenant that they are for. Default: the current one")
        add.add_argument("--place", default="", help="The place that they are for. Default: all")
        add.add_argument("--redirect-uri", default="", help="Only for this one. Default: all")
        add.add_argument("--method", choices=_METHODS, default=_METHODS[0])
        listing = actions.add_parser("list", help="List the registrations")
        listing.add_argument("--provider", help="Only those of this provider")
        listing.add_argument(
            "--replaced", action="store_true", help="Also those that were replaced"
        )
        listing.add_argument(
            "--json", action="store_true", dest="as_json", help="One JSON object on each line"
        )
        rotate = actions.add_parser("rotate", help="Replace a secret; reads it from the input")
        rotate.add_argument("id", help="The id of the registration, or its beginning")
        test = actions.add_parser("test", help="Ask the server whether it accepts the credentials")
        test.add_argument("id", help="The id of the registration, or its beginning")

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(**options)

    def _add(self, *, provider: str, method: str, **options: Any) -> None:
        if provider not in list(providers):
            raise CommandError(f"DANCE_PROVIDERS has no {provider!r}.")
        if options["tenant"] is None:
            options["tenant"] = _current_tenant()
        names = ("issuer", "client_id", "tenant", "place", "redirect_uri")
        row = ClientRegistration(
            provider=provider,
            token_endpoint_auth_method=method,
            **{name: options[name] for name in names},
        )
        try:
            row.clean_fields()
            row.clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        if row.has_secret:
            row.secrets = {"client_secret": _read_secret(row)}
        row.save()
        self.stdout.write(f"Added {row.pk}")

    def _list(self, *, provider: str | None, replaced: bool, as_json: bool, **options: Any) -> None:
        rows = registration_rows()
        if provider is not None:
            rows = rows.filter(provider=provider)
        if not replaced:
            rows = rows.filter(current__isnull=False)
        for batch in batches(rows):
            for row in batch:
                shown = _describe(row)
                if as_json:
                    self.stdout.write(json.dumps(shown, cls=DjangoJSONEncoder))
                else:
                    lines = (f"  {name:<12} {value}" for name, value in shown.items() if value)
                    self.stdout.write("\n".join(lines).strip())

    def _rotate(self, *, id: str, **options: Any) -> None:
        row = registration_of(id)
        if not row.has_secret:
            raise CommandError("A public client has no secret.")
        row.secrets = {"client_secret": _read_secret(row)}
        row.save(update_fields=["sealed"])
        self.stdout.write(f"The secret of {row.pk} was replaced.")

    def _test(self, *, id: str, **options: Any) -> None:
        row = registration_of(id)
        try:
            accepted, words = try_registration(providers[row.provider], row)
        except (PlaceError, ProviderNotConfigured, SealBroken) as error:
            raise CommandError(str(error)) from error
        if not accepted:
            raise CommandError(f"{row.issuer} refuses the credentials: {words}")
        self.stdout.write(f"{row.issuer} accepts the credentials.")


def _current_tenant() -> str:
    """Return the current tenant; ``""`` without one, or if it depends on the user."""
    if settings.owner_tenant is not None:
        return ""
    return current_tenant(connections[DEFAULT_DB_ALIAS]) or ""


def _read_secret(row: ClientRegistration) -> str:
    """Return a secret from the input. On the command line, other users of the host could see it."""
    is_key = row.token_endpoint_auth_method == "private_key_jwt"  # noqa: S105
    if sys.stdin.isatty():
        secret = getpass.getpass("Private key (JWK): " if is_key else "Client secret: ")
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise CommandError("There is no secret in the input.")
    if is_key:
        try:
            signing_key(secret)
        except ValueError as error:
            raise CommandError(str(error)) from None
    return secret


def _describe(row: ClientRegistration) -> dict[str, Any]:
    """The columns of a row that the command prints. Control characters do not reach a terminal."""
    names = (
        "id",
        "provider",
        "tenant",
        "issuer",
        "place",
        "redirect_uri",
        "client_id",
        "token_endpoint_auth_method",
        "source",
        "scope",
        "expires_at",
        "created_at",
    )
    found = {name: getattr(row, name) for name in names} | {"replaced": row.current is None}
    return {
        name: "".join(c if c.isprintable() else "?" for c in value)
        if isinstance(value, str)
        else value
        for name, value in found.items()
    }
