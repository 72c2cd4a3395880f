"""Cuts the connections to a database, and lets the database be away."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from asgiref.sync import SyncToAsync
from django.db import connections


def kill_connections(alias="default"):
    """End all other connections to the database, as its administrator would."""
    admin = connections.create_connection(alias)
    try:
        with admin.cursor() as cursor:
            if admin.vendor == "postgresql":
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                assert cursor.fetchall(), "there was no connection"
            else:
                cursor.execute(
                    "SELECT id FROM information_schema.processlist"
                    " WHERE db = database() AND id <> connection_id()"
                )
                found = cursor.fetchall()
                assert found, "there was no connection"
                for (number,) in found:
                    with suppress(Exception):  # it has ended by itself
                        cursor.execute(f"KILL {number}")
    finally:
        admin.close()
        # asgiref's thread keeps its connection, which has ended, for the async tests that follow.
        SyncToAsync.single_thread_executor.submit(connections.close_all).result()


class DatabaseProxy:
    """A port that leads to the database, until ``go_away()``."""

    def __init__(self, target):
        self.target = target
        self.sockets, self.listener, self.lock = [], None, threading.Lock()
        self.port = 0
        self.come_back()

    def come_back(self):
        """Accept connections."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(50)
        self.port, self.listener = listener.getsockname()[1], listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def go_away(self):
        """Cut all connections, and refuse new ones."""
        # Without shutdown(), a thread in accept() keeps the port open.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            sockets, self.sockets = self.sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.target)
                with self.lock:
                    self.sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source, target):
        with suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
