"""``manage.py dance_server_prune``: deletes expired codes and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from django_dance.conf import import_if_path
from django_dance.server.authorization import servers
from django_dance.server.bindings import rows_to_write
from django_dance.server.conf import settings
from django_dance.server.models import AbstractClient, AbstractGrant, AbstractToken


class Command(BaseCommand):
    help = (
        "Delete expired codes and tokens. A used code or refresh token is kept while a token of "
        "its family can be valid, so that a second use is detected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch-size", type=int, default=1000, metavar="ROWS")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        longest = max(_lifetimes())
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


def _delete_in_batches(rows: QuerySet[Any], batch_size: int) -> int:
    """Delete in batches, so that no lock is held for long."""
    count = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:batch_size]):
        count += rows_to_write(rows.model).filter(pk__in=keys).delete()[0]
    return count
