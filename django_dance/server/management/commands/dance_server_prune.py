"""``manage.py dance_server_prune``: deletes expired codes and tokens, and unused clients."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser
from django.db import router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from django_dance.conf import import_if_path
from django_dance.server.authorization import servers
from django_dance.server.bindings import client_model, rows_to_write
from django_dance.server.conf import settings
from django_dance.server.models import AbstractClient, AbstractGrant, AbstractToken, Consent
from django_dance.server.registration import servers_in_use

#: The time that a client has to get a token, if the site has not registered it.
_UNUSED = timedelta(days=1)


class Command(BaseCommand):
    help = (
        "Delete expired codes and tokens. A used code or refresh token is kept while a token of "
        "its family can be valid, so that a second use is detected. Clients that registered "
        "themselves, or have a metadata document, are deleted if they have no token after a day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch-size", type=int, default=1000, metavar="ROWS")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        longest = max(_lifetimes(), default=0)  # none if they are functions, without clients
        expired = {
            AbstractGrant: Q(used_at=None, expires__lt=now)
            | Q(used_at__lt=now - timedelta(seconds=longest)),
            AbstractToken: Q(expires__lt=now)
            & (Q(refresh_expires=None) | Q(refresh_expires__lt=now)),
        }
        for model in apps.get_models():
            for base, condition in expired.items():
                if issubclass(model, base):
                    rows: Any = rows_to_write(model).filter(condition)
                    count = _delete_in_batches(rows, options["batch_size"])
                    self.stdout.write(f"{model._meta.label}: {count} deleted")
        for model in apps.get_models():
            if issubclass(model, AbstractClient) and not _has_other_tokens(model):
                count = _delete_unused_clients(model, now - _UNUSED, options["batch_size"])
                self.stdout.write(f"{model._meta.label}: {count} deleted")


def _lifetimes() -> Iterator[int]:
    """The lifetimes of the tokens of all servers and clients."""
    for name in ("access_token_lifetime", "refresh_token_lifetime"):
        for value in {getattr(settings, name), *(server.option(name) for server in servers)}:
            lifetime = import_if_path(value, name)
            if not callable(lifetime):
                yield lifetime
                continue
            for model in apps.get_models():
                if issubclass(model, AbstractClient):
                    yield from map(lifetime, rows_to_write(model).iterator())


def _has_other_tokens(model: type[AbstractClient]) -> bool:
    """Whether a server finds the tokens of these clients by a function of the site."""
    return any(
        client_model(server) is model and not server.callbacks.is_bound("tokengetter")
        for server in servers_in_use()
    )


def _delete_unused_clients(model: Any, before: datetime, batch_size: int) -> int:
    """Delete the clients that the site has not registered, and that have no code and no token."""
    unused: Any = Q(created_at__lt=before) & ~Q(registration="")
    for relation in model._meta.related_objects:
        if issubclass(relation.related_model, (AbstractGrant, AbstractToken)):
            rows = rows_to_write(relation.related_model)
            key = OuterRef(relation.field.target_field.attname)
            unused &= ~Exists(rows.filter(**{relation.field.name: key}))
    count = 0
    keys = list(rows_to_write(model).filter(unused).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), batch_size):
        rows = rows_to_write(model).filter(pk__in=keys[start : start + batch_size])
        with transaction.atomic(using=router.db_for_write(model)):
            # A new token waits for the locks, and then finds no client. A client that got a token
            # before is not deleted.
            list(rows.select_for_update())
            clients = list(rows.filter(unused))
            for client in clients:
                client.delete()
                rows_to_write(Consent).filter(client_id=client.client_id).delete()
        count += len(clients)
    return count


def _delete_in_batches(rows: QuerySet[Any], batch_size: int) -> int:
    """Delete in batches, so that no lock is held for long."""
    count = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:batch_size]):
        count += rows_to_write(rows.model).filter(pk__in=keys).delete()[0]
    return count
