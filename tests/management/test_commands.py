"""The commands, as a site's owner runs them: in a terminal, from cron, on several hosts."""

import io
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_dance import fields
from django_dance.management import token_tables as rows
from django_dance.models import OAuthToken, PendingRevocation
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, current_key_starts, seal, uses_current_key

from ..conftest import GRANTED, TOKEN_URL
from ..models import SiteToken, TeamToken

OLD, NEW = "planted-old-key-" * 3, "planted-new-key-" * 3
SPENT = {"access_token": "planted-spent", "token_type": "bearer"}


@pytest.fixture
def run(db):
    """Runs a command; returns its output."""

    def run(*arguments, **options):
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*arguments, stdout=out, stderr=err, **options)
        finally:
            run.out, run.err = out.getvalue(), err.getvalue()
            assert "planted" not in run.out + run.err
        return run.out

    return run


def connect(user, provider="github", account="", ends_in=3600, **fields):
    """The row of a user who has connected."""
    owner = ResourceOwner(providers[provider], user=user, account=account)
    token = {**GRANTED, "expires_at": time.time() + ends_in, **fields}
    ModelStorage().set(owner, token)
    return OAuthToken.objects.get(user=user, provider=provider, account=account)


def break_seal(row):
    type(row).objects.filter(pk=row.pk).update(token="AAAA")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


# --- dance_tokens -----------------------------------------------------------------------------


def test_tokens_are_listed_in_a_table(run, user):
    row = connect(user, account="42")
    heading, titles, line = run("dance_tokens").splitlines()
    assert heading == "django_dance.OAuthToken"
    assert " ".join(titles.split()) == (
        "id provider user account scope expires refreshable state last error"
    )
    assert line.split()[:5] == [str(row.pk), "github", "ada", "42", "read:user"]
    assert line.split()[-2:] == ["yes", "active"]


def test_tokens_are_listed_as_json_lines(run, user):
    row = connect(user, account="42")
    OAuthToken.objects.update(last_error="provider_unavailable")
    (line,) = lines(run("dance_tokens", "--json"))
    assert line.pop("expires_at").startswith(str(row.expires_at.date()))
    assert line == {
        "table": "django_dance.OAuthToken",
        "id": row.pk,
        "provider": "github",
        "user": user.pk,
        "username": "ada",
        "account": "42",
        "place": "",
        "scope": "read:user",
        "refreshable": True,
        "last_error": "provider_unavailable",
        "last_error_description": "",
        "readable": True,
        "state": "active",
        "reason": "",
    }


def test_a_token_that_cannot_be_refreshed_is_listed_with_the_words_of_the_provider(
    run, user, responses
):
    words = "Der Zugang\x1b ist gesperrt"
    responses.post(TOKEN_URL, status=400, json={"error": "odd", "error_description": words})
    connect(user, account="1")
    connect(user, account="2", ends_in=-5)
    with pytest.raises(CommandError):
        run("dance_refresh")
    (line,) = lines(run("dance_tokens", "--failing", "--json"))
    assert (line["account"], line["last_error"]) == ("2", "odd")
    assert line["last_error_description"] == "Der Zugang ist gesperrt"
    assert "odd: Der Zugang ist gesperrt" in run("dance_tokens", "--failing")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], {"fine", "failing", "broken", "expired", "hers"}),
        (["--provider", "github"], {"fine", "broken", "hers"}),
        (["--provider", "github", "--provider", "google"], {"fine", "expired", "broken", "hers"}),
        (["--user", "ada"], {"fine", "failing", "broken", "expired"}),
        (["--expired"], {"expired"}),
        (["--failing"], {"failing"}),
        (["--unreadable"], {"broken"}),
        (["--failing", "--expired"], set()),
    ],
)
def test_filters_narrow_the_list(run, user, make_user, arguments, found):
    made = {
        "fine": connect(user, account="1"),
        "failing": connect(user, "gitlab", last_error="server_error"),
        "broken": connect(user, account="2"),
        "expired": connect(user, "google", ends_in=-5),
        "hers": connect(make_user("grace")),
    }
    break_seal(made["broken"])
    names = {row.pk: name for name, row in made.items()}
    listed = lines(run("dance_tokens", "--json", *arguments))
    assert {names[line["id"]] for line in listed} == found


def test_the_user_option_accepts_a_primary_key(run, user):
    row = connect(user)
    (line,) = lines(run("dance_tokens", "--json", "--user", str(user.pk)))
    assert line["id"] == row.pk


def test_an_unknown_user_is_an_error(run):
    with pytest.raises(CommandError, match="There is no user 'nobody': give a username or a pk"):
        run("dance_tokens", "--user", "nobody")


def test_a_user_name_that_is_also_a_primary_key_is_refused(run, user, make_user):
    make_user(str(user.pk))
    with pytest.raises(CommandError, match="the name of one user and the primary key of another"):
        run("dance_tokens", "--user", str(user.pk))


def test_an_unreadable_token_is_listed_as_unreadable(run, user):
    break_seal(connect(user))
    assert "unreadable" in run("dance_tokens")
    (line,) = lines(run("dance_tokens", "--json"))
    assert (line["readable"], line["refreshable"]) == (False, None)


def test_control_characters_in_a_name_are_escaped(run, make_user):
    connect(make_user("a\x1b[2Jda"))
    assert "a?[2Jda" in run("dance_tokens") and "\x1b" not in run.out


def test_a_token_model_of_the_site_is_listed_by_its_own_columns(run, user, settings):
    settings.DANCE_PROVIDERS = {
        **settings.DANCE_PROVIDERS,
        "github": {
            **settings.DANCE_PROVIDERS["github"],
            "STORAGE": {
                "BACKEND": "django_dance.storage.ModelStorage",
                "OPTIONS": {"model": "tests.TeamToken"},
            },
        },
        "gitlab": {
            **settings.DANCE_PROVIDERS["gitlab"],
            "STORAGE": {
                "BACKEND": "django_dance.storage.ModelStorage",
                "OPTIONS": {"model": "tests.SiteToken"},
            },
        },
    }
    providers["github"].session(user=user).token = GRANTED
    providers["gitlab"].session().token = {**GRANTED, "expires_in": -1}
    assert TeamToken.objects.exists() and SiteToken.objects.exists()
    team, site = lines(run("dance_tokens", "--json"))
    assert (team["table"], team["username"], team["scope"]) == (
        "tests.TeamToken",
        "ada",
        "read:user",
    )
    assert (site["table"], site["user"]) == ("tests.SiteToken", None)
    assert site["expires_at"] < timezone.now().isoformat()
    (expired,) = lines(run("dance_tokens", "--json", "--expired"))
    assert expired["table"] == "tests.SiteToken"
    assert "tests.TeamToken" in run("dance_tokens", "--user", "ada")
    assert "tests.SiteToken" not in run.out


# --- streaming --------------------------------------------------------------------------------


@pytest.fixture
def many(make_user, monkeypatch):
    """More rows than a batch holds; batches of four."""
    for n in range(10):
        connect(make_user(f"user-{n}"))
    monkeypatch.setattr(rows.batches, "__defaults__", (4,))


def test_rows_are_read_in_batches_ordered_by_primary_key(many):
    found = list(rows.batches(OAuthToken.objects.all()))
    assert [len(batch) for batch in found] == [4, 4, 2]
    keys = [row.pk for batch in found for row in batch]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dance_tokens",),
        ("dance_tokens", "--json"),
        ("dance_reencrypt", "--dry-run"),
        ("dance_prune", "--unreadable", "--dry-run"),
    ],
)
def test_no_command_reads_more_than_one_batch_at_a_time(run, many, arguments, settings):
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]  # so that there is work to do
    with CaptureQueriesContext(
        connection,
    ) as queries:
        run(*arguments)
    reads = [
        q["sql"]
        for q in queries
        if "COUNT(" not in q["sql"] and "SELECT" in q["sql"] and "oauthtoken" in q["sql"]
    ]
    assert len(reads) == 4 and all("LIMIT 4" in sql for sql in reads)


def test_rows_that_are_deleted_during_the_command_are_skipped(many):
    seen = []
    for batch in rows.batches(OAuthToken.objects.all()):
        seen += batch
        OAuthToken.objects.filter(pk__in=[row.pk for row in batch]).delete()
    assert len(seen) == 10


def test_the_list_makes_one_query_for_a_batch_and_opens_each_seal_once(run, many, monkeypatch):
    opened, unseal = [], fields.unseal
    monkeypatch.setattr(
        fields, "unseal", lambda sealed, **bound: opened.append(sealed) or unseal(sealed, **bound)
    )
    with CaptureQueriesContext(connection) as queries:
        assert len(lines(run("dance_tokens", "--json"))) == 10
    assert len(queries) == 4 and len(opened) == len(set(opened)) == 10
    assert not any("password" in query["sql"] for query in queries)


# --- the progress bar -------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_progress_bar_is_drawn_on_a_terminal(run, user, settings):
    connect(user)
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    terminal, threads = Terminal(), threading.active_count()
    call_command("dance_reencrypt", stdout=io.StringIO(), stderr=terminal, no_color=True)
    last = terminal.getvalue().split("\r")[-1]
    assert last.startswith("100%|") and "| 1/1 [" in last and last.endswith(" tokens/s]\n")
    assert threading.active_count() == threads


def test_dance_prune_draws_a_bar_for_the_rows_that_it_reads(user):
    connect(user, ends_in=-300, refresh_token=None)
    terminal = Terminal()
    call_command("dance_prune", stdout=io.StringIO(), stderr=terminal, no_color=True)
    assert "| 1/1 [" in terminal.getvalue().split("\r")[-1]


def test_dance_notify_draws_a_bar_for_the_lost_connections(user, settings):
    settings.DANCE_NOTIFY = lambda notice: True
    connect(user)
    OAuthToken.objects.update(state="needs_reconnect", reason="revoked")
    terminal = Terminal()
    call_command("dance_notify", stdout=io.StringIO(), stderr=terminal, no_color=True)
    assert "| 1/1 [" in terminal.getvalue().split("\r")[-1]


def test_an_unreadable_token_is_named_on_a_line_of_its_own(user, settings):
    break_seal(connect(user))
    terminal = Terminal()
    with pytest.raises(CommandError):
        call_command("dance_reencrypt", stdout=io.StringIO(), stderr=terminal, no_color=True)
    assert re.search(
        r"\r *\rdjango_dance\.OAuthToken \d+ cannot be decrypted\n", terminal.getvalue()
    )


@pytest.mark.parametrize(("stream", "verbosity"), [(Terminal, 0), (io.StringIO, 1)])
def test_no_progress_bar_is_drawn_without_a_terminal(run, user, settings, stream, verbosity):
    connect(user)
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    err = stream()
    call_command("dance_reencrypt", stdout=io.StringIO(), stderr=err, verbosity=verbosity)
    assert err.getvalue() == ""


# --- dance_refresh ----------------------------------------------------------------------------


def grant(responses, **fields):
    return responses.post(TOKEN_URL, json={**GRANTED, "access_token": "planted-newer", **fields})


def test_only_tokens_that_expire_soon_are_refreshed(run, user, make_user, responses):
    asked = grant(responses)
    soon, later = connect(user, ends_in=300), connect(make_user("grace"))
    assert run("dance_refresh") == (
        "refreshed 1, still fresh 0, dead 0, unavailable 0, refused 0, skipped 0\n"
    )
    assert asked.call_count == 1
    soon.refresh_from_db()
    later.refresh_from_db()
    assert soon.token["access_token"] == "planted-newer"
    assert later.token["access_token"] == GRANTED["access_token"]


def test_an_option_says_how_soon(run, user, responses):
    asked = grant(responses)
    connect(user, ends_in=300)
    assert "refreshed 0" in run("dance_refresh", "--within", "200")
    assert "refreshed 1" in run("dance_refresh", "--within", "400")
    assert asked.call_count == 1


def test_only_the_users_or_the_providers_tokens_are_refreshed(run, user, make_user, responses):
    asked = grant(responses)
    connect(user, ends_in=-5)
    connect(make_user("grace"), ends_in=-5)
    assert "refreshed 0" in run("dance_refresh", "--provider", "google")
    assert "refreshed 1" in run("dance_refresh", "--user", "ada")
    assert asked.call_count == 1
    with pytest.raises(CommandError, match="There is no provider 'gitub'"):
        run("dance_refresh", "--provider", "gitub")


def test_each_of_a_users_accounts_is_refreshed(run, user, responses):
    asked = grant(responses)
    connect(user, account="1", ends_in=-5)
    connect(user, account="2", ends_in=-5)
    assert "refreshed 2" in run("dance_refresh")
    assert asked.call_count == 2
    assert OAuthToken.objects.filter(expires_at__gt=timezone.now()).count() == 2


def test_a_second_run_finds_nothing_to_do(run, user, responses):
    asked = grant(responses)
    connect(user, ends_in=-5)
    run("dance_refresh")
    assert "refreshed 0" in run("dance_refresh")
    assert asked.call_count == 1


def test_a_token_that_another_host_refreshed_is_not_refreshed_again(run, user, responses):
    row = connect(user, ends_in=-5)
    connect(user)
    # The column is that of before; the token itself tells.
    OAuthToken.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=5))
    assert "refreshed 0, still fresh 1" in run("dance_refresh")


def test_a_revoked_grant_is_counted_and_its_token_wiped(run, user, responses):
    responses.post(TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    connect(user, ends_in=-5)
    assert "dead 1" in run("dance_refresh")
    assert OAuthToken.objects.get().token is None
    assert "dead 0" in run("dance_refresh")


def test_tokens_that_cannot_be_refreshed_are_skipped(run, user, make_user):
    connect(user, ends_in=-5, refresh_token=None)
    break_seal(connect(make_user("grace"), ends_in=-5))
    assert "skipped 2" in run("dance_refresh")


def test_a_provider_that_is_down_gets_few_requests(run, make_user, responses):
    asked = responses.post(TOKEN_URL, status=503)
    google = responses.post(
        "https://oauth2.googleapis.com/token", json={**GRANTED, "scope": "openid"}
    )
    for n in range(8):
        connect(make_user(f"user-{n}"), ends_in=-5)
    connect(make_user("grace"), "google", ends_in=-5)
    with pytest.raises(
        CommandError, match="Not asked any more after 5 failures in a row: github"
    ) as raised:
        run("dance_refresh")
    assert "The next run tries again" in str(raised.value)
    assert raised.value.returncode == 1
    assert "refreshed 1, still fresh 0, dead 0, unavailable 5, refused 0, skipped 3" in run.out
    assert (asked.call_count, google.call_count) == (5, 1)


def test_a_provider_without_credentials_does_not_stop_the_others(run, user, responses, settings):
    asked = grant(responses)
    settings.GOOGLE_OAUTH_CLIENT_SECRET = None
    connect(user, "google", ends_in=-5)
    connect(user, ends_in=-5)
    assert "refreshed 1" in run("dance_refresh")
    assert run.err == "google is skipped: set GOOGLE_OAUTH_CLIENT_SECRET.\n"
    assert asked.call_count == 1


def test_a_temporary_refusal_keeps_the_token(run, user, responses):
    responses.post(TOKEN_URL, json={"error": "invalid_client"}, status=401)
    connect(user, ends_in=-5)
    with pytest.raises(CommandError, match="The log has the reasons"):
        run("dance_refresh")
    assert "refused 1" in run.out
    assert OAuthToken.objects.exists()


def test_a_token_that_waits_for_its_next_retry_is_skipped(run, user, responses):
    asked = grant(responses)
    connect(user, ends_in=-5, last_error="server_error", failures=1, retry_at=time.time() + 60)
    with pytest.raises(CommandError):
        run("dance_refresh")
    assert "unavailable 1" in run.out
    assert asked.call_count == 0


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_refresh_each_token_once(make_user, responses):
    asked = grant(responses)
    for n in range(6):
        connect(make_user(f"user-{n}"), ends_in=-5)
    printed, failures = [], []
    barrier = threading.Barrier(2)

    def host():
        out = io.StringIO()
        barrier.wait()
        try:
            call_command("dance_refresh", stdout=out, stderr=io.StringIO())
            printed.append(out.getvalue())
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    hosts = [threading.Thread(target=host) for _ in range(2)]
    for thread in hosts:
        thread.start()
    for thread in hosts:
        thread.join(60)
    assert failures == [] and len(printed) == 2
    assert asked.call_count == 6
    assert not OAuthToken.objects.filter(expires_at__lte=timezone.now()).exists()


# --- dance_prune ------------------------------------------------------------------------------


@pytest.fixture
def clutter(user, make_user):
    """Five rows: three of no more use, each in its own way."""
    found = {
        "fine": connect(user),
        "refreshable": connect(user, "gitlab", ends_in=-5),
        "expired": connect(user, "google", ends_in=-5, refresh_token=None),
        "unreadable": connect(make_user("grace")),
        "unconfigured": OAuthToken.objects.create(user=user, provider="closed", token=GRANTED),
    }
    break_seal(found["unreadable"])
    return found


@pytest.mark.parametrize(
    ("arguments", "gone", "said"),
    [
        ([], {"expired"}, "Deleted 1 tokens: 1 expired, 0 rejected\n"),
        (["--unreadable"], {"expired", "unreadable"}, "1 unreadable"),
        (["--unconfigured"], {"expired", "unconfigured"}, "1 of a provider that is not configured"),
        (
            ["--unconfigured", "--unreadable"],
            {"expired", "unreadable", "unconfigured"},
            "Deleted 3 tokens: 1 expired, 0 rejected, 1 of a provider that is not configured, "
            "1 unreadable",
        ),
    ],
)
def test_only_useless_tokens_are_deleted(run, clutter, arguments, gone, said):
    assert said in run("dance_prune", *arguments)
    left = set(OAuthToken.objects.exclude(token="").values_list("pk", flat=True))
    assert {name for name, row in clutter.items() if row.pk not in left} == gone
    # Only a row that nobody can reconnect is deleted.
    wiped = OAuthToken.objects.filter(token="", state="needs_reconnect")
    assert set(wiped.values_list("reason", flat=True)) == gone - {"unconfigured"}


def test_a_dry_run_deletes_nothing(run, clutter):
    assert run("dance_prune", "--dry-run") == "Would delete 1 tokens: 1 expired, 0 rejected\n"
    assert OAuthToken.objects.count() == 5


def test_a_token_without_expiry_is_not_deleted(run, user):
    connect(user, expires_at=None, expires_in=None, refresh_token=None)
    assert "Deleted 0" in run("dance_prune")


def test_a_rejected_token_is_wiped_after_30_days(run, user):
    row = connect(user)
    since = timezone.now() - timedelta(days=29)
    OAuthToken.objects.update(state="needs_reconnect", reason="rejected", state_changed_at=since)
    assert "0 rejected" in run("dance_prune")
    OAuthToken.objects.update(state_changed_at=since - timedelta(days=1))
    assert "1 rejected" in run("dance_prune")
    assert OAuthToken.objects.get(pk=row.pk, reason="rejected").token is None
    assert "0 rejected" in run("dance_prune")


def test_the_loss_that_the_command_finds_is_told(run, user, events):
    connect(user, ends_in=-5, refresh_token=None)
    run("dance_prune")
    run("dance_prune")
    assert [heard["reason"] for heard in events.named("connection_lost")] == ["expired"]


def test_a_token_that_was_replaced_during_the_command_is_not_deleted(run, user, monkeypatch):
    connect(user, ends_in=-5, refresh_token=None)
    lose = ModelStorage.lose

    def meanwhile(self, *args, **kwargs):
        connect(user, access_token="planted-newer")
        return lose(self, *args, **kwargs)

    monkeypatch.setattr(ModelStorage, "lose", meanwhile)
    assert "Deleted 0" in run("dance_prune")
    assert OAuthToken.objects.get().token["access_token"] == "planted-newer"


# --- dance_reencrypt --------------------------------------------------------------------------


def under_first_key():
    texts = OAuthToken.objects.values_list("token", flat=True)
    return [uses_current_key(text, purpose="token") for text in texts]


def test_every_token_is_sealed_with_the_first_key(run, many, settings):
    tokens = {row.pk: row.token.fields_to_store for row in OAuthToken.objects.all()}
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    assert under_first_key() == [False] * 10
    assert run("dance_reencrypt") == (
        "Re-encrypted 10, already with the first key 0, unreadable 0\n"
    )
    settings.DANCE_ENCRYPTION_KEYS = [NEW]
    assert {row.pk: row.token.fields_to_store for row in OAuthToken.objects.all()} == tokens


def test_a_second_run_skips_the_tokens_that_are_done(run, many, settings):
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    first = OAuthToken.objects.first()
    first.token = first.token
    first.save()
    assert "Re-encrypted 9, already with the first key 1" in run("dance_reencrypt")
    with CaptureQueriesContext(connection) as queries:
        assert "Re-encrypted 0, already with the first key 10" in run("dance_reencrypt")
    assert not any("UPDATE" in query["sql"] for query in queries)


def test_a_dry_run_prints_the_number_and_writes_nothing(run, many, settings):
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    assert "Would re-encrypt 10" in run("dance_reencrypt", "--dry-run")
    assert under_first_key() == [False] * 10


def test_an_unreadable_row_is_named_and_kept_and_fails_the_run(run, user, many, settings):
    broken = connect(user)
    break_seal(broken)
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    with pytest.raises(CommandError, match="Add the key that encrypted them") as raised:
        run("dance_reencrypt")
    assert raised.value.returncode == 1
    assert "Re-encrypted 10, already with the first key 0, unreadable 1" in run.out
    assert run.err == f"django_dance.OAuthToken {broken.pk} cannot be decrypted\n"
    assert OAuthToken.objects.filter(pk=broken.pk, token="AAAA").exists()


def test_rows_of_removed_providers_are_encrypted_too(run, user, settings):
    connect(user)
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    settings.DANCE_PROVIDERS = {}
    assert "Re-encrypted 1" in run("dance_reencrypt")


def test_the_token_of_a_deleted_user_can_be_revoked_after_the_keys_changed(
    run, user, settings, responses, django_capture_on_commit_callbacks
):
    responses.delete("https://api.github.com/applications/github-client/token", status=503)
    connect(user)
    with django_capture_on_commit_callbacks(execute=True):
        user.delete()
    before = PendingRevocation.objects.get().token.fields_to_store
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    assert "Re-encrypted 1" in run("dance_reencrypt")
    settings.DANCE_ENCRYPTION_KEYS = [NEW]
    assert PendingRevocation.objects.get().token.fields_to_store == before


@pytest.mark.parametrize("times", [1, 3])
def test_a_token_that_is_refreshed_during_the_command_is_not_overwritten(
    run, user, settings, times
):
    connect(user)
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    refreshed = []

    def meanwhile(execute, sql, parameters, many, context):
        by_command = settings.DANCE_ENCRYPTION_KEYS[0] == NEW
        if sql.startswith("UPDATE") and by_command and len(refreshed) < times:
            refreshed.append(f"planted-newer-{len(refreshed)}")
            # By a process that does not have the new key in the first place yet.
            settings.DANCE_ENCRYPTION_KEYS = [settings.SECRET_KEY, NEW]
            connect(user, access_token=refreshed[-1])
            settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(meanwhile):
        assert "Re-encrypted 1" in run("dance_reencrypt")
    assert len(refreshed) == times
    assert OAuthToken.objects.get().token["access_token"] == refreshed[-1]
    assert under_first_key() == [True]


def test_the_tokens_of_a_batch_are_written_by_one_statement(run, many, settings):
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    with CaptureQueriesContext(connection) as queries:
        assert "Re-encrypted 10" in run("dance_reencrypt")
    statements = [query["sql"] for query in queries if "oauthtoken" in query["sql"]]
    assert sum("UPDATE" in sql and "SELECT" not in sql for sql in statements) == 3  # 4, 4 and 2
    # The two counts, four reads of batches, and after each write the rows that are left.
    reads = [sql for sql in statements if sql.startswith("SELECT") and "FOR UPDATE" not in sql]
    assert len(reads) == 2 + 4 + 3


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_transaction_has_locked_is_written_alone(run, many, settings):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer, and no row locks.")
    settings.DANCE_ENCRYPTION_KEYS = [NEW, settings.SECRET_KEY]
    locked, written = threading.Event(), threading.Event()
    first, second = OAuthToken.objects.order_by("pk")[:2]

    def other():
        """Lock the second row, and then the first one, as a transaction of a view might."""
        try:
            with transaction.atomic():
                OAuthToken.objects.filter(pk=second.pk).update(scope="locked")
                locked.set()
                assert written.wait(60)
                OAuthToken.objects.filter(pk=first.pk).update(scope="locked")
        finally:
            connections.close_all()

    def watch(execute, sql, parameters, many, context):
        result = execute(sql, parameters, many, context)
        if many and sql.startswith("UPDATE"):
            written.set()
        return result

    with ThreadPoolExecutor(1) as pool, connection.execute_wrapper(watch):
        view = pool.submit(other)
        assert locked.wait(60)
        assert "Re-encrypted 10, already" in run("dance_reencrypt")
        view.result(60)
    assert under_first_key() == [True] * 10
    assert OAuthToken.objects.filter(scope="locked").count() == 2


def test_the_starts_of_a_key_are_those_of_the_values_that_it_has_sealed(settings):
    for keys in ([OLD], [NEW, OLD]):
        settings.DANCE_ENCRYPTION_KEYS = keys
        starts = current_key_starts(purpose="token")
        # Of 100 random nonces, each of the four starts is used.
        sealed = [seal(b"", purpose="token", identity="") for _ in range(100)]
        assert {text[:7] for text in sealed} == set(starts)
        assert not any(seal(b"", purpose="flow", identity="").startswith(starts) for _ in range(9))


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "ä" * 40])
def test_a_text_that_is_not_a_seal_is_not_under_the_first_key(text):
    assert not uses_current_key(text, purpose="token")


def test_a_key_is_derived_for_one_purpose(user, db):
    connect(user)
    sealed = OAuthToken.objects.values_list("token", flat=True).get()
    assert uses_current_key(sealed, purpose="token")
    assert not uses_current_key(sealed, purpose="session")


@pytest.mark.interop
@pytest.mark.django_db(transaction=True)
def test_ten_thousand_tokens_change_their_key_while_they_are_read_and_refreshed(settings):
    settings.DANCE_CACHE = None  # every read shall be one of the table
    settings.DANCE_ENCRYPTION_KEYS = [OLD]
    get_user_model().objects.bulk_create(
        (get_user_model()(username=f"user-{n}") for n in range(10_000)), batch_size=1000
    )
    ids = list(get_user_model().objects.values_list("pk", flat=True))
    OAuthToken.objects.bulk_create(
        (OAuthToken(user_id=pk, provider="github", token={**GRANTED, "number": pk}) for pk in ids),
        batch_size=1000,
    )
    assert len(ids) == OAuthToken.objects.count() == 10_000
    settings.DANCE_ENCRYPTION_KEYS = [NEW, OLD]
    over, wrong, reads = threading.Event(), [], []
    reading = threading.Barrier(3)

    def read(start):
        storage, count = ModelStorage(), 0
        reading.wait(60)
        try:
            # The pause lets the command work most. A fast command ends before there are 100 reads.
            while not over.wait(0.005) or count <= 50:
                pk = ids[(start + count * 37) % len(ids)]
                token = storage.get(ResourceOwner(providers["github"], user_id=pk))
                if token is None or token["number"] != pk:
                    wrong.append(pk)
                count += 1
        except Exception as error:
            wrong.append(error)
        finally:
            reads.append(count)
            connections.close_all()

    def refresh():
        storage = ModelStorage()
        try:
            for pk in ids[::100]:
                owner = ResourceOwner(providers["github"], user_id=pk)
                storage.set(owner, {**GRANTED, "number": pk, "refreshed": True})
        except Exception as error:
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=read, args=(n * 1000,)) for n in range(2)]
    threads.append(threading.Thread(target=refresh))
    for thread in threads:
        thread.start()
    reading.wait(60)
    try:
        call_command("dance_reencrypt", stdout=io.StringIO(), stderr=io.StringIO())
    finally:
        threads[-1].join(60)
        over.set()
        for thread in threads:
            thread.join(60)
    assert wrong == [] and sum(reads) > 100
    settings.DANCE_ENCRYPTION_KEYS = [NEW]
    refreshed = 0
    for row in OAuthToken.objects.iterator(chunk_size=1000):
        assert row.token["number"] == row.user_id
        refreshed += bool(row.token.get("refreshed"))
    assert refreshed == 100


# --- dance_providers --------------------------------------------------------------------------


def test_each_provider_is_listed_with_the_callback_url_to_paste(run):
    run("dance_providers", "--base-url", "https://example.com/")
    assert run.out.startswith(
        "github\n"
        "  class         django_dance.contrib.github.GitHub\n"
        "  callback URL  https://example.com/login/github/authorized/\n"
        "  missing       nothing\n"
    )
    assert run.err == ""


def test_without_an_origin_the_path_and_a_hint_are_shown(run):
    assert "  callback URL  /login/github/authorized/\n" in run("dance_providers")
    assert "set DANCE_BASE_URL, or pass --base-url" in run.err


def test_the_sites_fixed_origin_is_used(run, settings):
    settings.DANCE_BASE_URL = "https://fixed.example.com"
    run("dance_providers")
    assert "https://fixed.example.com/login/github/authorized/" in run.out and run.err == ""


@pytest.mark.parametrize("url", ["example.com", "http://example.com", "https://example.com/path"])
def test_a_base_url_that_is_no_https_origin_is_refused(run, url):
    with pytest.raises(CommandError, match="it must be your site's public https origin"):
        run("dance_providers", "--base-url", url)


def test_missing_settings_are_named(run, settings):
    settings.GITHUB_OAUTH_CLIENT_SECRET = None
    settings.DANCE_PROVIDERS = {
        "github": settings.DANCE_PROVIDERS["github"],
        "nowhere": {"PROVIDER": "nowhere.Provider"},
    }
    settings.ROOT_URLCONF = "tests.bare_urls"
    github, nowhere = lines(run("dance_providers", "--json"))
    assert github["missing"] == [
        "the setting GITHUB_OAUTH_CLIENT_SECRET",
        'its URLs: path("login/", include("django_dance.urls")) in your URLconf',
    ]
    assert github["callback_url"] is None
    assert nowhere["class"] is None and "cannot be imported" in nowhere["missing"][0]


def test_a_fact_that_the_provider_ends_is_shown_with_the_successor(run, settings, clock):
    settings.DANCE_PROVIDERS = {"fitbit": {"PROVIDER": "django_dance.contrib.fitbit.Fitbit"}}
    clock.now = datetime(2026, 11, 3, tzinfo=UTC).timestamp()
    text = run("dance_providers")
    assert "  facts checked 2026-11\n" in text
    assert "  ending        DANCE_PROVIDERS['fitbit']: Fitbit ends this API on 2026-11-02. " in text
    assert "Use the Google Health API" in text


def test_the_lifetime_of_refresh_tokens_is_shown(run, settings):
    settings.DANCE_PROVIDERS = {"box": {"PROVIDER": "django_dance.contrib.box.Box"}}
    assert "  refresh token expires after 60 days\n" in run("dance_providers")
    (box,) = lines(run("dance_providers", "--json"))
    assert box["refresh_token_days"] == 60


def test_a_site_without_providers_gets_a_message(run, settings):
    settings.DANCE_PROVIDERS = {}
    assert run("dance_providers") == ""
    assert run.err == "DANCE_PROVIDERS names no provider.\n"
