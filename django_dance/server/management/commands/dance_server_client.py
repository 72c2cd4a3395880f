"""``manage.py dance_server_client``: registers a client, or replaces the secret of one."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_dance.server.authorization import AuthorizationServer
from django_dance.server.bindings import client_model, rows_to_write
from django_dance.server.models import Client
from django_dance.server.registration import client_error, servers_in_use

#: The arguments that describe a new client.
_DESCRIPTION = {
    "name": "the name",
    "redirect_uri": "--redirect-uri",
    "scope": "--scope",
    "grant_types": "--grant-types",
    "public": "--public",
}
_GRANT_TYPES = "authorization_code refresh_token"


class Command(BaseCommand):
    help = "Register a client, or replace the secret of one. The secret is printed only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="the name that users see")
        parser.add_argument("--server", metavar="NAME", help="the server, if the site has several")
        parser.add_argument("--redirect-uri", action="append", default=[], metavar="URI")
        parser.add_argument(
            "--scope", default="", help="the scopes that it may request, separated by spaces"
        )
        parser.add_argument("--grant-types", help=f"default: {_GRANT_TYPES}")
        parser.add_argument(
            "--public", action="store_true", help="register a client that has no secret"
        )
        parser.add_argument(
            "--rotate-secret", metavar="CLIENT_ID", help="replace the secret of this client"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        server = _server(options["server"])
        model: Any = Client if server is None else client_model(server)
        if model is None:
            raise CommandError(
                f"The server {server and server.name} finds its clients by a function of the "
                "site, or in a model that does not inherit AbstractClient: register the client "
                "there."
            )
        if options["rotate_secret"]:
            if given := [shown for name, shown in _DESCRIPTION.items() if options[name]]:
                raise CommandError(
                    f"--rotate-secret replaces the secret only: leave out {', '.join(given)}."
                )
            client = rows_to_write(model).filter(client_id=options["rotate_secret"]).first()
            if client is None:
                raise CommandError(f"There is no client {options['rotate_secret']}.")
        elif options["name"]:
            grant_types = options["grant_types"]
            client = model(
                name=options["name"],
                registered_redirect_uris="\n".join(options["redirect_uri"]),
                scope=options["scope"],
                grant_types=_GRANT_TYPES if grant_types is None else grant_types,
                is_confidential=not options["public"],
            )
        else:
            raise CommandError("Pass the name of the new client, or --rotate-secret CLIENT_ID.")
        if not options["rotate_secret"] and (problem := client_error(server, client)):
            raise CommandError(problem)
        try:
            secret = client.rotate_secret() if not options["public"] else None
            client.full_clean()
        except (ValidationError, ValueError) as error:
            raise CommandError(str(error)) from error
        client.save()
        self.stdout.write(f"client_id: {client.client_id}")
        if secret is not None:
            self.stdout.write(f"client_secret: {secret}")


def _server(name: str | None) -> AuthorizationServer | None:
    """The server that the client is for; ``None`` if the site has none yet."""
    servers = servers_in_use()
    if name is not None:
        servers = [server for server in servers if server.name == name]
        if not servers:
            raise CommandError(f"There is no server {name}.")
    if len({client_model(server) for server in servers}) > 1:
        names = ", ".join(server.name for server in servers)
        raise CommandError(
            f"The servers {names} find their clients in different tables: pass --server NAME."
        )
    return servers[0] if servers else None
