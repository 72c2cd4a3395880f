"""Takes over tokens that another library has kept: a dry run, unless it is told to write."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from ...providers import providers
from ..progress import Progress
from ..sources import SOURCES
from ..token_import import NotImported, TokenImporter, save
from ..token_tables import batches

#: How many of the rows that are left are named, for each reason.
_EXAMPLES = 5


class Command(BaseCommand):
    help = (
        "Imports the tokens of django-allauth, social-auth-app-django or Flask-Dance. Writes "
        "nothing without --commit. Can be interrupted and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", choices=sorted(SOURCES), help="Whose tokens")
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="The alias, in DATABASES, of the database that they are in (default: default)",
        )
        parser.add_argument("--table", help="Their table; Flask-Dance's has to be named")
        parser.add_argument(
            "--provider",
            action="append",
            default=[],
            dest="pairs",
            metavar="THEIRS=OURS",
            help="What a provider is called there and in DANCE_PROVIDERS; may be given several "
            "times. Same and well-known names need not be",
        )
        parser.add_argument(
            "--user-map",
            type=Path,
            metavar="FILE",
            help="CSV: a user's primary key there, and here. Without it they are the same",
        )
        parser.add_argument(
            "--replace", action="store_true", help="Also in the place of tokens that are here"
        )
        parser.add_argument("--commit", action="store_true", help="Write")

    def handle(
        self,
        *,
        source: str,
        database: str,
        table: str | None,
        pairs: list[str],
        user_map: Path | None,
        replace: bool,
        commit: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        users = None if user_map is None else _user_map(user_map)
        importer = TokenImporter(
            SOURCES[source](database, table), _provider_names(pairs), users, replace=replace
        )
        imported: Counter[str] = Counter()
        left: Counter[str] = Counter()
        examples: defaultdict[str, list[str]] = defaultdict(list)
        with Progress(importer.source.rows.count(), self.stderr, verbosity) as progress:
            for batch in batches(importer.source.rows):
                present = importer.existing_users(batch)
                for row in batch:
                    try:
                        owner, token = importer.convert(row, present)
                        if commit:
                            save(owner, token)
                        imported[owner.provider.name] += 1
                    except NotImported as refusal:
                        why = str(refusal)
                        left[why] += 1
                        if left[why] <= _EXAMPLES:
                            examples[why].append(str(row.pk))
                    progress.step()
        by_name = "".join(f"\n  {count:>6}  {name}" for name, count in sorted(imported.items()))
        self.stdout.write(
            f"{'Imported' if commit else 'Would import'} {imported.total()}{':' * bool(by_name)}"
            + by_name
        )
        self.stdout.write(f"Left {left.total()}{':' * bool(left)}")
        for reason, count in left.most_common():
            more = ", …" * (count > _EXAMPLES)
            self.stdout.write(f"  {count:>6}  {reason} (id {', '.join(examples[reason])}{more})")
        if not commit:
            self.stdout.write("Nothing was written. To write, run it again with --commit.")


def _provider_names(pairs: list[str]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        theirs, _, ours = pair.partition("=")
        if ours not in providers:
            raise CommandError(
                f"--provider {pair}: write THEIRS=OURS, where OURS is in DANCE_PROVIDERS "
                f"({', '.join(providers) or 'which is empty'})."
            )
        names[theirs] = ours
    return names


def _user_map(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {theirs.strip(): ours.strip() for theirs, ours in csv.reader(file)}
    except (OSError, ValueError, csv.Error) as error:
        raise CommandError(
            f"--user-map {path}: every line should be two primary keys, there and here: 17,4 "
            f"({error})."
        ) from error
