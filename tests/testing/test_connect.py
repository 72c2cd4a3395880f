"""``connect`` and ``OAuthRequestFactory``: a connection and a request without a dance."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import JsonResponse

from django_dance.decorators import authorization_required
from django_dance.exceptions import (
    AuthorizationRequired,
    FlowError,
    PlaceError,
    ProviderNotConfigured,
)
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.testing import OAuthRequestFactory


def test_a_connected_user_has_a_token(connect, user):
    session = connect(user, "github")
    assert session.authorized
    assert session.scopes == {"read:user"}
    row = OAuthToken.objects.get()
    assert (row.user, row.state, row.account) == (user, "active", "")


def test_the_token_can_be_chosen(connect, user):
    assert connect(user, "github", token="planted").access_token == "planted"
    session = connect(user, "github", token={"access_token": "other", "note": "x"}, scope="repo")
    assert (session.access_token, session.token["note"]) == ("other", "x")
    assert session.scopes == {"repo"}


def test_an_expired_token_without_a_provider_that_refreshes_it_is_no_use(connect, user):
    session = connect(user, "github", expired=True)
    assert session.token.expired
    with pytest.raises(AuthorizationRequired, match="expired"):
        session.require()


def test_a_user_is_connected_at_a_place(connect, user, override_providers):
    mastodon = {"PROVIDER": "django_dance.contrib.mastodon.Mastodon", "PLACES": ["a.example"]}
    override_providers(mastodon=mastodon)
    session = connect(user, "mastodon", place="a.example", account="1")
    assert (session.provider.place, session.account_id) == ("a.example", "1")
    assert OAuthToken.objects.get().place == "a.example"
    with pytest.raises(PlaceError, match=r"does not allow b\.example"):
        connect(user, "mastodon", place="b.example")


def test_accounts_are_connected_beside_each_other(connect, user):
    connect(user, "github", account="1", label="ada")
    second = connect(user, "github", account="2")
    assert second.account_id == "2"
    labels = [each.account_label for each in providers["github"].session(user=user).accounts]
    assert sorted(labels) == ["2", "ada"]


def test_an_account_of_another_user_is_refused_as_in_a_dance(connect, make_user):
    connect(make_user("ada"), "github", account="1")
    cure = r'^account_taken: .*connect\(user, "github", account="2"\)\.$'
    with pytest.raises(FlowError, match=cure):
        connect(make_user("grace"), "github", account="1")


def test_the_account_is_that_of_the_fake_provider(connect, fake_provider, user):
    github = fake_provider("github")
    session = connect(user, "github")
    assert (session.account_id, session.account_label) == (github.account, github.label)
    github.assert_not_asked()


def test_a_user_can_be_connected_to_oauth_1(connect, user):
    session = connect(user, "tripit", token="planted")
    assert session.token["oauth_token"] == "planted"
    assert session.authorized


def test_an_anonymous_visitor_is_connected_by_the_browser(connect, fake_provider, client):
    fake_provider("github").route("GET", "/user", {"login": "ada"})
    connect(client, "github")
    assert client.get("/profile/").json() == {"login": "ada"}
    assert not OAuthToken.objects.exists()


def test_a_visitor_is_connected_by_a_request(connect, oauth_request_factory, user):
    request = oauth_request_factory.get("/", user=user)
    connect(request, "github")
    assert request.oauth.github.authorized
    assert providers["github"].session(user=user).authorized


def test_a_provider_that_does_not_exist_is_named(connect, user):
    with pytest.raises(ProviderNotConfigured, match="Did you mean 'github'"):
        connect(user, "githup")


# --- requests -------------------------------------------------------------------------------------


@authorization_required("github")
def view(request):
    return JsonResponse({"path": request.path, "scopes": sorted(request.oauth.github.scopes)})


def test_a_request_of_the_factory_can_be_given_to_a_view(connect, oauth_request_factory, user):
    connect(user, "github")
    assert view(oauth_request_factory.get("/profile/", user=user)).status_code == 200


def test_a_request_has_an_anonymous_visitor_by_default(oauth_request_factory, db):
    request = oauth_request_factory.post("/", {"a": "1"})
    assert isinstance(request.user, AnonymousUser)
    assert request.POST["a"] == "1"
    request.session["note"] = 1
    with pytest.raises(AuthorizationRequired, match="no_token"):
        view(request)


async def read_user(request):
    return await request.auser()


def test_a_request_has_the_user_for_async_views(user):
    from asgiref.sync import async_to_sync

    assert async_to_sync(read_user)(OAuthRequestFactory().get("/", user=user)) == user
