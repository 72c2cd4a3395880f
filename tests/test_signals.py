"""The signals of a dance, and the decisions of their receivers."""

import pytest
import requests
from django.contrib.auth import login
from django.http import HttpResponse

from django_dance.contrib.github import GitHub
from django_dance.models import OAuthToken
from django_dance.signals import oauth_authorized, oauth_error

from .conftest import assert_refused


def test_a_response_from_oauth_authorized_is_sent_and_nothing_is_stored(
    member, dance, connect_receiver
):
    connect_receiver(oauth_authorized, lambda **kwargs: HttpResponse("first"))
    connect_receiver(oauth_authorized, lambda **kwargs: HttpResponse("second"))
    response = dance(member).callback()
    assert response.content == b"first"
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize(("returned", "stored"), [(False, 0), (None, 1), (0, 1), (True, 1)])
def test_false_from_oauth_authorized_means_do_not_store(
    member, dance, connect_receiver, returned, stored
):
    connect_receiver(oauth_authorized, lambda **kwargs: returned)
    assert dance(member, next="/x").callback()["Location"] == "/x"
    assert OAuthToken.objects.count() == stored


def test_a_receiver_can_call_the_api_and_log_a_user_in(
    client, user, dance, responses, connect_receiver, events
):
    responses.get("https://api.github.com/user", json={"login": "ada"})

    def log_in(request, session, **kwargs):
        assert session.get("/user").json() == {"login": "ada"}
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")

    connect_receiver(oauth_authorized, log_in)
    assert dance(client).callback().status_code == 302
    assert OAuthToken.objects.get().user == user
    assert client.get("/whoami/").content.decode() == str(user.pk)


def test_a_receiver_whose_api_call_fails_is_not_a_500(
    member, dance, responses, connect_receiver, events
):
    responses.get("https://api.github.com/user", body=requests.ConnectionError())
    connect_receiver(oauth_authorized, lambda session, **kwargs: session.get("/user"))
    assert_refused(dance(member).callback(), "receiver_failed", events)


@pytest.mark.parametrize(
    ("path", "change"), [("start", {}), ("state", {"state": "x"}), ("code", {"error": "x"})]
)
def test_a_response_from_oauth_error_is_sent_on_every_path(
    member, dance, connect_receiver, path, change
):
    connect_receiver(oauth_error, lambda **kwargs: HttpResponse("mine", status=418))
    if path == "start":
        member.scheme = "http"
        response = member.get("/login/github/")
    else:
        response = dance(member).callback(**change)
    assert (response.status_code, response.content) == (418, b"mine")


def test_signals_have_the_owner_and_the_request(member, user, dance, events):
    dance(member).callback()
    for name, heard in events:
        assert heard["sender"] is GitHub, name
        assert heard["provider"].name == "github"
        assert heard["owner"].user_id == user.pk
        assert heard["request"].path.startswith("/login/github/")
