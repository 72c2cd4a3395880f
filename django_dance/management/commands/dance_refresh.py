"""Refresh tokens before they expire.

So no visitor waits for a refresh, and no grant expires because its refresh token is not used. The
command may run on several hosts at the same time: it checks under the lease of a token whether the
token is still due.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ...exceptions import (
    AuthorizationRequired,
    ProviderError,
    ProviderUnavailable,
    failure_fields,
)
from ...providers import OAuth2Provider, providers
from ...tokens import same_token
from ..arguments import add_owner_arguments, user_id_of
from ..bars import ProgressBar
from ..token_tables import batches, server_of, session_of, tables, token_rows

logger = logging.getLogger("django_dance")

#: If a provider is unavailable this many times in a row, it is not asked again in this run.
PATIENCE = 5

_OUTCOMES = ("refreshed", "still fresh", "dead", "unavailable", "refused", "skipped")


class Command(BaseCommand):
    help = "Refreshes tokens before they expire. May run on several hosts at the same time."

    def add_arguments(self, parser: CommandParser) -> None:
        add_owner_arguments(parser)
        parser.add_argument(
            "--within",
            type=int,
            default=600,
            metavar="SECONDS",
            help="Only tokens that have expired or expire within this time (default: 600)",
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
        with ProgressBar(sum(rows.count() for rows in due), self.stderr, verbosity) as progress:
            for rows in due:
                for batch in batches(rows):
                    for row in batch:
                        outcomes[self._refresh(row, within)] += 1
                        progress.update()
        self.stdout.write(", ".join(f"{name} {outcomes[name]}" for name in _OUTCOMES))
        silent = [name for name, times in self.unavailable.items() if times >= PATIENCE]
        if outcomes["unavailable"] or outcomes["refused"]:
            raise CommandError(
                "Some tokens could not be refreshed. The log has the reasons. The next run tries "
                "again."
                + f" Not asked any more after {PATIENCE} failures in a row: {', '.join(silent)}."
                * bool(silent)
            )

    def _can_refresh(self, name: str) -> bool:
        """Whether the provider uses OAuth 2 and its credentials are set."""
        provider = providers[name]
        if not isinstance(provider, OAuth2Provider):
            return False
        missing = provider.missing_credentials()
        if missing:
            self.stderr.write(f"{name} is skipped: set {' and '.join(missing)}.")
        return not missing

    def _refresh(self, row: Any, within: int) -> str:
        """Refresh the token of a row if it is due; return the outcome, one of ``_OUTCOMES``."""
        session: Any = session_of(row)
        if session is None or self.unavailable[server_of(row)] >= PATIENCE:
            return "skipped"
        if not session.provider.is_allowed:
            return "skipped"  # PLACES does not allow the place any more
        before = session.token
        if before is None or not session.provider.is_refreshable(before):
            return "skipped"  # deleted, unreadable, or without a refresh token
        if not before.expires_within(within):
            return "still fresh"
        if before.retry_at > time.time():
            return "unavailable"  # a recent attempt failed: the provider is not asked
        try:
            after = session.refresh(within=within)
        except ProviderUnavailable:
            self.unavailable[server_of(row)] += 1
            return "unavailable"
        except (AuthorizationRequired, ProviderError) as error:
            self.unavailable[server_of(row)] = 0
            return "dead" if isinstance(error, AuthorizationRequired) else "refused"
        except Exception:
            # A mistake in a provider class of the site must not end the run for other tokens.
            logger.exception(
                "%s: a token cannot be refreshed",
                row.provider,
                extra=failure_fields(provider=row.provider, code="refresh_failed"),
            )
            self.unavailable[server_of(row)] += 1
            return "refused"
        self.unavailable[server_of(row)] = 0
        # Some providers return the same access token with a later expiry.
        same = same_token(after, before) and after.expires_at == before.expires_at
        return "still fresh" if same else "refreshed"
