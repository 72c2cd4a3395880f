"""dance_check asks about connections, and dance_notify tells users about the lost ones."""

import time
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import login
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_dance.contrib.github import GitHub
from django_dance.management import upkeep
from django_dance.models import OAuthToken
from django_dance.notices import Notice, NotSent
from django_dance.providers import ClientCredentials

from ..conftest import (
    API,
    GRANTED,
    TOKEN_URL,
    make_older,
    run_concurrently,
    store_expired_token,
    store_token,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sleeps(monkeypatch):
    """The pauses of the code, which takes none."""
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def run(command, **options):
    out = StringIO()
    call_command(command, stdout=out, stderr=StringIO(), **options)
    return out.getvalue().strip()


def row_of(user):
    return OAuthToken.objects.get(user=user)


def asked(responses):
    return [call.request for call in responses.calls if call.request.url == API]


def make_accepted(user, account="1", **fields):
    """Store a token that the address of the account has accepted before."""
    known = {"granted_at": time.time() - 3600, "connected_as": "octocat"}
    return store_token(user, account=account, **{**known, **fields})


# --- dance_check ----------------------------------------------------------------------------------


def test_a_connection_that_works_is_active(user, responses):
    make_accepted(user)
    responses.get(API, json={"id": 1})
    assert run("dance_check") == "active 1, lost 0, unreadable 0, unknown 0, taken 0"
    assert row_of(user).checked_at is not None
    assert row_of(user).state == "active"


def test_a_connection_is_checked_once_a_day(user, responses):
    make_accepted(user)
    responses.get(API, json={"id": 1})
    run("dance_check")
    assert run("dance_check") == "active 0, lost 0, unreadable 0, unknown 0, taken 0"
    OAuthToken.objects.update(checked_at=timezone.now() - timedelta(hours=25))
    assert run("dance_check").startswith("active 1")
    assert run("dance_check", older_than=0).startswith("active 1")
    assert len(asked(responses)) == 3


def test_a_dead_grant_is_found(user, responses):
    store_expired_token(user, account="1")
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    assert run("dance_check") == "active 0, lost 1, unreadable 0, unknown 0, taken 0"
    assert (row_of(user).state, row_of(user).reason) == ("needs_reconnect", "revoked")


def test_a_token_that_the_provider_rejects_is_found(user, responses):
    make_accepted(user, refresh_token=None)
    make_older(user)
    responses.get(API, status=401)
    assert run("dance_check") == "active 0, lost 1, unreadable 0, unknown 0, taken 0"
    row = row_of(user)
    assert (row.state, row.reason) == ("needs_reconnect", "rejected")
    assert row.token["access_token"] == "planted"


def test_a_rejected_connection_becomes_active_again(user, responses):
    make_accepted(user, refresh_token=None)
    make_older(user)
    responses.get(API, status=401)
    run("dance_check")
    responses.replace("GET", API, json={"id": 1})
    assert run("dance_check", older_than=0).startswith("active 1")
    assert row_of(user).state == "active"


def test_a_lost_grant_is_not_asked_about(user, responses):
    store_expired_token(user, account="1")
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    run("dance_check")
    calls = len(responses.calls)
    assert run("dance_check", older_than=0) == "active 0, lost 0, unreadable 0, unknown 0, taken 0"
    assert len(responses.calls) == calls


def test_a_refresh_token_is_used_before_it_expires(user, responses, settings):
    settings.DANCE_PROVIDERS = {
        "github": {**settings.DANCE_PROVIDERS["github"]},
    }
    days = 24 * 3600
    make_accepted(user, granted_at=time.time() - 91 * days, expires_at=time.time() + 3600)
    responses.post(TOKEN_URL, json={"access_token": "renewed", "token_type": "bearer"})
    assert run("dance_check").startswith("active 1")
    assert row_of(user).token["access_token"] == "renewed"


@pytest.mark.parametrize("status", [429, 500, 503, 302, 404])
def test_a_provider_that_fails_costs_no_connection(user, responses, status):
    make_accepted(user)
    responses.get(API, status=status)
    assert run("dance_check") == "active 0, lost 0, unreadable 0, unknown 1, taken 0"
    assert row_of(user).state == "active"


def test_a_token_that_was_never_accepted_is_not_asked_about(user, responses):
    store_token(user, granted_at=time.time() - 3600)
    assert run("dance_check") == "active 0, lost 0, unreadable 0, unknown 1, taken 0"
    assert not responses.calls


def test_an_unreadable_token_is_reported_as_unreadable(user, make_user, responses):
    make_accepted(user)
    store_token(make_user("other"), granted_at=time.time() - 3600)  # it was never accepted
    OAuthToken.objects.filter(user=user).update(token="AAAA")
    assert run("dance_check") == "active 0, lost 0, unreadable 1, unknown 1, taken 0"
    assert not responses.calls


def test_a_provider_that_fails_five_times_is_left_alone(make_user, responses):
    for number in range(7):
        make_accepted(make_user(f"user{number}"), account=f"{number}")
    responses.get(API, status=503)
    assert run("dance_check") == "active 0, lost 0, unreadable 0, unknown 7, taken 0"
    assert len(asked(responses)) == upkeep.PATIENCE == 5
    assert OAuthToken.objects.filter(checked_at=None).count() == 2


@pytest.mark.parametrize(
    ("command", "words"), [("dance_check", "unknown 1"), ("dance_refresh", "refused 1")]
)
def test_a_mistake_of_the_site_ends_no_run(
    user, make_user, responses, monkeypatch, caplog, command, words
):
    broken = make_user("grace")

    def find(provider, owner):
        if owner.user_id == broken.pk:
            raise ZeroDivisionError
        return ClientCredentials("github-client", "planted-github-client-secret")

    monkeypatch.setattr(GitHub, "get_client_credentials", find)
    store_expired_token(broken)
    store_expired_token(user, refresh_token="planted-refresh")
    responses.add("POST", TOKEN_URL, json={**GRANTED, "access_token": "new"})
    out = StringIO()
    with suppress(CommandError):
        call_command(command, stdout=out)
    assert words in out.getvalue()
    assert row_of(user).token["access_token"] == "new"
    assert "ZeroDivisionError" in caplog.text


def test_the_rate_is_limited_for_each_provider(make_user, responses, sleeps, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    for number in range(3):
        make_accepted(make_user(f"user{number}"), account=f"{number}")
    responses.get(API, json={"id": 1})
    run("dance_check", rate=2)
    assert [pause for pause in sleeps if pause] == [0.5, 1.0]


def test_a_limit_ends_the_run(make_user, responses):
    for number in range(3):
        make_accepted(make_user(f"user{number}"), account=f"{number}")
    responses.get(API, json={"id": 1})
    assert run("dance_check", limit=2).startswith("active 2")
    assert OAuthToken.objects.filter(checked_at=None).count() == 1


def test_a_row_is_taken_by_one_of_two_processes(user, responses):
    make_accepted(user)
    responses.get(API, json={"id": 1})
    rows = upkeep.rows_to_check()
    seen = list(rows[0])
    assert list(upkeep.check_connections(rows)) == ["active"]
    assert not upkeep._take(seen[0])
    assert len(asked(responses)) == 1


def test_a_rate_of_zero_is_refused():
    with pytest.raises(CommandError, match="--rate must be a positive number"):
        run("dance_check", rate=0)


# --- dance_notify ---------------------------------------------------------------------------------


@pytest.fixture
def lost(user, settings, responses):
    """A user whose connection is lost, and who has a mail address."""
    settings.DANCE_NOTIFY = "django_dance.notices.send_mail"
    user.email = "ada@example.com"
    user.save()
    store_expired_token(user, account="1", connected_as="octocat")
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    run("dance_check")
    return user


def test_a_user_gets_one_mail_for_a_lost_connection(lost):
    assert run("dance_notify") == "sent 1, skipped 0, failed 0"
    assert run("dance_notify") == "sent 0, skipped 0, failed 0"
    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject == "Connect GitHub again"
    assert "octocat" in message.body
    assert "planted" not in message.body
    assert row_of(lost).notified_at is not None


def test_the_mail_has_the_address_of_the_connections(lost, settings):
    settings.DANCE_BASE_URL = "https://example.com"
    run("dance_notify")
    (message,) = mail.outbox
    assert "https://example.com/login/connections/" in message.body


def test_a_second_loss_is_a_second_mail(lost, responses):
    run("dance_notify")
    store_expired_token(lost, account="1", connected_as="octocat")
    assert row_of(lost).state == "active"
    run("dance_check", older_than=0)
    assert run("dance_notify").startswith("sent 1")
    assert len(mail.outbox) == 2


def test_a_connection_that_works_again_is_not_announced(lost):
    store_token(lost, account="1", connected_as="octocat")
    assert run("dance_notify") == "sent 0, skipped 0, failed 0"
    assert not mail.outbox


def test_a_user_without_an_address_is_skipped(lost):
    type(lost).objects.update(email="")
    assert run("dance_notify") == "sent 0, skipped 1, failed 0"


def test_an_inactive_user_gets_no_mail(lost):
    type(lost).objects.update(is_active=False)
    assert run("dance_notify") == "sent 0, skipped 1, failed 0"
    assert not mail.outbox


def test_a_function_of_the_site_gets_the_notice(lost, settings):
    heard = []
    settings.DANCE_NOTIFY = heard.append
    run("dance_notify")
    (notice,) = heard
    assert isinstance(notice, Notice)
    assert (notice.kind, notice.user, notice.account) == ("connection_lost", lost, "octocat")
    assert notice.connection.reason == "revoked"
    assert "planted" not in repr(notice)


def test_a_mail_server_that_is_down_loses_no_notice(lost, settings):
    def refuse(notice):
        raise NotSent("The mail server cannot be reached.")

    settings.DANCE_NOTIFY = refuse
    with pytest.raises(CommandError, match="cannot be reached"):
        run("dance_notify")
    assert row_of(lost).notified_at is None
    settings.DANCE_NOTIFY = "django_dance.notices.send_mail"
    assert run("dance_notify").startswith("sent 1")


def test_a_connection_that_is_refused_is_a_mail_server_that_is_down(lost, monkeypatch):
    def refuse(self, **options):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    with pytest.raises(CommandError, match="cannot be reached"):
        run("dance_notify")
    assert row_of(lost).notified_at is None


def test_a_notice_that_may_have_been_sent_is_not_sent_again(lost, settings, caplog):
    def fail(notice):
        raise TimeoutError

    settings.DANCE_NOTIFY = fail
    with pytest.raises(CommandError, match="Some notices failed"):
        run("dance_notify")
    assert row_of(lost).notified_at is not None
    assert run("dance_notify") == "sent 0, skipped 0, failed 0"


def test_a_row_is_announced_by_one_of_two_processes(lost):
    seen = list(upkeep.rows_to_notify()[0])
    run("dance_notify")
    assert not upkeep._mark(seen[0], None, timezone.now())


def test_without_the_setting_the_command_says_how_to_set_it(lost, settings):
    settings.DANCE_NOTIFY = None
    with pytest.raises(CommandError, match="names no function"):
        run("dance_notify")


def test_the_dry_run_tells_nobody(lost):
    assert run("dance_notify", dry_run=True) == "Would tell the users of 1 lost connections."
    assert not mail.outbox


def test_a_label_cannot_add_lines_to_a_mail(lost):
    OAuthToken.objects.update(label="octocat\r\nBcc: all@example.com\u202e")
    run("dance_notify")
    (message,) = mail.outbox
    assert "\nBcc" not in message.body
    assert "\u202e" not in message.body


# --- the mail about sign-in -----------------------------------------------------------------------


def test_a_user_is_told_that_a_connection_may_be_used_for_sign_in(
    user, settings, django_capture_on_commit_callbacks, make_request
):
    settings.DANCE_NOTIFY = "django_dance.notices.send_mail"
    user.email = "ada@example.com"
    user.save()
    github = {**settings.DANCE_PROVIDERS["github"], "SIGN_IN": True}
    settings.DANCE_PROVIDERS = {**settings.DANCE_PROVIDERS, "github": github}
    store_token(user, account="1", connected_as="octocat")
    request = make_request(user)
    login(request, user)
    with django_capture_on_commit_callbacks(execute=True):
        request.oauth.github.allow_sign_in()
    (message,) = mail.outbox
    assert message.subject == "You can now sign in with GitHub"
    assert "octocat" in message.body


# --- tasks ----------------------------------------------------------------------------------------


def test_the_tasks_do_the_same(user, responses):
    from django_dance import tasks

    make_accepted(user)
    responses.get(API, json={"id": 1})
    assert tasks.check_connections.call() == {"active": 1}


# --- several processes ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_commands_at_once_one_sends_the_mail(lost):
    def notify():
        return run("dance_notify")

    outcomes = run_concurrently(*[notify] * 12)
    assert sum(outcome.startswith("sent 1") for outcome in outcomes) == 1, outcomes
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_commands_at_once_one_asks_about_a_connection(user, responses):
    make_accepted(user)
    responses.get(API, json={"id": 1})

    def check():
        return run("dance_check")

    outcomes = run_concurrently(*[check] * 12)
    assert sum(outcome.startswith("active 1") for outcome in outcomes) == 1, outcomes
    assert len(asked(responses)) == 1
