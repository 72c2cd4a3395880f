"""The threads in which async calls wait, which use neither database nor cache nor signals."""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from asgiref.sync import async_to_sync
from django.dispatch import Signal
from django.http import StreamingHttpResponse
from django.test import AsyncRequestFactory
from django.utils.connection import BaseConnectionHandler

from django_dance.exceptions import AuthorizationRequired, ProviderError
from django_dance.providers import OAuth2Provider
from django_dance.sessions import async_calls
from django_dance.sessions.async_calls import THREADS, run_in_thread

from ..loopback import Loopback
from .conftest import Api
from .test_call_flow import answer_by_token

pytestmark = pytest.mark.one_database("These tests differ in threads, not in rows")

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that a server waits for an earlier event, and a client for its response.
LONG = 30


class Named(OAuth2Provider):
    account_id = "id"
    account_url = "/account"


@pytest.fixture(autouse=True)
def _own_threads(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    async_calls._forget_threads()
    yield
    async_calls._forget_threads()


@pytest.fixture
def api():
    with Api() as server:
        yield server


@pytest.fixture
def waiting():
    """A server that answers when ``release`` is set, and sets ``asked`` before."""
    asked, release = threading.Event(), threading.Event()

    def answer(received):
        asked.set()
        release.wait(LONG)
        return 200, {}, "{}"

    with Loopback(answer) as server:
        server.asked, server.release = asked, release
        yield server
        release.set()


@pytest.fixture
def dripping():
    """A server that sends a byte of its answer every tenth of a second, for two seconds."""
    stop = threading.Event()

    class Drip(Loopback):
        def finish_request(self, request, client_address):
            request.recv(65536)
            request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
            for _ in range(20):
                if stop.wait(0.1):
                    break
                request.sendall(b"x")

    with Drip() as server:
        yield server
        stop.set()


def no_threads_yet():
    return async_calls._threads is None


@pytest.mark.django_db
def test_no_more_calls_wait_at_the_same_time_than_the_setting_allows(connect, settings):
    settings.DANCE_ASYNC_CALLS = 2
    running, most, pair = [], [], threading.Barrier(2)

    def answer(received):
        running.append(received)
        most.append(len(running))
        pair.wait(LONG)
        running.pop()
        pair.wait(LONG)
        return 200, {}, "{}"

    with Loopback(answer) as server:
        session = connect(server)

        async def page():
            return await asyncio.gather(*(session.aget(f"/{n}", timeout=LONG) for n in range(6)))

        assert [response.status_code for response in async_to_sync(page)()] == [200] * 6
    assert max(most) == 2


@pytest.mark.django_db
def test_the_default_executor_of_the_event_loop_is_not_used(api, connect):
    release = threading.Event()
    session = connect(api)

    async def page():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, release.wait, LONG)
        try:
            return await session.aget("/me")
        finally:
            release.set()
            await busy

    assert async_to_sync(page)().status_code == 200


@pytest.mark.django_db
def test_the_threads_are_started_when_they_are_needed(api, connect):
    session = connect(api)
    assert session.get("/me").ok
    assert no_threads_yet()
    assert async_to_sync(session.aget)("/me").ok
    assert not no_threads_yet()


@pytest.mark.django_db
def test_a_cancelled_call_returns_before_its_answer(waiting, connect):
    session = connect(waiting)

    async def page():
        task = asyncio.ensure_future(session.aget("/me", timeout=LONG))
        while not waiting.asked.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return waiting.release.is_set()

    assert async_to_sync(page)() is False


def test_the_result_of_a_cancelled_call_is_discarded():
    started, release, discarded = threading.Event(), threading.Event(), threading.Event()

    def work():
        started.set()
        release.wait(LONG)
        return "answer"

    async def page():
        found = []
        task = asyncio.ensure_future(
            run_in_thread(work, discard=lambda result: (found.append(result), discarded.set()))
        )
        while not started.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert found == []
        release.set()
        assert discarded.wait(LONG)
        return found

    assert asyncio.run(page()) == ["answer"]


@pytest.mark.django_db
def test_a_call_ends_at_its_deadline(dripping, connect, settings):
    settings.DANCE_ASYNC_DEADLINE = 1
    session = connect(dripping)
    with pytest.raises(requests.RequestException, match=r"timed out|too long"):
        async_to_sync(session.aget)("/me")


@pytest.mark.django_db
def test_a_streamed_answer_has_no_deadline(dripping, connect, settings):
    settings.DANCE_ASYNC_DEADLINE = 1
    session = connect(dripping)

    async def page():
        response = await session.aget("/me", stream=True)
        return [chunk async for chunk in session.aiter_content(response, 5)]

    assert b"".join(async_to_sync(page)()) == b"x" * 20


def test_a_call_that_waits_too_long_for_a_thread_fails():
    async def page():
        await run_in_thread(lambda: pytest.fail("called"), until=time.monotonic() - 1)

    with pytest.raises(requests.ConnectTimeout, match="DANCE_ASYNC_CALLS"):
        asyncio.run(page())


@pytest.mark.django_db
def test_an_async_view_streams_an_answer(api, connect):
    api.pages["/v1/file"] = (200, {}, "0123456789" * 1000)
    session = connect(api)

    async def view(request):
        answer = await session.aget("/file", stream=True)
        return StreamingHttpResponse(session.aiter_content(answer, 4000))

    async def visit():
        response = await view(AsyncRequestFactory().get("/"))
        return [chunk async for chunk in response.streaming_content]

    assert [len(chunk) for chunk in async_to_sync(visit)()] == [4000, 4000, 2000]


@pytest.mark.django_db
def test_a_stream_that_is_not_read_to_its_end_is_closed(api, connect):
    api.pages["/v1/file"] = (200, {}, "0123456789" * 1000)
    session = connect(api)
    closed = threading.Event()

    async def page():
        answer = await session.aget("/file", stream=True)
        close = answer.close
        answer.close = lambda: (close(), closed.set())
        chunks = session.aiter_content(answer, 100)
        async for _ in chunks:
            break
        await chunks.aclose()
        return answer

    answer = async_to_sync(page)()
    assert closed.wait(LONG)
    assert answer.raw.closed


@pytest.mark.django_db(transaction=True)  # the cache is not used in the transaction of a test
def test_the_threads_use_neither_database_nor_cache_nor_signals(
    api, connect, settings, monkeypatch
):
    """Each step that a call can have: load, refresh, replace, ask for the account, judge."""
    settings.DANCE_CACHE = "default"
    used, sent = [], []

    def watch(kind, owner, name):
        original = getattr(owner, name)

        def watched(self, *args, **kwargs):
            used.append((kind(self), threading.current_thread().name))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    def note_thread(response, *args, **kwargs):
        sent.append(threading.current_thread().name)

    def call(path, **token):
        session.token = {"access_token": "old", "refresh_token": "planted-1", **token}
        session.forget_token()
        return async_to_sync(session.aget)(path, hooks={"response": note_thread})

    api.grants(refresh_token="planted-2")
    api.pages["/v1/me"] = answer_by_token
    session = connect(api, kind=Named)
    watch(lambda handler: type(handler).__name__, BaseConnectionHandler, "__getitem__")
    watch(lambda signal: "signal", Signal, "send")
    assert call("/ok").ok
    assert call("/ok", expires_at=time.time() - 5).ok
    assert call("/me").ok
    api.pages["/v1/me"] = api.pages["/v1/account"] = (401, {}, "")
    with pytest.raises(AuthorizationRequired):
        call("/me", refresh_token=None, account_accepted=True)
    assert len(api.at("/token")) == 2
    assert len(api.at("/v1/account")) == 1
    assert {kind for kind, _ in used} == {"ConnectionHandler", "CacheHandler", "signal"}
    assert not [kind for kind, name in used if name.startswith(THREADS)]
    assert sent
    assert all(name.startswith(THREADS) for name in sent)


@pytest.mark.django_db
def test_the_call_for_the_account_waits_in_a_thread_for_calls(api, connect, monkeypatch):
    sent, original = [], requests.adapters.HTTPAdapter.send

    def send(self, *args, **kwargs):
        sent.append(threading.current_thread().name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    session = connect(api, kind=Named)
    api.pages["/v1/account"] = (200, {}, '{"id": 7}')
    assert async_to_sync(session.aaccount_info)().id == "7"
    assert async_to_sync(session.aaccount_info)().id == "7"  # it is asked once
    assert len(api.at("/v1/account")) == len(sent) == 1
    assert sent[0].startswith(THREADS)
    # The result is not used for another session, or later.
    other = connect(api, kind=Named)
    api.pages["/v1/account"] = (200, {}, '{"id": 8}')
    assert other.account_info().id == "8"


@pytest.mark.django_db
@pytest.mark.parametrize("answer", [(503, {}, ""), (404, {}, ""), (200, {}, "no JSON")])
def test_async_and_sync_code_get_the_same_error_for_the_account(api, connect, answer):
    session = connect(api, kind=Named)
    api.pages["/v1/account"] = answer
    with pytest.raises(ProviderError) as of_sync:
        session.account_info()
    with pytest.raises(type(of_sync.value)) as of_async:
        async_to_sync(session.aaccount_info)()
    assert str(of_async.value) == str(of_sync.value)
    assert len(api.at("/v1/account")) == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_starts_threads_of_its_own(fork):
    assert asyncio.run(run_in_thread(lambda: 1)) == 1
    child = fork()
    if child == 0:
        status = 1
        try:
            status = 0 if no_threads_yet() and asyncio.run(run_in_thread(lambda: 1)) == 1 else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.repository
def test_a_call_that_hangs_does_not_keep_the_process_alive(waiting):
    script = f"""
        import asyncio
        from django.conf import settings
        settings.configure(DANCE_ASYNC_DEADLINE=1, DANCE_TIMEOUT=3600, DEBUG=True)
        import django; django.setup()
        from django_dance.http import get_shared_adapter
        from django_dance.sessions.async_calls import run_in_thread
        from django_dance.sessions.shared_connections import SharedConnectionsMixin
        import time

        async def main():
            session = SharedConnectionsMixin()
            call = lambda: session.get("{waiting.url}/", timeout=3600)
            task = asyncio.ensure_future(run_in_thread(call, until=time.monotonic() + 1))
            await asyncio.sleep(0.2)
            task.cancel()

        asyncio.run(main())
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "*", "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=LONG,
    )
    assert waiting.asked.is_set()
    assert not waiting.release.is_set()
