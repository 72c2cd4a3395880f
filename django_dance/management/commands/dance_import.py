"""Import the tokens of another library; without ``--commit`` a dry run."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from ...providers import providers
from ..bars import ProgressBar
from ..sources import SOURCES
from ..token_import import NotImported, TokenImporter, save
from ..token_tables import batches

#: How many primary keys the command prints for each reason not to import.
_EXAMPLES = 5


class Command(BaseCommand):
    help = (
        "Imports the tokens of django-allauth, social-auth-app-django or Flask-Dance. Writes "
        "nothing without --commit. Can be interrupted and run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", choices=sorted(SOURCES), help="The library")
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="The alias, in DATABASES, of the database with the library's tables "
            "(default: default)",
        )
        parser.add_argument("--table", help="The library's table; required for Flask-Dance")
        parser.add_argument(
            "--provider",
            action="append",
            default=[],
            dest="pairs",
            metavar="THEIRS=OURS",
            help="The provider's name in the library, and its name in DANCE_PROVIDERS; may be "
            "given several times. Not needed if the names are the same or well known",
        )
        parser.add_argument(
            "--user-map",
            type=Path,
            metavar="FILE",
            help="CSV: a user's primary key in the library, and on this site. Default: the keys "
            "are the same",
        )
        parser.add_argument(
            "--replace", action="store_true", help="Also replace tokens that this site has"
        )
        parser.add_argument("--commit", action="store_true", help="Write the tokens")

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
        library = SOURCES[source]()
        library.open(database, table)
        importer = TokenImporter(library, _provider_names(pairs), users, replace=replace)
        imported: Counter[str] = Counter()
        skipped: Counter[str] = Counter()
        examples: defaultdict[str, list[str]] = defaultdict(list)
        with ProgressBar(importer.source.rows.count(), self.stderr, verbosity) as progress:
            for batch in batches(importer.source.rows):
                present = importer.existing_users(batch)
                for row in batch:
                    try:
                        owner, token = importer.convert(row, present)
                        if commit:
                            save(owner, token)
                        imported[owner.provider.name] += 1
                    except NotImported as error:
                        reason = str(error)
                        skipped[reason] += 1
                        if skipped[reason] <= _EXAMPLES:
                            examples[reason].append(str(row.pk))
                    progress.update()
        by_name = "".join(f"\n  {count:>6}  {name}" for name, count in sorted(imported.items()))
        self.stdout.write(
            f"{'Imported' if commit else 'Would import'} {imported.total()}{':' * bool(by_name)}"
            + by_name
        )
        self.stdout.write(f"Not imported {skipped.total()}{':' * bool(skipped)}")
        for reason, count in skipped.most_common():
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
                f"({', '.join(providers) or 'it is empty'})."
            )
        names[theirs] = ours
    return names


def _user_map(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {theirs.strip(): ours.strip() for theirs, ours in csv.reader(file)}
    except (OSError, ValueError, csv.Error) as error:
        raise CommandError(
            f"--user-map {path}: each line must have two primary keys, in the library and on "
            f"this site: 17,4 ({error})."
        ) from error
