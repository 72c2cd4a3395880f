"""The parts of a site that know the place: pages, API, decorators, templates, commands, admin."""

import io
import json
import pickle
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.http import HttpResponse
from django.template import Context, Template
from django.views.generic import View

from django_dance.decorators import authorization_required
from django_dance.exceptions import AuthorizationRequired, SealBroken
from django_dance.management.export import export_connections
from django_dance.middleware import OAuthMiddleware
from django_dance.mixins import AuthorizationRequiredMixin
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.tokens import ResourceOwner

LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "places"}
CONNECTIONS = "/login/connections/"


@pytest.fixture
def store(mastodon, user):
    """Stores a connection to a place."""

    def store(place, account="1", user=user, **fields):
        provider = providers["mastodon"].variant(place)
        owner = ResourceOwner(provider, user=user, account=account)
        token = {"access_token": f"planted-{place}", "connected_account": account, **fields}
        provider.token_storage.set(owner, {"connected_as": f"ada at {place}", **token})
        return OAuthToken.objects.get(user=user, place=place, account=account)

    return store


def test_the_page_of_connections_shows_the_places(store, member):
    one, two = store("one.example"), store("two.example")
    page = member.get(CONNECTIONS).content.decode()
    assert "<dd><bdi>one.example</bdi></dd>" in page and "<dd><bdi>two.example</bdi></dd>" in page
    assert page.count("<section") == 1
    assert "Default account" not in page  # each is the only account at its place
    assert f"/disconnect/mastodon/{one.pk}/" in page and f"/disconnect/mastodon/{two.pk}/" in page


def test_the_page_offers_a_further_place(store, member):
    store("one.example")
    page = member.get(CONNECTIONS).content.decode()
    assert "Connect another account of Mastodon" in page


def test_a_connection_to_a_place_that_is_not_allowed_can_be_ended(store, member, mastodon):
    row = store("one.example")
    mastodon(["two.example"])
    page = member.get(CONNECTIONS)
    assert "one.example" in page.content.decode()
    question = member.get(f"{CONNECTIONS}disconnect/mastodon/{row.pk}/")
    assert b'<strong dir="ltr">one.example</strong>' in question.content
    member.post(f"{CONNECTIONS}disconnect/mastodon/{row.pk}/")
    assert not OAuthToken.objects.exists()


def test_a_lost_connection_offers_its_own_place(store, member):
    row = store("one.example")
    OAuthToken.objects.filter(pk=row.pk).update(state="needs_reconnect", reason="issuer_changed")
    (entry,) = member.get(f"{CONNECTIONS}api/").json()["connections"]
    assert entry["place"] == "one.example"
    assert entry["reason_words"] == "Mastodon has another login server now."
    begun = member.get(entry["login_url"])
    assert begun["Location"].startswith("https://one.example/oauth/authorize?")


def test_the_api_returns_the_login_link_of_a_place(mastodon, member):
    answer = member.get(f"{CONNECTIONS}api/login/mastodon/?place=One.example")
    begun = member.get(answer.json()["login_url"])
    assert begun["Location"].startswith("https://one.example/oauth/authorize?")
    answer = member.get(f"{CONNECTIONS}api/login/mastodon/?place=127.0.0.1")
    assert (answer.status_code, answer.json()) == (400, {"error": "place_invalid"})
    (listed,) = member.get(f"{CONNECTIONS}api/").json()["providers"]
    assert listed["needs_place"] is True


def test_default_accounts_are_chosen_at_each_place(store, user, make_request):
    store("one.example", "1")
    store("one.example", "2")
    store("two.example", "1")
    session = make_request(user).oauth.mastodon
    assert session.at("one.example").account("1").make_default()
    assert session.at("one.example").account_id == "1"
    assert session.at("two.example").account_id == "1"
    assert [each.account_id for each in session.at("one.example").accounts] == ["1", "2"]
    defaults = {
        (c.place, c.account) for c in providers["mastodon"].connections(user) if c.is_default
    }
    assert defaults == {("one.example", "1"), ("two.example", "1")}


# --- views ----------------------------------------------------------------------------------------


def run(view, request, **kwargs):
    def get_response(request):
        try:
            return view(request, **kwargs)
        except Exception as error:
            response = middleware.process_exception(request, error)
            if response is None:
                raise
            return response

    middleware = OAuthMiddleware(get_response)
    return middleware(request)


def test_the_decorator_takes_a_place(store, rf, user):
    store("one.example")

    @authorization_required("mastodon", place="one.example")
    def fixed(request):
        return HttpResponse("in")

    @authorization_required("mastodon", place=lambda request, place: place, answer="json")
    def named(request, place):
        return HttpResponse(place)

    request = rf.get("/")
    request.user = user
    assert run(fixed, request).content == b"in"
    assert run(named, request, place="one.example").content == b"one.example"
    refused = run(named, request, place="two.example")
    assert refused.status_code == 401
    assert json.loads(refused.content)["place"] == "two.example"


def test_an_async_view_takes_a_place(db, mastodon, make_request):
    @authorization_required("mastodon", place=lambda request, place: place)
    async def view(request, place):
        return HttpResponse(place)

    with pytest.raises(AuthorizationRequired) as caught:
        async_to_sync(view)(make_request(), place="one.example")
    assert caught.value.place == "one.example"


def test_the_mixin_takes_a_place(store, rf, user):
    store("one.example")

    class Timeline(AuthorizationRequiredMixin, View):
        provider = "mastodon"

        def get_place(self):
            return self.kwargs["place"]

        def get(self, request, place):
            return HttpResponse(place)

    request = rf.get("/", headers={"accept": "application/json"})
    request.user = user
    assert run(Timeline.as_view(), request, place="one.example").content == b"one.example"
    assert run(Timeline.as_view(), request, place="two.example").status_code == 401


def test_the_template_tag_takes_a_place(mastodon, member, user, make_request):
    text = "{% load dance %}{% oauth_login_url 'mastodon' place='one.example' next='/after/' %}"
    link = Template(text).render(Context({"request": make_request(user)}))
    begun = member.get(link.replace("&amp;", "&"))
    assert begun["Location"].startswith("https://one.example/")


def test_the_error_can_be_pickled(mastodon, user):
    session = providers["mastodon"].at("one.example").session(user=user)
    with pytest.raises(AuthorizationRequired) as caught:
        session.get("x")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.place == "one.example" and again.provider.place == "one.example"
    assert quote("one.example") not in again.login_url.partition("?")[0]


# --- work without a request -----------------------------------------------------------------------


def test_the_commands_name_the_place(store, user):
    store("one.example")
    out = io.StringIO()
    call_command("dance_tokens", stdout=out)
    assert "mastodon at one.example" in out.getvalue()
    out = io.StringIO()
    call_command("dance_tokens", "--json", stdout=out)
    assert json.loads(out.getvalue())["place"] == "one.example"
    (exported,) = export_connections(user)
    assert exported["place"] == "one.example"


def test_the_admin_shows_the_place(store, admin_client):
    store("one.example")
    page = admin_client.get("/admin/django_dance/oauthtoken/").content.decode()
    assert "one.example" in page
    page = admin_client.get("/admin/django_dance/oauthtoken/?q=two.example").content.decode()
    assert "one.example" not in page


def test_a_seal_does_not_open_at_another_place(store):
    one, two = store("one.example"), store("two.example")
    sealed = OAuthToken.objects.filter(pk=one.pk).values_list("token", flat=True).get()
    OAuthToken.objects.filter(pk=two.pk).update(token=str(sealed))
    with pytest.raises(SealBroken):
        _ = OAuthToken.objects.get(pk=two.pk).token


@pytest.mark.django_db(transaction=True)
def test_the_cache_keeps_the_places_apart(store, user, settings, django_assert_num_queries):
    settings.CACHES = {"default": LOCAL}
    settings.DANCE_CACHE = "default"
    rows = [store("one.example"), store("two.example")]
    providers["mastodon"].at("two.example").session(user=user).load_token()
    for row in rows:
        providers["mastodon"].at(row.place).session(user=user).load_token()
    with django_assert_num_queries(0):
        for row in rows:
            session = providers["mastodon"].at(row.place).session(user=user)
            assert session.token["access_token"] == f"planted-{row.place}"
    # A view changes one row; the entry of the other place stays.
    rows[0].token = {"access_token": "planted-new"}
    rows[0].save()
    at_one = providers["mastodon"].at("one.example").session(user=user)
    assert at_one.token["access_token"] == "planted-new"
    with django_assert_num_queries(0):
        providers["mastodon"].at("two.example").session(user=user).load_token()


def test_a_row_without_a_place_opens_with_the_seal_from_before(user):
    """The identity of the seal has no place in it."""
    field = OAuthToken._meta.get_field("token")
    row = OAuthToken(provider="github", user=user, account="1")
    assert json.loads(field.identity(row)) == [
        "django_dance.oauthtoken",
        "github",
        str(user.pk),
        "1",
    ]


def test_dance_refresh_skips_a_place_that_is_not_allowed(mastodon, internet, user, settings):
    settings.DANCE_PROVIDERS = {
        "gitlab": {
            "PROVIDER": "django_dance.contrib.gitlab.GitLab",
            "PLACES": ["two.example"],
            "CREDENTIALS": "tests.places.conftest.credentials",
        }
    }
    provider = providers["gitlab"].variant("one.example")
    owner = ResourceOwner(provider, user=user, account="1")
    provider.token_storage.set(
        owner, {"access_token": "planted", "refresh_token": "planted-r", "expires_at": 1}
    )
    out = io.StringIO()
    call_command("dance_refresh", stdout=out, stderr=io.StringIO())
    assert "skipped" in out.getvalue()
    assert internet.resolved == []
