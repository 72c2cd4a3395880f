"""Refreshes ahead of expiry, so that no visitor has to wait for it, and no grant lies unused.

Safe to run on several hosts at once: whether a token is still due is decided under its lease.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ...exceptions import AuthorizationRequired, ProviderError, ProviderUnavailable
from ...providers import OAuth2Provider, providers
from ...tokens import same_token
from ..arguments import add_owner_arguments, user_id_of
from ..progress import Progress
from ..token_tables import batches, session_of, tables, token_rows

#: A provider that is unavailable so many times in a row is left alone for the rest of the run.
PATIENCE = 5

_OUTCOMES = ("refreshed", "still fresh", "dead", "unavailable", "refused", "skipped")


class Command(BaseCommand):
    help = "Refreshes tokens ahead of their expiry. May run on several hosts at once."

    def add_arguments(self, parser: CommandParser) -> None:
        add_owner_arguments(parser)
        parser.add_argument(
            "--within",
            type=int,
            default=600,
            metavar="SECONDS",
            help="Those that end within so many seconds, or have ended (default: 600)",
        )

    def handle(
        self,
        *,
        names: list[str] | None,
        user: str | None,
        within: int,
        verbosity: int,
        **options: Any,
    ) -> None:
        user_id = user_id_of(user)
        expires_by = timezone.now() + timedelta(seconds=within)
        due = [
            token_rows(
                model,
                names=[name for name in of_table if self._can_refresh(name)],
                user_id=user_id,
                expires_by=expires_by,
            ).defer("token")
            for model, of_table in tables(names).items()
        ]
        self.unavailable: Counter[str] = Counter()
        outcomes: Counter[str] = Counter()
        with Progress(sum(rows.count() for rows in due), self.stderr, verbosity) as progress:
            for rows in due:
                for batch in batches(rows):
                    for row in batch:
                        outcomes[self._refresh(row, within)] += 1
                        progress.step()
        self.stdout.write(", ".join(f"{name} {outcomes[name]}" for name in _OUTCOMES))
        left = [name for name, times in self.unavailable.items() if times >= PATIENCE]
        if outcomes["unavailable"] or outcomes["refused"] or left:
            raise CommandError(
                "Some tokens could not be refreshed; the log has the reasons, and the next run "
                "tries again."
                + f" Unavailable, and left alone after {PATIENCE} tries: {', '.join(left)}."
                * bool(left)
            )

    def _can_refresh(self, name: str) -> bool:
        """Whether this site could refresh a token of the provider's at all."""
        provider = providers[name]
        if not isinstance(provider, OAuth2Provider):
            return False
        missing = provider.missing_credentials()
        if missing:
            self.stderr.write(f"{name} is passed over: set {' and '.join(missing)}.")
        return not missing

    def _refresh(self, row: Any, within: int) -> str:
        """What became of a row's token."""
        session: Any = session_of(row)
        if session is None or self.unavailable[row.provider] >= PATIENCE:
            return "skipped"
        before = session.token
        if before is None or not session.provider.refreshable(before):
            return "skipped"  # gone, unreadable, or granted without a refresh token
        if not before.expires_within(within):
            return "still fresh"
        if before.retry_at > time.time():
            return "unavailable"  # found so not long ago; nobody is asked
        try:
            after = session.refresh(within=within)
        except ProviderUnavailable:
            self.unavailable[row.provider] += 1
            return "unavailable"
        except (AuthorizationRequired, ProviderError) as error:
            self.unavailable[row.provider] = 0
            return "dead" if isinstance(error, AuthorizationRequired) else "refused"
        self.unavailable[row.provider] = 0
        # Some providers grant the same token again, for longer.
        same = same_token(after, before) and after.expires_at == before.expires_at
        return "still fresh" if same else "refreshed"
