"""Spans and counts of OpenTelemetry, with its SDK."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import requests
from asgiref.sync import async_to_sync
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import django_dance
from django_dance import telemetry
from django_dance.exceptions import (
    AuthorizationRequired,
    ProviderError,
    ProviderUnavailable,
    UntrustedOrigin,
)
from django_dance.interop import httpx_auth
from django_dance.providers import providers
from django_dance.signals import oauth_authorized

from .conftest import API, TOKEN_URL, token_fields

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("These tests differ in spans and counts, not in rows"),
]


class Recorder:
    """What the SDK has exported since the test began."""

    def __init__(self, exporter, reader):
        self._exporter, self._reader = exporter, reader
        self._counted, self._texts = {}, []
        exporter.clear()
        reader.get_metrics_data()

    def spans(self, name=""):
        spans = [
            span
            for span in self._exporter.get_finished_spans()
            if span.instrumentation_scope.name == "django_dance"
        ]
        return [span for span in spans if name in ("", span.name.removeprefix("django_dance."))]

    def span(self, name):
        (span,) = self.spans(name)
        return span

    @property
    def counts(self):
        """(counter, outcome) → number, for GitHub."""
        data = self._reader.get_metrics_data()
        if data is not None:
            self._texts.append(data.to_json())
            for metric in data.resource_metrics[0].scope_metrics[0].metrics:
                for point in metric.data.data_points:
                    labels = dict(point.attributes)
                    assert labels.pop("django_dance.provider") == "github"
                    key = (metric.name, labels.pop("django_dance.outcome"))
                    assert labels == {}
                    self._counted[key] = self._counted.get(key, 0) + point.value
        return self._counted

    def text(self):
        """Everything that was exported."""
        assert self.counts is not None
        spans = [span.to_json() for span in self._exporter.get_finished_spans()]
        return "\n".join([*spans, *self._texts])


@pytest.fixture(scope="module")
def sdk():
    """The SDK, as a site sets it up. A process can do that only once."""
    telemetry._instruments()  # an SDK that is set up later gets its spans and counts, too
    exporter = InMemorySpanExporter()
    reader = InMemoryMetricReader({Counter: AggregationTemporality.DELTA})
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    yield exporter, reader
    exporter.shutdown()


@pytest.fixture
def recorder(sdk, caplog):
    recorder = Recorder(*sdk)
    yield recorder
    assert "planted" not in recorder.text().lower()
    # OpenTelemetry logs its failures.
    assert [each for each in caplog.records if each.name.startswith("opentelemetry")] == []


@pytest.fixture
def parent(recorder):
    """The span of the request."""
    with trace.get_tracer("site").start_as_current_span("request") as span:
        yield span
        assert trace.get_current_span() is span


@pytest.fixture
def store(user):
    def store(**fields):
        providers["github"].session(user=user).token = token_fields("planted-token", **fields)
        return providers["github"].session(user=user)

    return store


def answer_httpx(request):
    """Answer a request of ``httpx`` as ``responses`` answers one of ``requests``."""
    answer = requests.get(str(request.url))
    return httpx.Response(answer.status_code, content=answer.content)


def with_httpx(session, url):
    transport = httpx.MockTransport(answer_httpx)
    with httpx.Client(auth=httpx_auth(session), transport=transport) as client:
        return client.get(url)


def with_async_httpx(session, url):
    async def call():
        transport = httpx.MockTransport(answer_httpx)
        async with httpx.AsyncClient(auth=httpx_auth(session), transport=transport) as client:
            return await client.get(url)

    return async_to_sync(call)()


#: The ways to make a call: (session, url) → answer.
WAYS = {
    "get": lambda session, url: session.get(url),
    "aget": lambda session, url: async_to_sync(session.aget)(url),
    "send": lambda session, url: session.send(requests.Request("GET", url).prepare()),
    "asend": lambda session, url: async_to_sync(session.asend)(
        requests.Request("GET", url).prepare()
    ),
    "protocol_call": lambda session, url: session.protocol_call("GET", url),
    "httpx": with_httpx,
    "async httpx": with_async_httpx,
}


@pytest.fixture(params=WAYS)
def call(request):
    return WAYS[request.param]


# --- calls ----------------------------------------------------------------------------------------


def test_a_call_has_a_span_and_is_counted(recorder, parent, store, responses, call):
    responses.get(API, json={"id": "planted-account"})
    call(store(), f"{API}?q=planted-query")
    span = recorder.span("call")
    assert span.name == "django_dance.call"
    assert span.kind is trace.SpanKind.INTERNAL
    assert span.parent.span_id == parent.get_span_context().span_id
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.instrumentation_scope.version == django_dance.__version__
    assert dict(span.attributes) == {
        "django_dance.provider": "github",
        "django_dance.outcome": "ok",
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }
    assert recorder.counts == {("django_dance.calls", "ok"): 1}


def test_an_error_status_is_the_outcome(recorder, store, responses, call):
    responses.get(API, status=404, body="planted-body")
    call(store(), API)
    span = recorder.span("call")
    assert span.attributes["django_dance.outcome"] == "404"
    assert span.attributes["http.response.status_code"] == 404
    assert span.status.status_code is trace.StatusCode.ERROR
    assert recorder.counts == {("django_dance.calls", "404"): 1}


def test_without_a_token_the_reason_is_the_outcome(recorder, user, call):
    with pytest.raises(AuthorizationRequired):
        call(providers["github"].session(user=user), API)
    assert recorder.counts == {("django_dance.calls", "no_token"): 1}


@pytest.mark.parametrize("way", ["get", "aget", "send", "asend"])
def test_an_exception_is_named_without_its_text(recorder, store, responses, way):
    responses.get(API, body=requests.ConnectionError("planted-text"))
    with pytest.raises(requests.ConnectionError):
        WAYS[way](store(), API)
    span = recorder.span("call")
    assert span.attributes["django_dance.outcome"] == "ConnectionError"
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description is None
    assert span.events == ()


@pytest.mark.parametrize("way", ["httpx", "async httpx"])
def test_httpx_does_not_tell_why_there_is_no_answer(recorder, parent, store, responses, way):
    responses.get(API, body=requests.ConnectionError("planted-text"))
    with pytest.raises(requests.ConnectionError):
        WAYS[way](store(), API)
    assert recorder.counts == {("django_dance.calls", "no_answer"): 1}


def test_an_untrusted_address_is_not_named(recorder, store):
    with pytest.raises(UntrustedOrigin):
        store().get("https://planted.example.com/")
    assert recorder.counts == {("django_dance.calls", "UntrustedOrigin"): 1}


def test_the_code_of_an_exception_that_is_not_ours_is_not_read(recorder, store, responses):
    error = requests.ConnectionError()
    error.code = "planted-code"
    responses.get(API, body=error)
    with pytest.raises(requests.ConnectionError):
        store().get(API)
    assert recorder.counts == {("django_dance.calls", "ConnectionError"): 1}


def test_an_unknown_method_is_not_named(recorder, store, responses):
    responses.add("PLANTED", API)
    store().request("planted", API)
    assert recorder.span("call").attributes["http.request.method"] == "_OTHER"


def test_a_cancelled_call_has_its_outcome(recorder, store, responses):
    waiting, go_on = threading.Event(), threading.Event()

    def answer(request):
        waiting.set()
        go_on.wait(60)
        return 200, {}, "{}"

    responses.add_callback("GET", API, answer)
    session = store()

    async def page():
        task = asyncio.ensure_future(session.aget(API))
        while not waiting.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        go_on.set()

    async_to_sync(page)()
    assert recorder.counts == {("django_dance.calls", "CancelledError"): 1}


def test_the_call_is_the_parent_of_the_spans_within_it(recorder, store, responses, call):
    """An instrumentation of ``requests`` makes them in the thread that waits for the answer."""
    within = []

    def answer(request):
        within.append(trace.get_current_span().get_span_context().span_id)
        return 200, {}, "{}"

    responses.add_callback("GET", API, answer)
    call(store(), API)
    assert within == [recorder.span("call").context.span_id]


# --- refreshes ------------------------------------------------------------------------------------


def test_a_refresh_is_a_part_of_its_call(recorder, store, api, call):
    call(store(expires_in=-5), API)
    span, refresh = recorder.span("call"), recorder.span("refresh")
    assert refresh.parent.span_id == span.context.span_id
    assert dict(refresh.attributes) == {
        "django_dance.provider": "github",
        "django_dance.outcome": "ok",
    }
    assert span.attributes["django_dance.refresh"] == "ok"
    assert recorder.counts == {("django_dance.calls", "ok"): 1, ("django_dance.refreshes", "ok"): 1}


def test_a_call_that_is_sent_twice_is_one_call(recorder, store, responses, call):
    responses.get(API, status=401)
    responses.get(API, json={})
    responses.post(TOKEN_URL, json={"access_token": "planted-new", "token_type": "bearer"})
    call(store(), API)
    assert recorder.counts == {("django_dance.calls", "ok"): 1, ("django_dance.refreshes", "ok"): 1}


def test_a_token_that_another_process_has_refreshed_is_no_second_refresh(
    recorder, user, store, api
):
    first = store(expires_in=-5)
    second = providers["github"].session(user=user)
    assert second.token["access_token"] == "planted-token"
    first.refresh()
    second.refresh()
    assert recorder.counts == {
        ("django_dance.refreshes", "ok"): 1,
        ("django_dance.refreshes", "already_refreshed"): 1,
    }


def test_a_refresh_outside_of_a_call_leaves_the_span_of_the_request_alone(
    recorder, parent, store, api
):
    store(expires_in=-5).refresh()
    assert recorder.span("refresh").parent.span_id == parent.get_span_context().span_id
    assert dict(parent.attributes) == {}


@pytest.mark.parametrize(
    ("answer", "raises", "code"),
    [
        ({"status": 503}, ProviderUnavailable, "provider_unavailable"),
        (
            {"status": 400, "json": {"error": "invalid_grant"}},
            AuthorizationRequired,
            "revoked",
        ),
        (
            {"status": 400, "json": {"error": "odd", "error_description": "planted-words"}},
            ProviderError,
            "token_refused",
        ),
    ],
)
def test_a_failed_refresh_has_the_code_of_its_error(
    recorder, store, responses, answer, raises, code
):
    responses.post(TOKEN_URL, **answer)
    with pytest.raises(raises):
        store(expires_in=-5).get(API)
    assert recorder.span("refresh").status.status_code is trace.StatusCode.ERROR
    assert recorder.counts == {
        ("django_dance.calls", code): 1,
        ("django_dance.refreshes", code): 1,
    }


def test_a_dead_grant_is_the_outcome_of_a_call_that_the_api_has_refused(
    recorder, store, responses, call
):
    responses.get(API, status=401)
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired):
        call(store(), API)
    span = recorder.span("call")
    assert span.attributes["django_dance.outcome"] == "revoked"
    assert span.attributes["django_dance.refresh"] == "revoked"


# --- dances ---------------------------------------------------------------------------------------


def test_a_dance_is_begun_and_connected(recorder, parent, member, dance, responses):
    responses.get(API, json={"id": "planted-account"})
    dance(member).callback()
    begun, connected = recorder.spans("dance")
    request = parent.get_span_context().span_id
    assert [span.parent.span_id for span in (begun, connected)] == [request, request]
    # The call that asks for the account.
    assert recorder.span("call").parent.span_id == connected.context.span_id
    assert dict(connected.attributes) == {
        "django_dance.provider": "github",
        "django_dance.outcome": "connected",
    }
    assert recorder.counts == {
        ("django_dance.dances", "begun"): 1,
        ("django_dance.dances", "connected"): 1,
        ("django_dance.calls", "ok"): 1,
    }


@pytest.mark.parametrize(
    ("params", "answer", "code"),
    [
        ({"code": None, "error": "access_denied"}, {}, "access_denied"),
        ({"code": None, "error": "planted_error"}, {}, "provider_error"),
        ({"state": "planted-state"}, {}, "flow_unknown"),
        ({}, {"status": 503}, "provider_unavailable"),
        ({}, {"json": {"error": "planted_error"}}, "token_refused"),
    ],
)
def test_a_refused_dance_has_the_code_of_its_signal(
    recorder, member, dance, responses, events, params, answer, code
):
    begun = dance(member, granted=False)
    responses.post(TOKEN_URL, **answer)
    begun.callback(**params)
    span = recorder.spans("dance")[-1]
    assert span.status.status_code is trace.StatusCode.ERROR
    assert (span.status.description, span.events) == (None, ())
    assert events.codes == [code]
    assert recorder.counts == {
        ("django_dance.dances", "begun"): 1,
        ("django_dance.dances", code): 1,
    }


def test_a_token_that_a_receiver_does_not_store_is_not_connected(
    recorder, member, dance, connect_receiver
):
    connect_receiver(oauth_authorized, lambda sender, **kwargs: False)
    dance(member).callback()
    assert recorder.spans("dance")[-1].attributes["django_dance.outcome"] == "not_stored"


def test_the_fault_of_a_receiver_is_counted_once(recorder, member, dance, connect_receiver):
    def fail(sender, **kwargs):
        raise ZeroDivisionError("planted-text")

    connect_receiver(oauth_authorized, fail)
    begun = dance(member)
    with pytest.raises(ZeroDivisionError):
        begun.callback()
    assert recorder.counts == {
        ("django_dance.dances", "begun"): 1,
        ("django_dance.dances", "receiver_failed"): 1,
    }


def test_a_page_that_begins_no_dance_is_not_counted(recorder, member):
    assert member.get("/login/github/", HTTP_PURPOSE="prefetch").status_code == 204
    assert "django_dance.outcome" not in recorder.span("dance").attributes
    assert recorder.counts == {}


# --- sites with and without it --------------------------------------------------------------------


CALL = """
import os, sys, django, requests
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.lean_settings"
django.setup()
import responses
from django_dance.providers import providers
with responses.RequestsMock() as mock:
    mock.get("https://api.github.com/user", json={})
    assert providers["github"].session().get("/user", withhold_token=True).ok
import django_dance.connections.refresh, django_dance.sessions.httpx_auth, django_dance.views
"""


def run(code):
    """The output of a program that has made a call."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


def test_a_site_without_opentelemetry_does_not_load_it():
    assert run(CALL + 'print([name for name in sys.modules if "opentelemetry" in name])') == "[]\n"


def test_the_example_of_the_guide_prints_the_span_and_the_count_of_a_call():
    page = (ROOT / "docs" / "observability.md").read_text("utf-8")
    section = page.partition("\n## OpenTelemetry\n")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    printed = run(example + CALL)
    found, decoder = [], json.JSONDecoder()
    while printed := printed.strip():
        each, end = decoder.raw_decode(printed)
        found.append(each)
        printed = printed[end:]
    (span,) = [each for each in found if "name" in each]
    assert span["name"] == "django_dance.call"
    assert "django_dance.calls" in json.dumps(found)


def test_the_guide_lists_the_spans_counters_and_attributes(recorder, store, api):
    store(expires_in=-5).get(API)
    page = (ROOT / "docs" / "observability.md").read_text("utf-8")
    names = {name for span in recorder.spans() for name in (span.name, *span.attributes)}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    counters = {f"django_dance.{name}" for name in telemetry.COUNTERS.values()}
    assert [name for name in sorted(counters) if f"`{name}`" not in page] == []
