"""The example site, as a worker of gunicorn or uvicorn loads it.

A worker has a report: a file that is named after its process id. The file shows that the worker
runs, and lists the tokens that it has stored and the connections whose loss it has told.
"""

import os
import time
from pathlib import Path
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from django_dance.signals import connection_lost, token_refreshed

from .provider import digest

django.setup()
wsgi, asgi = WSGIHandler(), ASGIHandler()

report = Path(os.environ["SOAK_REPORTS"], str(os.getpid()))
report.touch()


def report_stored(token: Any, **kwargs: Any) -> None:
    """Note the digest of a refresh token. The signal is sent after the token was stored."""
    with report.open("a") as file:
        file.write(digest(token["refresh_token"]) + "\n")


def report_lost(owner: Any, **kwargs: Any) -> None:
    """Note that a connection was lost, with a mark that no other loss has."""
    with report.open("a") as file:
        file.write(f"lost-{owner.user_id}-{os.getpid()}-{time.monotonic_ns()}\n")


token_refreshed.connect(report_stored)
connection_lost.connect(report_lost)
