"""50 users of a site with 4 processes connect one MCP server, made with the official SDK."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from ..loopback import reserved_port
from ..mcp_site.server import Server
from ..servers import HOST, Absent, PostgreSQL, Redis, end, find, start

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
USERS = [f"user{number:02}" for number in range(50)]
PROCESSES = 4
#: Seconds to wait for an answer, and for the start or the end of a process.
TIMEOUT = 60


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def site(server, tmp_path):
    """The URLs of the processes of the site, which share PostgreSQL and Redis."""
    with ExitStack() as stack:
        postgresql = find(PostgreSQL, stack)
        if isinstance(postgresql, Absent):
            pytest.skip(postgresql.reason)
        redis = start(Redis, stack)
        name = f"django_dance_mcp_{os.getpid()}"
        postgresql.create(name)
        stack.callback(postgresql.drop, name)
        ports = [stack.enter_context(reserved_port()) for _ in range(PROCESSES)]
        urls = [f"http://localhost:{port}" for port in ports]
        database = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": HOST,
            "PORT": postgresql.port,
            "USER": postgresql.user,
            "NAME": name,
        }
        given = {
            "database": database,
            "cache": redis.cache(),
            "server": server.resource,
            "base_url": urls[0],
        }
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.mcp_site.settings",
            "PYTHONPATH": str(ROOT),
            "MCP_SITE": json.dumps(given),
        }
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
        subprocess.run(migrate, env=environment, cwd=tmp_path, check=True, timeout=300)
        processes = [
            stack.enter_context(running(port, environment, tmp_path / str(port))) for port in ports
        ]
        for process, port in zip(processes, ports, strict=True):
            wait_until_it_listens(process, port, tmp_path / str(port))
        yield urls


@contextmanager
def running(port, environment, log):
    """A process of the site, until the end of the context."""
    factory = "django.core.asgi:get_asgi_application"
    program = [sys.executable, "-m", "uvicorn", "--factory", factory, "--no-access-log"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*program, f"--port={port}"], env=environment, cwd=log.parent, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        end(process, TIMEOUT)


def wait_until_it_listens(process, port, log):
    for _ in range(20 * TIMEOUT):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"The process does not listen: {log.read_text()}")


class User:
    """A user with a browser, who has an account of the same name at the MCP server.

    The site has one address, that of the first process. The browser plays the load balancer.

    :param number: the number of the process that gets the first request.
    """

    def __init__(self, name, number, site):
        self.name, self.number, self.site = name, number, site
        self.browser = requests.Session()
        self.browser.trust_env = False
        self.browser.headers["Sec-Fetch-Mode"] = "navigate"
        self.address = {"Host": urlsplit(site[0]).netloc}

    def open(self, path):
        """Open a page of the site, each time in the next process."""
        self.number = (self.number + 1) % PROCESSES
        url = f"{self.site[self.number]}{path}"
        return self.browser.get(url, headers=self.address, timeout=TIMEOUT, allow_redirects=False)

    def follow(self, page):
        assert page.status_code == 302, page.text
        to = urlsplit(page.headers["Location"])
        return self.open(f"{to.path}?{to.query}")

    def connect(self):
        """Go through the dance. Each step is made by another process."""
        self.open(f"/sign-in/?name={self.name}").raise_for_status()
        begun = self.follow(self.open("/whoami/"))
        assert begun.status_code == 302, begun.text
        permitted = self.browser.get(
            begun.headers["Location"],
            auth=(self.name, ""),
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        done = self.follow(permitted)
        assert done.headers.get("Location") == "/whoami/", done.text

    def call(self, url):
        """Call the tool in a process of the site; return the account and the process."""
        cookies = self.browser.cookies.get_dict()
        with requests.Session() as browser:
            browser.trust_env = False
            page = browser.get(
                f"{url}/whoami/", cookies=cookies, headers=self.address, timeout=TIMEOUT
            )
        assert page.status_code == 200, page.text
        return tuple(page.text.split())


def test_50_users_in_4_processes_refresh_once_each(server, site):
    users = [User(name, number, site) for number, name in enumerate(USERS)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(User.connect, users))
        server.accounts.lifetime = 3600
        calls = [pool.submit(user.call, url) for user in users for url in site]
        answers = [call.result() for call in calls]
    names, processes = zip(*answers, strict=True)
    assert names == tuple(name for name in USERS for _ in range(PROCESSES))
    assert len(set(processes)) == PROCESSES
    assert server.accounts.refreshes == Counter(USERS)
    assert server.accounts.reused == []
    assert len(server.accounts.clients) == 1
