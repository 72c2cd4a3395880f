"""``flush`` in place of Django's: it runs after each test that commits.

It deletes no content types and no permissions, so that they need not be made again, and it does
not read the list of tables each time.
"""

from functools import cache

from django.core.management.commands import flush
from django.db import connections, transaction

KEPT = {"django_migrations", "django_content_type", "auth_permission"}


@cache
def tables(alias, name):
    """The tables to empty in the database of this name."""
    return sorted({*connections[alias].introspection.table_names()} - KEPT)


class Command(flush.Command):
    def handle(self, *, database, **options):
        connection = connections[database]
        with (
            connection.constraint_checks_disabled(),
            transaction.atomic(using=database),
            connection.cursor() as cursor,
        ):
            for table in tables(database, connection.settings_dict["NAME"]):
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
