"""The upkeep as tasks of Django's task framework: Django 6.0, or the package django-tasks.

Importing this module needs the framework. Enqueue the tasks from a scheduler of your own.
"""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import Any

from django.utils.module_loading import import_string

from .management import upkeep

_FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"
_task: Any = import_string(f"{_FRAMEWORK}.task")


@_task()  # type: ignore[untyped-decorator]
def check_connections(rate: float = 5.0, limit: int | None = None) -> dict[str, int]:
    """Do what ``dance_check`` does; return the number of connections of each outcome."""
    rows = upkeep.rows_to_check()
    return dict(Counter(upkeep.check_connections(rows, rate=rate, limit=limit)))


@_task()  # type: ignore[untyped-decorator]
def notify_users() -> dict[str, int]:
    """Do what ``dance_notify`` does; return the number of users of each outcome."""
    return dict(Counter(upkeep.notify_users(upkeep.rows_to_notify())))
