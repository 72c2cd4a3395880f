"""Tokens of the libraries that a site comes from, out of the tables that they have made."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..import_site import FUTURE, HOUR, PAST

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]


def on_site(folder, commands, **environment):
    """Runs commands on the site in the folder; ``None`` makes it."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.import_site", json.dumps(commands)],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.import_settings",
            "DANCE_IMPORT_FOLDER": str(folder),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The site before the move."""
    folder = tmp_path_factory.mktemp("site")
    on_site(folder, None, DANCE_IMPORT_BEFORE="1")
    return folder


@pytest.fixture
def site(template, tmp_path):
    """Runs commands on a copy of the site; returns the output of each, and the stored tokens."""
    folder = shutil.copytree(template, tmp_path / "site")

    def site(*commands):
        result = json.loads(on_site(folder, [command.split() for command in commands]))
        for said in result["said"]:
            assert "planted" not in said
        return result["said"], result["stored"]

    site.folder = folder
    return site


ALLAUTH = "dance_import allauth"
SOCIAL = "dance_import social_auth"
FLASK = "dance_import flask_dance --database flask --table flask_dance_oauth"


# --- what all have in common ------------------------------------------------------------------


def test_nothing_is_written_without_commit(site):
    (said,), stored = site(ALLAUTH)
    assert said.startswith("Would import 5:\n")
    assert said.endswith("Nothing was written. To write, run it again with --commit.\n")
    assert stored == {}


def test_the_import_does_what_the_dry_run_announces(site):
    (announced, done), stored = site(ALLAUTH, f"{ALLAUTH} --commit")
    assert announced.splitlines()[1:-1] == done.splitlines()[1:]
    assert len(stored) == 5


def test_a_second_run_changes_nothing(site):
    (_, again), stored = site(f"{FLASK} --commit", f"{FLASK} --commit")
    assert again.startswith("Imported 0\n")
    assert "2  the user has a token here already; to replace it, pass --replace (id 1, 2)" in again
    assert len(stored) == 2


def test_an_existing_token_is_kept(site):
    _, stored = site(f"{FLASK} --commit", f"{SOCIAL} --commit")
    assert stored["ada github"]["access_token"] == "planted-flask"


def test_an_existing_token_is_replaced_on_request(site):
    _, stored = site(f"{FLASK} --commit", f"{SOCIAL} --replace --commit")
    assert "ada github" not in stored  # its account was unknown
    assert stored["ada github 42"]["access_token"] == "planted-social"


def test_a_token_of_an_unknown_account_does_not_replace_one_of_a_known_account(site):
    (_, said), stored = site(f"{SOCIAL} --commit", f"{FLASK} --replace --commit")
    assert "1  the row does not name the account, and the user has accounts here (id 1)" in said
    assert stored["ada github 42"]["access_token"] == "planted-social"


def test_an_account_that_another_user_has_connected_is_not_imported(site):
    (_, said), stored = site(
        f"{ALLAUTH} --commit",
        f"{SOCIAL} --user-map {_write_swapped_users(site.folder)} --commit",
    )
    assert "another user has connected the account here (id 1)" in said
    assert not any(name.startswith("grace github") for name in stored)


def _write_swapped_users(folder):
    """A user map that gives Ada's tokens to Grace, and Grace's to Ada."""
    path = folder / "users.csv"
    path.write_text("1,2\n2,1\n")
    return path


def test_users_may_have_new_primary_keys(site):
    (said,), stored = site(f"{FLASK} --user-map {_write_swapped_users(site.folder)} --commit")
    assert set(stored) == {"ada github", "grace github"}
    assert "the user is not in the file of --user-map (id 4)" in said


def test_the_user_map_may_begin_with_a_byte_order_mark(site):
    """Excel writes one."""
    path = _write_swapped_users(site.folder)
    path.write_text("\ufeff1,2\n2,1\n", encoding="utf-8")
    _, stored = site(f"{FLASK} --user-map {path} --commit")
    assert set(stored) == {"ada github", "grace github"}


def test_a_provider_may_get_another_name(site):
    (said,), stored = site(f"{FLASK} --provider github=gitlab --commit")
    assert set(stored) == {"ada gitlab", "grace gitlab"}
    assert "  gitlab\n" in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{ALLAUTH} --provider facebook", "--provider facebook: write THEIRS=OURS"),
        (f"{ALLAUTH} --provider x=nowhere", "where OURS is in DANCE_PROVIDERS (github, gitlab"),
        (f"{ALLAUTH} --database flask", "There is no table 'socialaccount_socialtoken' in the"),
        (f"{ALLAUTH} --table x", "its tables have fixed names"),
        ("dance_import flask_dance", "--table flask_dance_oauth"),
        ("dance_import flask_dance --table auth_user", "has no column provider or token"),
        (
            f"{ALLAUTH} --user-map nowhere.csv",
            "two primary keys, in the library and on this site: 17,4",
        ),
    ],
)
def test_an_error_names_the_cure(site, command, said):
    (found,), stored = site(f"{command} --commit")
    assert found.startswith("CommandError: ") and said in found
    assert stored == {}


# --- django-allauth ---------------------------------------------------------------------------


def test_tokens_of_allauth_become_ours(site):
    (said,), stored = site(f"{ALLAUTH} --commit")
    assert stored == {
        "ada github 42": {
            "access_token": "planted-allauth",
            "connected_account": "42",
            "ends_at": None,
        },
        "ada google sub-of-ada": {
            "access_token": "planted-allauth",
            "refresh_token": "planted-refresh",
            "connected_account": "sub-of-ada",
            "expires_at": PAST,
            "ends_at": PAST,
        },
        "grace twitter 7": {
            "access_token": "planted-allauth",
            "refresh_token": "planted-refresh",
            "connected_account": "7",
            "expires_at": FUTURE,
            "ends_at": FUTURE,
        },
        "linus trello 9": {
            "oauth_token": "planted-allauth",
            "oauth_token_secret": "planted-secret",
            "connected_account": "9",
            "ends_at": None,
        },
        # allauth knows people at Reddit by their names, and a dance here by their ids.
        "linus reddit": {
            "access_token": "planted-allauth",
            "refresh_token": "planted-refresh",
            "ends_at": None,
        },
    }
    assert said == (
        "Imported 5:\n"
        "       1  github\n"
        "       1  google\n"
        "       1  reddit\n"
        "       1  trello\n"
        "       1  twitter\n"
        "Not imported 4:\n"
        "       2  the row has no valid token of OAuth 2 (id 5, 9)\n"
        "       1  the token has expired and cannot be refreshed (id 3)\n"
        "       1  DANCE_PROVIDERS has no 'facebook'; if it has another name there, "
        "pass --provider facebook=… (id 7)\n"
    )


# --- social-auth-app-django -------------------------------------------------------------------


def test_tokens_of_social_auth_become_ours(site):
    (said,), stored = site(f"{SOCIAL} --commit")
    assert stored == {
        "ada github 42": {
            "access_token": "planted-social",
            "token_type": "bearer",
            "connected_account": "42",
            "ends_at": None,
        },
        # An e-mail address is not an account id of Google.
        "ada google": {
            "access_token": "planted-social",
            "refresh_token": "planted-refresh",
            "token_type": "bearer",
            "scope": ["openid", "email"],
            "expires_at": FUTURE + HOUR,
            "ends_at": FUTURE + HOUR,
        },
        "grace gitlab 11": {
            "access_token": "planted-social",
            "token_type": "bearer",
            "connected_account": "11",
            "expires_at": FUTURE,
            "ends_at": FUTURE,
        },
        "linus trello": {
            "oauth_token": "planted-social",
            "oauth_token_secret": "planted-secret",
            "user_id": "13",
            "ends_at": None,
        },
    }
    assert "1  the row has no valid token of OAuth 1 (id 4)" in said
    assert "1  the row has no valid token of OAuth 2 (id 6)" in said
    assert "1  the token has expired and cannot be refreshed (id 7)" in said


# --- Flask-Dance ------------------------------------------------------------------------------


def test_tokens_of_flask_dance_become_ours(site):
    (said,), stored = site(f"{FLASK} --commit")
    assert set(stored) == {"ada github", "grace github"}
    token = stored["ada github"]
    assert token == {
        "access_token": "planted-flask",
        "refresh_token": "planted-refresh",
        "token_type": "bearer",
        "scope": ["repo"],
        "expires_in": HOUR,
        "expires_at": FUTURE,
        "ends_at": FUTURE,
    }
    assert "1  the storage of 'elsewhere' stores no tokens for users (id 3)" in said
    assert (
        "1  the user does not exist here; if users have other keys now, pass --user-map (id 4)"
        in said
    )
    assert "1  the token belongs to no user (id 5)" in said
    assert "1  the row has no valid token of OAuth 2 (id 6)" in said


def test_tokens_of_a_flask_dance_table_with_accounts_keep_the_account(site):
    command = "dance_import flask_dance --database flask --table flask_dance_accountoauth"
    (said,), stored = site(f"{command} --commit")
    assert set(stored) == {
        "ada github 42",
        "ada github 43",
        "grace google",
        "linus github",
        "linus gitlab",
    }
    assert stored["ada github 42"]["connected_account"] == "42"
    assert "connected_account" not in stored["grace google"]
    assert "Not imported 0" in said


def test_tokens_of_a_flask_dance_table_without_users_get_no_user(site):
    command = "dance_import flask_dance --database flask --table flask_dance_siteoauth"
    (said,), stored = site(f"{command} --provider elsewhere=github --commit")
    assert "Not imported 1:\n       1  the token belongs to no user (id 1)" in said
    assert stored == {}
