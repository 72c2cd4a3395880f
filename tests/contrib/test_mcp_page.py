"""The example in the guide: users add MCP servers, list the tools of one, and call a tool."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.template.loader import render_to_string
from django.urls import include, path

from .test_mcp import PLACE, forbidden, person, remote  # noqa: F401  fixtures

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
    pytest.mark.repository,
]
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def page(settings, remote):  # noqa: F811
    """The URL of the page."""
    spec = spec_from_file_location("mcp_tools_example", EXAMPLES / "mcp_tools.py")
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    sys.modules["mcp_tools_urls"] = SimpleNamespace(
        urlpatterns=[path("login/", include("django_dance.urls")), *example.urlpatterns]
    )
    settings.ROOT_URLCONF = "mcp_tools_urls"
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [EXAMPLES / "templates"]}]
    yield "/tools/"
    del sys.modules["mcp_tools_urls"]


def test_a_user_adds_a_server_lists_its_tools_and_calls_one(page, person, remote):  # noqa: F811
    first = person.client.get(page)
    assert first.status_code == 200 and 'name="place"' in first.content.decode()
    person.connect()
    listed = person.client.get(page, {"server": PLACE})
    assert "<dt>add</dt>" in listed.content.decode() and PLACE in listed.content.decode()
    called = person.client.post(
        f"{page}?server={PLACE}", {"tool": "add", "arguments": '{"a": 1, "b": 2}'}
    )
    assert "<pre>3</pre>" in called.content.decode()


def test_arguments_that_are_not_an_object_are_not_sent(page, person, remote):  # noqa: F811
    person.connect()
    for arguments in ("x", "[]"):
        sent = {"tool": "add", "arguments": arguments}
        answer = person.client.post(f"{page}?server={PLACE}", sent)
        assert "This is not" in answer.content.decode()
    assert "tools/call" not in str([received.body for _, received in remote.received])


def test_a_user_who_has_not_connected_is_led_to_the_server(page, person):  # noqa: F811
    answer = person.client.get(page, {"server": PLACE})
    assert answer.status_code == 302 and answer["Location"].startswith("/login/mcp/?")


def test_the_template_escapes_the_texts_of_a_server(page, rf):
    tools = [SimpleNamespace(name="<b>", description="<script>")]
    context = {"server": PLACE, "tools": tools, "answer": ["<i>"], "form": "", "servers": [PLACE]}
    html = render_to_string("mcp_tools.html", context, request=rf.get("/"))
    assert not {"<b>", "<script>", "<i>"} & {*html.split()}
    assert "&lt;script&gt;" in html
