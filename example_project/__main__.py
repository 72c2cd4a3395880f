"""Prepares the database of the demo and serves it: ``python -m example_project [ADDRESS]``."""

import os
import re
import socket
import sys

USAGE = (
    "is no address of the demo. Give a port, an address of this machine, or both: 9000, 0.0.0.0, "
    "127.0.0.1:9000. The demo has no https, so browsers open it at localhost."
)
ADDRESS = re.compile(r"(?:(localhost|127\.0\.0\.1|0\.0\.0\.0)(?::|$))?(\d{1,5})?")


def parse(address: str) -> tuple[str, int]:
    """Return the host and the port to listen at.

    :raises ValueError: the demo cannot be opened there.
    """
    match = ADDRESS.fullmatch(address)
    host, port = match.groups() if match else (None, None)
    if not match or not 0 < int(port or 8000) < 65536:
        raise ValueError(f"{address!r} {USAGE}")
    return host or "localhost", int(port or 8000)


def require_free(host: str, port: int) -> None:
    """Check that a server can listen there.

    :raises OSError: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def main() -> None:
    try:
        host, port = parse("".join(sys.argv[1:]))
        require_free(host, port)
    except ValueError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Port {port} of {host}: {error.strerror}. Another one: make demo ADDRESS=9000")
    os.environ["DJANGO_SETTINGS_MODULE"] = "example_project.settings"
    os.environ["DEMO_PORT"] = str(port)

    from django.core.management import call_command, execute_from_command_line

    execute_from_command_line(["manage.py", "migrate", "--verbosity", "0"])
    call_command("prepare_demo")
    # A process of its own, because the server starts itself again when the code changes.
    command = [sys.executable, "manage.py", "runserver", f"{host}:{port}"]
    os.execv(sys.executable, command)  # noqa: S606


if __name__ == "__main__":
    main()
