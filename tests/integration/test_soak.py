"""The soak: its verdict on records that are written down here, and a short run of it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from ..servers import Absent, PostgreSQL, Redis, find, start
from ..soak.journal import Answer, DatabaseCut, Journal, Loss, Refresh, Struck, WorkerKill
from ..soak.provider import Provider
from ..soak.verdict import Verdict

ROOT = Path(__file__).parents[2]

#: A user sent this request at second 10, and got the answer at second 20.
GOOD = Answer("user01", "gunicorn", "GET /profile/", sent=10, ended=20, status=200)
UNANSWERED = replace(GOOD, status=None, error="ConnectionError")
DATABASE_ERROR = replace(GOOD, status=500, error="OperationalError")
TRY_AGAIN = replace(GOOD, status=503)
#: The worker 7 of gunicorn is killed in the middle of that request.
KILL = WorkerKill("gunicorn", 7, at=15)
CUT = DatabaseCut(began=15, ended=15.1)
#: A refresh that this worker has sent in that request, and the loss that follows later.
REFRESH = Refresh("user01", 7, arrived=14, granted="digest")
LOSS = Loss("user01", 40, replace(GOOD, sent=39, ended=40, status=403), reused=REFRESH)


def verdict(*answers, struck=(), **records):
    return Verdict(Journal([GOOD, *answers], **records), struck)


# --- the verdict ----------------------------------------------------------------------------------


def test_a_run_without_failures_is_good():
    assert verdict(struck=[Struck("Redis killed", 3, 3)]).is_good


def test_a_run_without_answers_is_not_good():
    assert not Verdict(Journal(), []).is_good


def test_a_run_that_strikes_fewer_times_than_asked_is_not_good():
    assert not verdict(struck=[Struck("Redis killed", 2, 3)]).is_good


@pytest.mark.parametrize("kind", ["foreign", "unexpected"])
def test_an_answer_that_is_wrong_counts_whatever_was_struck(kind):
    judged = verdict(**{kind: [GOOD]}, worker_kills=[KILL], database_cuts=[CUT])
    assert not judged.is_good
    assert f"  counted: {GOOD}" in list(judged.lines())


def test_a_request_without_an_answer_counts():
    judged = verdict(UNANSWERED)
    assert judged.failures == [UNANSWERED]
    assert not judged.is_good


def test_a_request_whose_site_lost_a_worker_meanwhile_needs_no_answer():
    assert verdict(UNANSWERED, worker_kills=[KILL]).is_good


def test_a_request_that_gets_no_answer_in_time_counts_even_if_a_worker_was_killed():
    late = replace(UNANSWERED, error="ReadTimeout")
    assert verdict(late, worker_kills=[KILL]).failures == [late]


@pytest.mark.parametrize(
    "kill",
    [replace(KILL, site="uvicorn"), replace(KILL, at=9), replace(KILL, at=21)],
    ids=["another-site", "before", "after"],
)
def test_a_kill_elsewhere_does_not_account_for_a_missing_answer(kill):
    assert verdict(UNANSWERED, worker_kills=[kill]).failures == [UNANSWERED]


def test_a_live_worker_that_answers_500_counts_even_if_another_one_was_killed():
    assert verdict(DATABASE_ERROR, worker_kills=[KILL]).failures == [DATABASE_ERROR]


@pytest.mark.parametrize("answer", [DATABASE_ERROR, TRY_AGAIN], ids=["500", "503"])
def test_a_request_may_fail_if_its_connection_to_the_database_was_cut(answer):
    assert verdict(answer, database_cuts=[CUT]).is_good


@pytest.mark.parametrize("answer", [DATABASE_ERROR, TRY_AGAIN], ids=["500", "503"])
@pytest.mark.parametrize("began", [9, 21], ids=["before", "after"])
def test_a_request_that_begins_after_a_cut_or_ended_before_it_must_succeed(answer, began):
    cut = DatabaseCut(began, began + 0.1)
    assert verdict(answer, database_cuts=[cut]).failures == [answer]


def test_a_cut_does_not_account_for_another_exception():
    answer = replace(DATABASE_ERROR, error="KeyError")
    assert verdict(answer, database_cuts=[CUT]).failures == [answer]


def test_a_lost_connection_counts():
    judged = verdict(losses=[LOSS])
    assert judged.losses == [LOSS]
    assert not judged.is_good


def test_a_connection_is_lost_with_the_worker_that_was_killed_in_the_middle_of_its_refresh():
    assert verdict(UNANSWERED, losses=[LOSS], worker_kills=[KILL]).is_good


@pytest.mark.parametrize(
    "change",
    [
        {"worker_kills": [replace(KILL, worker=8)]},
        {"stored": {REFRESH.granted}},
        {"losses": [replace(LOSS, reused=None)]},
        {"losses": [replace(LOSS, reused=replace(REFRESH, arrived=9))]},
    ],
    ids=["another-worker", "the-token-was-stored", "no-reuse", "an-earlier-refresh"],
)
def test_another_kill_does_not_account_for_a_lost_connection(change):
    records = {"losses": [LOSS], "worker_kills": [KILL], **change}
    assert verdict(UNANSWERED, **records).losses == records["losses"]


def test_a_worker_that_answered_the_user_was_not_killed_in_the_middle_of_the_refresh():
    answer = replace(DATABASE_ERROR, ended=14.5)
    assert verdict(answer, losses=[LOSS], worker_kills=[KILL]).losses == [LOSS]


@pytest.mark.parametrize(
    ("told", "ended", "good"), [(2, 3, True), (3, 3, True), (1, 3, False), (4, 3, False)]
)
def test_each_loss_is_told_once(told, ended, good):
    judged = verdict(
        withdrawn=["user01", "user02"],
        losses_told={f"lost-{number}" for number in range(told)},
        ended_grants=ended,
    )
    assert judged.is_good is good
    assert f"grants withdrawn: 2; losses told: {told}; grants ended: {ended}" in judged.lines()


# --- the provider ---------------------------------------------------------------------------------


@pytest.fixture
def provider():
    with Provider(seed=1, lifetime=3600) as provider:
        yield provider


def post(provider, path, **form):
    return requests.post(f"{provider.url}/notebook/{path}", data=form, timeout=10)


def granted(provider):
    """The tokens that a dance of user01 grants."""
    asked = {"redirect_uri": "http://127.0.0.1/back", "state": "state"}
    answer = requests.get(
        f"{provider.url}/notebook/authorize/",
        params=asked,
        auth=("user01", ""),
        allow_redirects=False,
        timeout=10,
    )
    _, _, code = answer.headers["Location"].partition("?code=")
    code = code.partition("&")[0]
    return post(provider, "token/7/", grant_type="authorization_code", code=code).json()


def refresh(provider, tokens):
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return post(provider, "token/7/", **form)


def account_of(provider, tokens):
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return requests.get(f"{provider.url}/notebook/api/me", headers=headers, timeout=10)


def test_the_provider_rotates_refresh_tokens(provider):
    first = granted(provider)
    second = refresh(provider, first).json()
    third = refresh(provider, second).json()
    assert len({tokens["refresh_token"] for tokens in (first, second, third)}) == 3
    assert account_of(provider, third).json()["username"] == "user01"
    assert provider.find_reused_refresh("user01") is None


def test_the_provider_ends_the_grant_of_a_refresh_token_that_is_used_again(provider):
    first = granted(provider)
    second = refresh(provider, first).json()
    assert refresh(provider, first).json() == {"error": "invalid_grant"}
    assert refresh(provider, second).json() == {"error": "invalid_grant"}
    assert account_of(provider, second).status_code == 401
    assert provider.find_reused_refresh("user01").worker == 7


def test_the_provider_ends_a_grant_that_is_revoked(provider):
    tokens = granted(provider)
    assert post(provider, "revoke/", token=tokens["refresh_token"]).status_code == 200
    assert refresh(provider, tokens).json() == {"error": "invalid_grant"}
    assert provider.find_reused_refresh("user01") is None


def test_the_provider_ends_the_grant_of_a_user_who_withdraws_it(provider):
    tokens = granted(provider)
    assert provider.count_ended_grants() == 0
    provider.end_grant("user01")
    assert provider.count_ended_grants() == 1
    assert refresh(provider, tokens).json() == {"error": "invalid_grant"}
    assert account_of(provider, tokens).status_code == 401


# --- a run ----------------------------------------------------------------------------------------


@pytest.fixture
def servers():
    """Skips the test if the soak could not find or start its servers."""
    with ExitStack() as stack:
        postgresql = find(PostgreSQL, stack)
        if isinstance(postgresql, Absent):
            pytest.skip(postgresql.reason)
        start(Redis, stack)
        yield {"DANCE_TEST_POSTGRESQL_PORT": str(postgresql.port)}


@pytest.mark.interop
@pytest.mark.repository
@pytest.mark.parametrize("promotions", ["0", "1"])
def test_no_answer_is_wrong_and_no_connection_is_lost_while_parts_of_the_site_fail(
    servers, promotions
):
    soak = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts" / "soak", "--seeds", "1", "--seconds", "30"),
            *("--worker-kills", "4", "--redis-kills", "3", "--database-cuts", "4"),
            *("--promotions", promotions),
        ],
        env={**os.environ, **servers},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert soak.returncode == 0, soak.stdout
