"""Ask the providers about the connections, at a limited rate."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ..arguments import add_owner_arguments, user_id_of
from ..bars import ProgressBar
from ..upkeep import OUTCOMES, check_connections, rows_to_check


class Command(BaseCommand):
    help = "Asks the providers whether the connections still work, at a limited rate."

    def add_arguments(self, parser: CommandParser) -> None:
        add_owner_arguments(parser)
        parser.add_argument(
            "--older-than",
            type=float,
            default=24,
            metavar="HOURS",
            help="Only connections that were not checked for this time (default: 24)",
        )
        parser.add_argument(
            "--rate",
            type=float,
            default=5,
            metavar="NUMBER",
            help="Connections of one provider that are checked in a second (default: 5)",
        )
        parser.add_argument(
            "--limit", type=int, metavar="NUMBER", help="At most so many connections in this run"
        )

    def handle(
        self,
        *,
        names: list[str] | None,
        user: str | None,
        older_than: float,
        rate: float,
        limit: int | None,
        verbosity: int,
        **options: Any,
    ) -> None:
        if not rate > 0:
            raise CommandError("--rate must be a positive number of connections in a second.")
        rows = rows_to_check(names, user_id_of(user), timedelta(hours=older_than))
        total = sum(table.count() for table in rows)
        outcomes: Counter[str] = Counter()
        with ProgressBar(min(total, limit or total), self.stderr, verbosity) as progress:
            for outcome in check_connections(rows, rate=rate, limit=limit):
                outcomes[outcome] += 1
                progress.update()
        self.stdout.write(", ".join(f"{name} {outcomes[name]}" for name in OUTCOMES))
