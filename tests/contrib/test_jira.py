"""Jira: the content type of calls."""

import pytest

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_calls_to_jira_have_the_content_type_json(connected, responses):
    responses.get("https://jira.example.com/rest/api/2/myself", json={})
    connected("jira").get("rest/api/2/myself")
    assert responses.calls[0].request.headers["Content-Type"] == "application/json"


def test_a_file_is_uploaded_to_jira_as_multipart(connected, responses):
    responses.post("https://jira.example.com/upload", json={})
    connected("jira").post("upload", files={"file": ("a.txt", b"planted text")})
    request = responses.calls[0].request
    kind, _, boundary = request.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    assert request.body.startswith(f"--{boundary}".encode())


def test_a_call_to_jira_may_have_another_content_type(connected, responses):
    responses.post("https://jira.example.com/upload", json={})
    connected("jira").post("upload", data=b"x", headers={"Content-Type": "text/plain"})
    assert responses.calls[0].request.headers["Content-Type"] == "text/plain"
