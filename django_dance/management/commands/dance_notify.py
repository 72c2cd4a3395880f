"""Tell users about the connections that they have to connect again."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...notices import NotSent
from ..arguments import add_owner_arguments, user_id_of
from ..bars import ProgressBar
from ..upkeep import notify_users, rows_to_notify


class Command(BaseCommand):
    help = "Tells users about lost connections: one notice for each loss, by DANCE_NOTIFY."

    def add_arguments(self, parser: CommandParser) -> None:
        add_owner_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="Count the lost connections, and tell nobody"
        )

    def handle(
        self,
        *,
        names: list[str] | None,
        user: str | None,
        dry_run: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        rows = rows_to_notify(names, user_id_of(user))
        total = sum(table.count() for table in rows)
        if dry_run:
            self.stdout.write(f"Would tell the users of {total} lost connections.")
            return
        outcomes: Counter[str] = Counter()
        try:
            with ProgressBar(total, self.stderr, verbosity) as progress:
                for outcome in notify_users(rows):
                    outcomes[outcome] += 1
                    progress.update()
        except (ImproperlyConfigured, NotSent) as error:
            raise CommandError(str(error)) from error
        finally:
            self.stdout.write(
                ", ".join(f"{name} {outcomes[name]}" for name in ("sent", "skipped", "failed"))
            )
        if outcomes["failed"]:
            raise CommandError("Some notices failed. The log has the reasons.")
