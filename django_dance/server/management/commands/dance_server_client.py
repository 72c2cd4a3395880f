"""``manage.py dance_server_client``: registers a client, or replaces the secret of one."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_dance.server.bindings import rows_to_write
from django_dance.server.models import Client


class Command(BaseCommand):
    help = "Register a client, or replace the secret of one. The secret is printed only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="the name that users see")
        parser.add_argument("--redirect-uri", action="append", default=[], metavar="URI")
        parser.add_argument(
            "--scope", default="", help="the scopes that it may request, separated by spaces"
        )
        parser.add_argument("--grant-types", default="authorization_code refresh_token")
        parser.add_argument(
            "--public", action="store_true", help="register a client that has no secret"
        )
        parser.add_argument(
            "--rotate-secret", metavar="CLIENT_ID", help="replace the secret of this client"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rotate_secret"]:
            if options["public"]:
                raise CommandError("A public client has no secret to rotate: leave out --public.")
            client = rows_to_write(Client).filter(client_id=options["rotate_secret"]).first()
            if client is None:
                raise CommandError(f"There is no client {options['rotate_secret']}.")
        elif options["name"]:
            client = Client(
                name=options["name"],
                registered_redirect_uris="\n".join(options["redirect_uri"]),
                scope=options["scope"],
                grant_types=options["grant_types"],
                is_confidential=not options["public"],
            )
        else:
            raise CommandError("Pass the name of the new client, or --rotate-secret CLIENT_ID.")
        try:
            secret = client.rotate_secret() if not options["public"] else None
            client.full_clean()
        except (ValidationError, ValueError) as error:
            raise CommandError(str(error)) from error
        client.save()
        self.stdout.write(f"client_id: {client.client_id}")
        if secret is not None:
            self.stdout.write(f"client_secret: {secret}")
