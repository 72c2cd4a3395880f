"""A second database beside the default one, of the same kind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections

ALIAS = "other"


class Elsewhere:
    """Reads from an empty default database and writes to the other one, as if a replica lagged.

    Users and sessions are read where they are written, because Django reads them. Of a single row
    it names the wrong database: a storage must use the database of its table for every query.
    """

    lagging = ("django_dance", "django_dance_server", "tests")

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default" if model._meta.app_label in self.lagging else ALIAS

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return self.db_for_read(model) if "instance" in hints else ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True


class Apart(Elsewhere):
    """Reads and writes all models in the other database."""

    lagging = ()


@pytest.fixture(scope="module")
def other_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The alias of a second database, with all tables. Use it in a module whose tests are marked
    ``django_db(databases=["default", "other"])``."""
    entry = copy.deepcopy(connections["default"].settings_dict)
    entry["NAME"] = f"{entry['NAME']}_other"
    entry["TEST"] = {**entry["TEST"], "NAME": entry["NAME"], "MIGRATE": False}
    django_settings.DATABASES[ALIAS] = entry
    with django_db_blocker.unblock():
        creation = connections[ALIAS].creation
        creation.create_test_db(verbosity=0, autoclobber=True)
    yield ALIAS
    with django_db_blocker.unblock():
        connections[ALIAS].close()
        creation.destroy_test_db(entry["NAME"], verbosity=0)
    del connections[ALIAS], django_settings.DATABASES[ALIAS]
