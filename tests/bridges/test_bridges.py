"""Sites that sign in with another library, which is the real one, at a provider over real HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .. import settings as test_settings
from ..databases import KINDS, selected
from ..servers import Absent, found

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
ACCOUNT = "248289761001"
LIBRARIES = ["allauth", "social_auth", "mozilla_oidc"]
#: Libraries that store tokens in a table.
WITH_TABLES = ["allauth", "social_auth"]

every_library = pytest.mark.parametrize("library", LIBRARIES)


class Played:
    """The results of the steps of a test, in order, and the lines of our log."""

    def __init__(self, results, log):
        self.results, self.log = results, log

    def __iter__(self):
        return iter(self.results)


def pytest_generate_tests(metafunc):
    """Make a test of its own for each database: the site is in another process."""
    if "tables" in metafunc.fixturenames:
        ids = {"sqlite": pytest.HIDDEN_PARAM}
        metafunc.parametrize(
            "tables",
            [pytest.param(name, id=ids.get(name, name)) for name in selected(metafunc.config)],
            indirect=True,
            scope="session",
        )


@pytest.fixture(scope="session")
def tables(request, tmp_path_factory):
    """The variables of the environment that name a database with the tables of the site."""
    kind = KINDS[request.param]
    if kind is None:
        path = tmp_path_factory.mktemp("site") / "site.sqlite3"
        _play("allauth", [("copy_database", str(path))], {})
        yield {"DANCE_BRIDGES_TEMPLATE": str(path)}
        return
    server = found(request.config)[kind.name]
    if isinstance(server, Absent):
        pytest.skip(server.reason)
    entry = {**test_settings.database(server.url), "NAME": f"dance_bridges_{os.getpid()}"}
    environment = {"DANCE_BRIDGES_DATABASE": json.dumps(entry)}
    server.create(entry["NAME"])
    try:
        _play("allauth", [], {}, **environment)
        yield {**environment, "DANCE_BRIDGES_HAS_TABLES": "1"}
    finally:
        server.drop(entry["NAME"])


@pytest.fixture
def play(tables):
    """Plays the steps on a new site, whose settings differ in the given ones."""

    def play(library, *steps, **settings):
        return _play(library, steps, settings, **tables)

    return play


def _play(library, steps, settings, **environment):
    steps = [step if isinstance(step, tuple) else (step,) for step in steps]
    process = subprocess.run(
        [sys.executable, "-m", "tests.bridges.site", library, json.dumps(steps)],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.bridges.site_settings",
            "DANCE_BRIDGES_SETTINGS": json.dumps(settings),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return Played(**json.loads(process.stdout.splitlines()[-1]))


def tokens(rows):
    return [(row["access_token"], row["refresh_token"]) for row in rows]


# --- what all bridges have in common ----------------------------------------------------------


@every_library
def test_the_token_of_a_sign_in_is_used_by_the_site(play, library):
    check, name, rows, called, plain = played = play(
        library, "check", "sign_in", "rows", "call", "plain_tokens"
    )
    assert "no issues" in check
    assert name
    (row,) = rows
    assert (row["user"], row["account"], row["label"]) == (name, ACCOUNT, "ada")
    assert row["connected_account"] == ACCOUNT
    assert row["expires"]
    assert row["state"] == "active"
    assert called == [200, ACCOUNT]
    assert not any(table.startswith("django_dance") for table in plain)
    assert played.log == ""


@every_library
def test_a_sign_in_never_allows_signing_in_with_the_connection(play, library):
    options = {"SIGN_IN": True, "ACCOUNT_ID": "sub", "SCOPE": "openid"}
    _, rows = play(library, "sign_in", "rows", GITLAB_OPTIONS=options)
    assert [row["may_sign_in"] for row in rows] == [False]


@every_library
def test_an_expired_token_is_refreshed_once_by_64_calls(play, library):
    _, _, (statuses, refreshes), rows, plain = play(
        library, "sign_in", "expire", ("call_concurrently", 64), "rows", "plain_tokens"
    )
    assert statuses == [200] * 64
    assert refreshes == 1
    assert tokens(rows) == [("planted-access-3", "planted-refresh-3")]
    assert not any(table.startswith("django_dance") for table in plain)


@every_library
def test_a_second_sign_in_replaces_the_token(play, library):
    _, _, _, before, _, after, called = play(
        library, "sign_in", "expire", "call", "rows", "sign_in", "rows", "call"
    )
    assert tokens(before) == [("planted-access-3", "planted-refresh-3")]
    assert tokens(after) == [("planted-access-5", "planted-refresh-5")]
    assert after[0]["pk"] == before[0]["pk"]
    assert called[0] == 200


@every_library
def test_a_second_sign_in_without_a_refresh_token_keeps_the_newest_one(play, library):
    *_, rows, _, (statuses, refreshes) = play(
        library,
        "sign_in",
        "expire",
        "call",
        ("grant_refresh_tokens", False),
        "sign_in",
        "rows",
        "expire",
        ("call_concurrently", 4),
    )
    assert tokens(rows) == [("planted-access-5", "planted-refresh-3")]
    assert (statuses, refreshes) == ([200] * 4, 1)


@every_library
def test_a_user_who_has_disconnected_here_is_connected_by_the_next_sign_in(play, library):
    _, ended, rows, called, _, _, after, again = play(
        library, "sign_in", "disconnect", "rows", "call", "log_out", "sign_in", "rows", "call"
    )
    assert ended == [True]
    assert rows == []
    assert called[0] == 401
    assert tokens(after) == [("planted-access-4", "planted-refresh-4")]
    assert again == [200, ACCOUNT]


@every_library
def test_a_lost_connection_is_brought_back_by_the_next_sign_in(play, library):
    _, before, _, _, called, lost, _, rows, again = play(
        library,
        "sign_in",
        "rows",
        "end_grants",
        "expire",
        "call",
        "rows",
        "sign_in",
        "rows",
        "call",
    )
    assert called[0] == 401
    assert [row["state"] for row in lost] == ["needs_reconnect"]
    assert [row["access_token"] for row in lost] == [None]
    assert [row["state"] for row in rows] == ["active"]
    assert rows[0]["pk"] == before[0]["pk"]
    assert again == [200, ACCOUNT]


@every_library
def test_a_sign_in_that_is_refused_stores_nothing(play, library):
    _, before, _, _, name, after = play(
        library, "sign_in", "rows", "log_out", ("set_active", False), "sign_in", "rows"
    )
    assert name == ""
    assert after == before


@every_library
def test_a_token_without_an_expiry_and_without_a_refresh_token_is_stored(play, library):
    *_, rows, called = play(
        library, ("grant_refresh_tokens", False), ("expire_in", None), "sign_in", "rows", "call"
    )
    assert tokens(rows) == [("planted-access-2", None)]
    assert not rows[0]["expires"]
    assert called == [200, ACCOUNT]


@every_library
def test_an_account_of_another_user_is_not_taken_over(play, library):
    played = play(
        library,
        ("store", "grace", ACCOUNT, {"access_token": "planted-graces"}),
        "sign_in",
        "rows",
        "theirs",
    )
    _, name, rows, theirs = played
    assert name
    assert [row["user"] for row in rows] == ["grace"]
    assert tokens(rows) == [("planted-graces", None)]
    assert "account_taken" in played.log
    assert "planted" not in played.log
    # The library keeps what this site has not stored.
    assert theirs in ([["planted-access-2", "planted-refresh-2"]], [])


@every_library
def test_a_token_with_more_scopes_is_kept(play, library):
    wide = {"access_token": "planted-wide", "scope": ["read_user", "api"]}
    *_, rows = play(
        library, "sign_in", ("store_for_visitor", ACCOUNT, wide), "log_out", "sign_in", "rows"
    )
    assert tokens(rows) == [("planted-wide", None)]


@every_library
def test_a_token_of_another_client_is_not_stored(play, library):
    played = play(library, "check", "sign_in", "rows", GITLAB_OAUTH_CLIENT_ID="another-client")
    check, name, rows = played
    assert "django_dance.W023" in check
    assert "DANCE_PROVIDERS['gitlab'] has another client id than" in check
    assert name
    assert rows == []
    assert "it was granted to the client 'the-client', and 'another-client'" in played.log


@every_library
def test_a_mistake_in_the_settings_does_not_stop_the_sign_in(play, library):
    name, rows = played = play(library, "sign_in", "rows", GITLAB_OPTIONS={"SCOPES": "api"})
    assert name
    assert rows == []
    assert "the token of a sign-in is not stored: DANCE_PROVIDERS['gitlab']" in played.log


@every_library
def test_a_provider_can_be_excluded(play, library):
    excluded = {"gitlab": None, "oidc": None}
    _, rows = played = play(library, "sign_in", "rows", DANCE_BRIDGES=excluded)
    assert rows == []
    assert played.log == ""


@every_library
def test_the_tokens_may_be_stored_in_the_session(play, library):
    _, rows, called, _, _, again = play(
        library,
        "sign_in",
        "rows",
        "call",
        "log_out",
        "sign_in",
        "call",
        DANCE_STORAGE="django_dance.storage.SessionStorage",
    )
    assert rows == []
    assert called == again == [200, ACCOUNT]


@every_library
def test_a_view_in_a_transaction_stores_the_token(play, library):
    _, _, _, _, _, rows = play(
        library,
        "use_transactions",
        "sign_in",
        "expire",
        ("grant_refresh_tokens", False),
        "sign_in",
        "rows",
    )
    assert tokens(rows) == [("planted-access-4", "planted-refresh-2")]


@every_library
def test_the_check_reports_a_name_that_does_not_exist(play, library):
    (check,) = play(library, "check", DANCE_BRIDGES={"gitlab": "nowhere"})
    assert "django_dance.E008" in check
    assert "DANCE_BRIDGES is {'gitlab': 'nowhere'}." in check


# --- django-allauth and social-auth-app-django ------------------------------------------------


@pytest.mark.parametrize("library", WITH_TABLES)
def test_the_row_of_the_library_has_no_refresh_token_of_ours(play, library):
    _, first, _, _, after, _, second = play(
        library, "sign_in", "theirs", "expire", "call", "theirs", "sign_in", "theirs"
    )
    assert first == [["planted-access-2", ""]] or first == [["planted-access-2", None]]
    assert after == first
    assert second[0][0] == "planted-access-5"
    assert not second[0][1]


def test_a_refresh_token_that_allauth_has_stored_before_is_taken_over(play):
    _, before, _, _, _, rows, theirs = play(
        "allauth",
        "sign_in_without_bridge",
        "theirs",
        ("grant_refresh_tokens", False),
        "log_out",
        "sign_in",
        "rows",
        "theirs",
    )
    assert before == [["planted-access-2", "planted-refresh-2"]]
    assert tokens(rows) == [("planted-access-4", "planted-refresh-2")]
    assert not theirs[0][1]


@pytest.mark.parametrize("library", WITH_TABLES)
def test_a_logged_in_user_connects_an_account(play, library):
    _, name, rows, called, again, after = play(
        library, ("log_in", "grace"), "connect", "rows", "call", "connect", "rows"
    )
    assert name == again == "grace"
    assert [(row["user"], row["account"]) for row in rows] == [("grace", ACCOUNT)]
    assert called == [200, ACCOUNT]
    assert tokens(rows) != tokens(after)


@pytest.mark.parametrize("library", WITH_TABLES)
def test_a_user_with_two_accounts_has_two_connections(play, library):
    *_, rows, called = play(
        library, ("log_in", "grace"), "connect", ("become", "77"), "connect", "rows", "call"
    )
    assert [row["account"] for row in rows] == [ACCOUNT, "77"]
    assert called[0] == 200


def test_allauths_access_token_is_accepted_as_long_as_the_provider_accepts_it(play):
    """GitLab's tokens live on after a refresh, until they expire; the page says so."""
    _, _, _, status, _, revoked = play(
        "allauth",
        "sign_in",
        "expire",
        "call",
        "status_of_theirs",
        "disconnect",
        "status_of_theirs",
    )
    assert status == 200
    assert revoked == 401


def test_social_auth_asks_for_a_new_sign_in_when_its_token_has_expired(play):
    _, error, rows = play("social_auth", "sign_in", "use_theirs", "rows")
    assert error == "AuthCredentialError: reauthentication_required"
    assert tokens(rows) == [("planted-access-2", "planted-refresh-2")]


# --- django-allauth ---------------------------------------------------------------------------


def test_allauth_need_not_store_tokens(play):
    _, rows, theirs, plain, called = play(
        "allauth",
        "sign_in",
        "rows",
        "theirs",
        "plain_tokens",
        "call",
        SOCIALACCOUNT_STORE_TOKENS=False,
    )
    assert tokens(rows) == [("planted-access-2", "planted-refresh-2")]
    assert (theirs, plain) == ([], {})
    assert called == [200, ACCOUNT]


def test_a_user_who_must_confirm_an_address_first_is_connected_by_the_login(play):
    name, rows, status, after_name, after = play(
        "allauth",
        "sign_in",
        "rows",
        "confirm_email",
        "user",
        "rows",
        ACCOUNT_EMAIL_VERIFICATION="mandatory",
        ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED=False,
        ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION=True,
    )
    assert (name, rows) == ("", [])
    assert status == 302
    assert after_name == "ada"
    assert tokens(after) == [("planted-access-2", "planted-refresh-2")]


CREDENTIALS = {"CREDENTIALS": "django_dance.bridges.allauth.social_app"}


def test_the_credentials_are_those_of_the_app_in_allauths_settings(play):
    check, client_id, _, _, _, (statuses, refreshes) = play(
        "allauth",
        "check",
        "credentials",
        "sign_in",
        "expire",
        ("become", ACCOUNT),
        ("call_concurrently", 2),
        GITLAB_OAUTH_CLIENT_ID="",
        GITLAB_OAUTH_CLIENT_SECRET="",
        GITLAB_OPTIONS=CREDENTIALS,
    )
    assert "no issues" in check
    assert client_id == "the-client"
    assert (statuses, refreshes) == ([200, 200], 1)


def test_the_credentials_are_those_of_the_app_in_allauths_table(play):
    missing, _, client_id, _, rows, _, several = play(
        "allauth",
        "credentials",
        ("add_app", "the-client"),
        "credentials",
        "sign_in",
        "rows",
        ("add_app", "another-client"),
        "credentials",
        GITLAB_OPTIONS=CREDENTIALS,
        GITLAB_APPS=[],
    )
    assert missing.startswith("allauth has no app for 'gitlab': add a social application")
    assert client_id == "the-client"
    assert len(rows) == 1
    assert several.startswith("allauth has several apps for 'gitlab'")


# --- social-auth-app-django -------------------------------------------------------------------


def test_a_step_that_is_too_early_is_reported(play):
    (check,) = play("social_auth", "check", STEP_FIRST=True)
    assert "django_dance.E022" in check
    assert "Make it the last step." in check


# --- mozilla-django-oidc ----------------------------------------------------------------------


def test_the_claims_of_the_id_token_are_checked_and_stored(play):
    _, rows = play("mozilla_oidc", "sign_in", "rows")
    assert rows[0]["claims"]
    assert rows[0]["scope"] == "openid email read_user"


def test_the_provider_of_mozilla_django_oidc_must_be_named_if_it_cannot_be_found(play):
    check, _, rows = play(
        "mozilla_oidc",
        "check",
        "sign_in",
        "rows",
        GITLAB_OPTIONS={"TOKEN_URL": "https://a.example"},
    )
    assert "django_dance.E022" in check
    assert 'DANCE_BRIDGES = {"oidc": "…"}' in check
    assert rows == []


def test_the_settings_may_name_the_provider_of_mozilla_django_oidc(play):
    check, _, rows = play(
        "mozilla_oidc", "check", "sign_in", "rows", DANCE_BRIDGES={"oidc": "gitlab"}
    )
    assert "no issues" in check
    assert len(rows) == 1
