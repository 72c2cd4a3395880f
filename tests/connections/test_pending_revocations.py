"""The tokens of deleted users are revoked, sooner or later."""

import time
from datetime import timedelta
from io import StringIO
from urllib.parse import parse_qs

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from django_dance.connections import pending_revocations, revoke_pending
from django_dance.contrib.github import GitHub
from django_dance.models import OAuthToken, PendingRevocation
from django_dance.providers import ClientCredentials, providers

from ..conftest import REVOCATION, Browser, store_token, token_fields
from ..models import TeamToken

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


def answer_revocations(responses, status=204):
    responses.upsert("DELETE", REVOCATION, status=status)


def revoked(responses):
    return [call.request for call in responses.calls if call.request.url == REVOCATION]


def prune(**options):
    out = StringIO()
    call_command("dance_prune", stdout=out, **options)
    return out.getvalue()


def make_due():
    PendingRevocation.objects.update(next_attempt_at=timezone.now())


def delete_instance(user):
    user.delete()


def delete_queryset(user):
    User.objects.filter(pk=user.pk).delete()


def delete_in_admin(user):
    staff = User.objects.create_superuser("root")
    browser = Browser()
    browser.force_login(staff)
    response = browser.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302, response.content


@pytest.mark.parametrize("delete", [delete_instance, delete_queryset, delete_in_admin])
def test_a_deleted_users_token_is_revoked_after_the_commit(user, responses, delete):
    answer_revocations(responses)
    store_token(user)
    with transaction.atomic():
        delete(user)
        assert not revoked(responses)
    assert len(revoked(responses)) == 1
    assert not OAuthToken.objects.exists()
    assert not PendingRevocation.objects.exists()


def test_a_provider_that_is_down_is_asked_again_by_dance_prune(user, responses):
    answer_revocations(responses, status=503)
    store_token(user, account="1")
    user.delete()
    row = PendingRevocation.objects.get()
    assert (row.provider, row.account, row.attempts) == ("github", "1", 1)
    assert row.last_error
    assert "Revoked" not in prune()
    make_due()
    assert "1 could not be revoked yet" in prune()
    answer_revocations(responses)
    make_due()
    assert "Revoked 1 tokens" in prune()
    assert not PendingRevocation.objects.exists()
    assert len(revoked(responses)) == 3


def test_the_waiting_token_is_sealed_for_its_own_row(user, make_user, responses):
    answer_revocations(responses, status=503)
    store_token(user, "planted-one")
    user.delete()
    other = make_user("grace")
    store_token(other, "planted-two")
    other.delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM django_dance_pendingrevocation")
        sealed = [text for (text,) in cursor.fetchall()]
    assert len(set(sealed)) == 2
    assert "planted" not in "".join(sealed)
    one, two = PendingRevocation.objects.all()
    PendingRevocation.objects.filter(pk=one.pk).update(token=two.__dict__["token"])
    make_due()
    answer_revocations(responses)
    calls = len(revoked(responses))
    assert "Revoked 1 tokens of deleted users; 1 could not" in prune()
    assert len(revoked(responses)) == calls + 1


def test_a_rolled_back_deletion_revokes_nothing(user, responses):
    store_token(user)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        user.delete()
        assert PendingRevocation.objects.exists()
        raise ZeroDivisionError
    assert OAuthToken.objects.exists()
    assert not PendingRevocation.objects.exists()
    assert not responses.calls


def test_five_tokens_are_revoked_at_once_and_the_others_later(make_user, responses):
    answer_revocations(responses)
    for number in range(8):
        store_token(make_user(f"user{number}"), f"planted-{number}")
    User.objects.all().delete()
    assert len(revoked(responses)) == pending_revocations.AT_ONCE == 5
    assert PendingRevocation.objects.count() == 3
    prune()
    assert len(revoked(responses)) == 8
    assert not PendingRevocation.objects.exists()


def test_five_tokens_are_revoked_for_a_transaction_with_many_deletions(make_user, responses):
    answer_revocations(responses)
    with transaction.atomic():
        for number in range(7):
            user = make_user(f"user{number}")
            store_token(user, f"planted-{number}")
            with transaction.atomic():
                user.delete()
    assert len(revoked(responses)) == 5
    assert PendingRevocation.objects.count() == 2


def test_all_revocations_of_a_request_share_one_time_limit(
    make_user, responses, monkeypatch, settings
):
    settings.DANCE_TIMEOUT = 10
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def answer(request):
        now[0] += 6
        return 204, {}, ""

    responses.add_callback("DELETE", REVOCATION, answer)
    for number in range(4):
        store_token(make_user(f"user{number}"), f"planted-{number}")
    User.objects.all().delete()
    assert len(revoked(responses)) == 2
    assert PendingRevocation.objects.count() == 2


@pytest.mark.parametrize("count", [1, 2])
def test_each_row_is_taken_by_one_process(user, responses, count):
    answer_revocations(responses, status=503)
    store_token(user)
    user.delete()
    make_due()
    answer_revocations(responses)
    seen_by_two = [PendingRevocation.objects.get() for _ in range(2)]
    results = [revoke_pending([row]) for row in seen_by_two]
    assert [result["revoked"] for result in results] == [1, 0]
    assert len(revoked(responses)) == 2


def test_a_token_that_cannot_be_revoked_is_given_up_after_30_days(user, responses, caplog):
    answer_revocations(responses, status=503)
    store_token(user)
    user.delete()
    PendingRevocation.objects.update(created_at=timezone.now() - timedelta(days=31))
    make_due()
    assert "1 are given up after 30 days" in prune()
    assert not PendingRevocation.objects.exists()
    (record,) = [found for found in caplog.records if found.levelname == "ERROR"]
    assert record.code == "revocation_given_up"
    assert "planted" not in caplog.text


def test_the_pause_doubles_up_to_a_day(user, responses):
    answer_revocations(responses, status=503)
    store_token(user)
    user.delete()
    for attempts, pause in [(0, 10), (1, 20), (3, 80), (30, 24 * 60)]:
        PendingRevocation.objects.update(attempts=attempts, next_attempt_at=timezone.now())
        before = timezone.now()
        revoke_pending(PendingRevocation.objects.all())
        left = PendingRevocation.objects.get().next_attempt_at - before
        assert timedelta(minutes=pause) <= left < timedelta(minutes=pause + 5)


def test_the_dry_run_only_counts(user, responses):
    answer_revocations(responses, status=503)
    store_token(user)
    user.delete()
    make_due()
    assert "Would revoke 1 tokens" in prune(dry_run=True)
    assert len(revoked(responses)) == 1


def test_a_row_that_code_deletes_is_not_revoked(user, responses):
    store_token(user)
    OAuthToken.objects.all().delete()
    store_token(user)
    user.oauth_tokens.get().delete()
    assert not PendingRevocation.objects.exists()
    assert not responses.calls


def test_a_disconnected_token_is_revoked_once(user, responses):
    answer_revocations(responses)
    store_token(user)
    providers["github"].session(user=user).disconnect()
    user.delete()
    assert len(revoked(responses)) == 1
    assert not PendingRevocation.objects.exists()


def test_a_provider_without_revocation_keeps_no_token(user, settings):
    settings.DANCE_PROVIDERS = {
        "spotify": {"PROVIDER": "django_dance.contrib.spotify.Spotify"},
    }
    assert not providers["spotify"].can_revoke()
    row = OAuthToken(user=user, provider="spotify", token=token_fields())
    row.save()
    user.delete()
    assert not PendingRevocation.objects.exists()


def test_a_provider_that_is_not_configured_does_not_stop_the_deletion(user):
    OAuthToken(user=user, provider="gone", token=token_fields()).save()
    user.delete()
    assert not PendingRevocation.objects.exists()


def test_a_token_that_no_key_opens_does_not_stop_the_deletion(user, settings):
    store_token(user)
    settings.DANCE_ENCRYPTION_KEYS = ["another key that is long enough to be accepted"]
    user.delete()
    assert not PendingRevocation.objects.exists()
    assert not User.objects.exists()


def test_the_row_of_a_site_s_own_model_is_revoked_too(user, responses, settings):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    answer_revocations(responses)
    TeamToken(user=user, provider="github", token=token_fields()).save()
    user.delete()
    assert len(revoked(responses)) == 1


def test_missing_credentials_leave_the_token_for_later(user, responses, settings):
    answer_revocations(responses)
    store_token(user)
    settings.GITHUB_OAUTH_CLIENT_SECRET = ""
    user.delete()
    assert PendingRevocation.objects.get().last_error == "ImproperlyConfigured"
    settings.GITHUB_OAUTH_CLIENT_SECRET = "planted-github-client-secret"
    make_due()
    assert "Revoked 1 tokens" in prune()


def test_an_account_that_another_user_has_connected_is_not_revoked(user, make_user, responses):
    answer_revocations(responses, status=503)
    store_token(user, account="1")
    user.delete()
    # The same person comes back, as another user.
    store_token(make_user("grace"), account="1")
    answer_revocations(responses)
    make_due()
    prune()
    assert len(revoked(responses)) == 1
    assert not PendingRevocation.objects.exists()


def test_another_account_of_the_provider_is_no_reason_to_keep_a_token(user, make_user, responses):
    answer_revocations(responses)
    store_token(make_user("grace"), account="2")
    store_token(make_user("eve"))
    store_token(user, account="1")
    user.delete()
    assert len(revoked(responses)) == 1


@pytest.fixture
def credentials_of_users(monkeypatch):
    """Gives GitHub credentials per user, which cannot be found for a deleted user."""

    def find(provider, owner):
        User.objects.get(pk=owner.user_id)
        return ClientCredentials("github-client", "planted-github-client-secret")

    monkeypatch.setattr(GitHub, "get_client_credentials", find)


@pytest.mark.usefixtures("credentials_of_users")
def test_a_mistake_of_the_site_stops_no_other_revocation(user, make_user, responses, settings):
    answer_revocations(responses)
    lab = {**settings.DANCE_PROVIDERS["gitlab"], "CLIENT_ID": "lab", "CLIENT_SECRET": "planted"}
    settings.DANCE_PROVIDERS = {**settings.DANCE_PROVIDERS, "gitlab": lab}
    responses.add("POST", "https://gitlab.com/oauth/revoke", status=200)
    heard = []
    with transaction.atomic():
        store_token(user)
        OAuthToken(user=user, provider="gitlab", token=token_fields()).save()
        user.delete()
        transaction.on_commit(lambda: heard.append("the next hook"))
    assert heard
    assert PendingRevocation.objects.get().last_error == "DoesNotExist"
    other = make_user("grace")
    store_token(other)
    other.delete()
    make_due()
    assert "Revoked 0 tokens of deleted users; 2 could not" in prune()


def test_a_revocation_that_ends_with_an_error_does_not_disturb_the_request(
    user, monkeypatch, caplog
):
    def fail(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(pending_revocations, "revoke_pending", fail)
    heard = []
    store_token(user)
    with transaction.atomic():
        user.delete()
        transaction.on_commit(lambda: heard.append("the next hook"))
    assert heard
    assert "_revoke_at_once" in caplog.text


def test_the_token_that_replaced_the_stored_one_is_revoked(user, responses, monkeypatch):
    answer_revocations(responses)
    store_token(user)
    parked = token_fields("parked", refresh_token="planted-parked")
    storage = providers["github"].token_storage
    monkeypatch.setattr(storage, "find_parked", lambda owner, old: parked)
    user.delete()
    (request,) = revoked(responses)
    assert "parked" in str(request.body)
    assert not parse_qs(str(request.body)).get("planted")
