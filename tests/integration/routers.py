"""A router that is worse than that of the guide."""

from __future__ import annotations

from typing import Any


class ReadTokensFromReplica:
    """Reads the tables of django-dance from the replica, which lags."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica" if model._meta.app_label.startswith("django_dance") else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default"
