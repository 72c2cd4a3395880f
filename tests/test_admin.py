"""The admin sees whose token and until when, can refresh and revoke, and never sees the token."""

import io
import json

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import path

from django_dance.admin import MOST_AT_ONCE, OAuthTokenAdmin
from django_dance.models import OAuthToken
from django_dance.providers import providers

from .conftest import GRANTED, TOKEN_URL
from .models import SiteToken, TeamToken

own = admin.AdminSite("own")
own.register([TeamToken, SiteToken], OAuthTokenAdmin)
urlpatterns = [path("own/", own.urls)]

BASE = "/admin/django_dance/oauthtoken/"
REVOKE_URL = "https://oauth2.googleapis.com/revoke"


def connect(user, provider="github", account="", **fields):
    providers[provider].session(user=user, account=account).token = {**GRANTED, **fields}
    return OAuthToken.objects.get(user=user, provider=provider)


def break_seal(row):
    OAuthToken.objects.filter(pk=row.pk).update(token="AAAA")


def act(client, action, *rows, **fields):
    """Run an action on rows; returns the messages."""
    asked = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    response = client.post(BASE, asked, follow=True)
    assert response.status_code == 200
    assert "planted" not in response.content.decode()
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def staff(client, make_user):
    """A browser of a staff user with these permissions."""

    def staff(*permissions):
        somebody = make_user("staff", is_staff=True)
        somebody.user_permissions.set(
            Permission.objects.filter(codename__in=[f"{p}_oauthtoken" for p in permissions])
        )
        client.force_login(somebody)
        return client

    return staff


# --- what is seen -----------------------------------------------------------------------------


def test_the_list_shows_user_provider_account_and_expiry(admin_client, user):
    row = connect(user, last_error="server_error", account="42")
    page = admin_client.get(BASE).content.decode()
    for seen in ("github", "ada", "42", "read:user", "server_error", "icon-yes.svg"):
        assert seen in page
    assert admin_client.get(f"{BASE}{row.pk}/change/").status_code == 200


def test_no_page_and_no_fixture_shows_a_token(admin_client, user):
    row = connect(user)
    sealed = str(OAuthToken.objects.values_list("token", flat=True).get())
    pages = ["", "?q=ada", "?provider=github", "?o=7"]
    pages += [f"{row.pk}/{page}/" for page in ("change", "history", "delete")]
    for page in pages:
        response = admin_client.get(f"{BASE}{page}")
        assert response.status_code == 200, page
        assert "planted" not in response.content.decode()
        assert sealed[:20] not in response.content.decode()
    dumped = io.StringIO()
    call_command("dumpdata", "django_dance", "admin", stdout=dumped)
    assert json.loads(dumped.getvalue())
    assert "planted" not in dumped.getvalue()


@pytest.mark.parametrize("text", ["planted-access-token", "planted-refresh-token", "sealed"])
def test_a_token_cannot_be_searched_for(admin_client, user, text):
    connect(user)
    if text == "sealed":
        text = str(OAuthToken.objects.values_list("token", flat=True).get())[:20]
    assert b"0 OAuth tokens" in admin_client.get(BASE, {"q": text}).content
    for lookup in ("token", "token__startswith", "token__gt"):
        assert admin_client.get(BASE, {lookup: text}).status_code == 400


def test_users_and_accounts_can_be_searched_for(admin_client, user, make_user):
    connect(user, account="account-42")
    connect(make_user("grace"))
    for text in ("ada", "account-42"):
        assert b"1 OAuth token" in admin_client.get(BASE, {"q": text}).content


def test_an_unreadable_row_is_shown_as_unreadable(admin_client, user):
    row = connect(user)
    break_seal(row)
    for page in ("", f"{row.pk}/change/"):
        text = admin_client.get(f"{BASE}{page}").content.decode()
        assert "unreadable: no configured key opens it" in text
        assert "icon-unknown.svg" in text


def test_the_list_costs_the_same_for_ten_rows_as_for_one(
    admin_client, make_user, django_assert_max_num_queries
):
    for n in range(10):
        connect(make_user(f"user-{n}"))
    with django_assert_max_num_queries(7):
        admin_client.get(BASE)


def test_nothing_can_be_added_or_changed(admin_client, user):
    row = connect(user)
    assert admin_client.get(f"{BASE}add/").status_code == 403
    assert b'name="_save"' not in admin_client.get(f"{BASE}{row.pk}/change/").content
    response = admin_client.post(f"{BASE}{row.pk}/change/", {"provider": "gitlab"})
    assert response.status_code == 403
    row.refresh_from_db()
    assert row.provider == "github"


@pytest.mark.parametrize("model", [TeamToken, SiteToken])
def test_a_token_model_of_the_site_is_shown_with_its_own_columns(
    admin_client, settings, model, user
):
    fields = {"user": user} if model is TeamToken else {}
    row = model.objects.create(provider="github", token=GRANTED, **fields)
    settings.ROOT_URLCONF = __name__
    assert own.get_model_admin(model).check() == []
    for page in ("", f"{row.pk}/change/"):
        response = admin_client.get(f"/own/tests/{model._meta.model_name}/{page}")
        text = response.content.decode()
        assert response.status_code == 200
        assert "github" in text and "planted" not in text
        assert ("ada" in text) == (model is TeamToken)


# --- actions ----------------------------------------------------------------------------------


def test_selected_tokens_are_refreshed(admin_client, user, make_user, responses):
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "planted-newer"})
    row, other = connect(user), connect(make_user("grace"))
    assert act(admin_client, "refresh", row) == ["Refreshed: 1"]
    row.refresh_from_db()
    assert row.token["access_token"] == "planted-newer"
    other.refresh_from_db()
    assert other.token["access_token"] == GRANTED["access_token"]
    assert LogEntry.objects.get().change_message == "Refreshed."


def test_the_message_says_why_a_token_was_not_refreshed(admin_client, user, make_user, responses):
    responses.post(TOKEN_URL, status=503)
    down = connect(user)
    bare = connect(make_user("grace"), refresh_token="")
    broken = connect(make_user("linus"))
    break_seal(broken)
    closed = OAuthToken.objects.create(user=user, provider="closed", token=GRANTED)
    providers["tripit"].session(user=user).token = {
        "oauth_token": "planted",
        "oauth_token_secret": "planted",
    }
    one = OAuthToken.objects.get(provider="tripit")
    said = act(admin_client, "refresh", down, bare, broken, closed, one)
    assert sorted(said) == [
        "Not refreshed: the provider is unavailable: 1",
        "Skipped: cannot be refreshed: 2",
        "Skipped: no configured provider uses this row: 1",
        "Skipped: unreadable or deleted: 1",
    ]


def test_the_message_says_that_a_grant_was_ended(admin_client, user, responses):
    responses.post(TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    said = act(admin_client, "refresh", connect(user))
    assert said == ["Lost: the provider has ended the grant: 1"]
    assert OAuthToken.objects.get().token is None


def test_the_message_of_a_refusal_has_no_text_of_the_provider(admin_client, user, responses):
    answer = {"error": "invalid_client", "error_description": "planted"}
    responses.post(TOKEN_URL, json=answer, status=401)
    said = act(admin_client, "refresh", connect(user))
    assert said == ["Not refreshed: the provider refused; the log has the reason: 1"]


def test_selected_tokens_are_revoked_and_deleted(admin_client, user, responses):
    revoked = responses.post(REVOKE_URL, json={})
    row = connect(user, "google")
    other = connect(user)
    said = act(admin_client, "revoke", row)
    assert said == ["Deleted, and revoked if the provider supports it: 1"]
    assert revoked.call_count == 1
    assert OAuthToken.objects.get() == other
    assert LogEntry.objects.get().is_deletion()


def test_a_token_is_deleted_if_the_provider_does_not_answer(admin_client, user, responses):
    responses.post(REVOKE_URL, status=503)
    act(admin_client, "revoke", connect(user, "google"))
    assert not OAuthToken.objects.exists()


def test_a_token_that_cannot_be_revoked_is_kept_and_the_message_says_why(
    admin_client, user, make_user
):
    broken = connect(user)
    break_seal(broken)
    closed = OAuthToken.objects.create(user=user, provider="closed", token=GRANTED)
    assert sorted(act(admin_client, "revoke", broken, closed)) == [
        "Skipped: no configured provider uses this row: 1",
        "Skipped: unreadable; use Delete: 1",
    ]
    assert OAuthToken.objects.count() == 2


def test_djangos_delete_action_sends_no_request(admin_client, user, responses):
    connect(user, "google")
    act(admin_client, "delete_selected", OAuthToken.objects.get(), post="yes")
    assert not OAuthToken.objects.exists()
    assert len(responses.calls) == 0


@pytest.mark.parametrize("action", ["refresh", "revoke"])
def test_an_action_accepts_a_limited_number_of_rows(
    admin_client, make_user, responses, monkeypatch, action
):
    monkeypatch.setattr("django_dance.admin.MOST_AT_ONCE", 2)
    assert MOST_AT_ONCE == 100
    rows = [connect(make_user(f"user-{n}")) for n in range(3)]
    said = act(admin_client, action, *rows)
    assert said == ["Nothing was done. Select at most 2 rows: each may need a call to a provider."]
    assert len(responses.calls) == 0 and OAuthToken.objects.count() == 3


@pytest.mark.parametrize(
    ("permissions", "actions"),
    [
        (["view"], set()),
        (["view", "change"], {"refresh"}),
        (["view", "delete"], {"revoke", "delete_selected"}),
    ],
)
def test_an_action_needs_its_permission(staff, user, responses, permissions, actions):
    row = connect(user)
    client = staff(*permissions)
    page = client.get(BASE).content.decode()
    assert {a for a in ("refresh", "revoke", "delete_selected") if f'value="{a}"' in page} == (
        actions
    )
    for action in {"refresh", "revoke"} - actions:
        act(client, action, row)
    assert len(responses.calls) == 0 and OAuthToken.objects.count() == 1


def test_a_user_without_the_view_permission_sees_no_page(staff, user):
    connect(user)
    assert staff().get(BASE).status_code == 403
