"""Requests at the same time, on the database of the test run."""

import threading

import pytest
from django.db import connections

from django_dance.server.client_documents import store
from django_dance.server.models import Client, Token

from .conftest import assert_invalid_grant, is_alive
from .test_token import later

pytestmark = pytest.mark.django_db(transaction=True)


def run_at_once(count, call):
    """The results of ``count`` calls at the same moment."""
    barrier, answers = threading.Barrier(count), []

    def run():
        try:
            barrier.wait(30)
            answers.append(call())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == count
    return answers


def test_of_eight_redemptions_of_a_code_one_gets_a_token_pair(app, member):
    code = app.code(member)
    answers = run_at_once(8, lambda: app.redeem(code))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert Token.objects.count() == 1
    for answer in answers:
        if answer.status_code != 200:
            assert_invalid_grant(answer)


def test_eight_uses_of_a_code_at_once_leave_no_valid_token(app, member):
    """The one who got the pair may be the thief (RFC 6749 §4.1.2)."""
    code = app.code(member)
    (token,) = [
        answer.json()
        for answer in run_at_once(8, lambda: app.redeem(code))
        if answer.status_code == 200
    ]
    assert not is_alive(app, token["access_token"])
    assert_invalid_grant(app.refresh(token["refresh_token"]))


def test_of_eight_refreshes_one_gets_a_token_and_keeps_it(app, member):
    granted = app.token(member)
    answers = run_at_once(8, lambda: app.refresh(granted["refresh_token"]))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    (token,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert is_alive(app, token["access_token"])
    assert app.refresh(token["refresh_token"]).status_code == 200


def test_a_replay_during_a_refresh_leaves_no_valid_token(app, member):
    first = app.token(member)
    second = app.refresh(first["refresh_token"]).json()
    later(seconds=11)
    tokens = iter([first["refresh_token"]] * 4 + [second["refresh_token"]] * 4)
    answers = run_at_once(8, lambda: app.refresh(next(tokens)))
    for answer in answers:
        if answer.status_code == 200:
            assert not is_alive(app, answer.json()["access_token"])
    assert not Token.objects.filter(revoked_at=None).exists()


def test_a_revocation_during_a_refresh_leaves_no_valid_token(app, member):
    granted = app.token(member)
    calls = iter(
        [lambda: app.refresh(granted["refresh_token"])] * 4
        + [lambda: app.revoke(granted["refresh_token"])] * 4
    )
    run_at_once(8, lambda: next(calls)())
    assert not Token.objects.filter(revoked_at=None).exists()


def test_of_eight_first_consents_to_a_client_with_a_document_all_find_one_row():
    def consent():
        client = Client(
            client_id="https://client.example/mcp.json",
            name="Assistant",
            registration="document",
            is_confidential=False,
        )
        store(client)
        return client.pk

    (row,) = set(run_at_once(8, consent))
    assert Client.objects.get().pk == row
