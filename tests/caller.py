"""A process whose threads all call an API at once.

Each process is a fork of a server that has imported Django already: that costs much less than a new
interpreter, and only the code is shared. The process says when it is ready, begins on command, and
sends back the answer that each thread got.
"""

import multiprocessing
import threading
from contextlib import nullcontext
from multiprocessing.connection import Connection

import django

django.setup()

from django.db import connections, transaction  # noqa: E402
from django.test import override_settings  # noqa: E402

from django_dance.providers import providers  # noqa: E402
from django_dance.signals import connection_lost  # noqa: E402

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def answers(user_id, count, *, in_transactions=False):
    """The answer that each thread got, and each connection_lost that the process sent."""
    heard, barrier = [], threading.Barrier(count)

    def tell(connection, reason, **kwargs):
        heard.append(f"connection_lost: {reason}")

    def call():
        session = providers["github"].session(user_id=user_id)
        barrier.wait()
        try:
            with transaction.atomic() if in_transactions else nullcontext():
                heard.append(session.get("/me").json()["token"])
        except Exception as error:
            heard.append(repr(error))
        finally:
            connections.close_all()

    connection_lost.connect(tell)
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection_lost.disconnect(tell)
    return heard


def run(pipe: Connection, databases, settings, user_id, threads, *, in_transactions=False):
    """The main function of a process.

    :param databases: the entries of ``DATABASES``.
    :param in_transactions: each thread calls in a transaction of its own.
    """
    connections.settings.update(databases)
    with override_settings(**settings):
        pipe.send("ready")
        pipe.recv()
        pipe.send(answers(user_id, threads, in_transactions=in_transactions))
