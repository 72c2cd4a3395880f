"""The examples of "In the background", run without a request, with a token that has ended."""

import io
import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from django.core.management import call_command

from django_dance.exceptions import ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import providers

from ..conftest import GRANTED, TOKEN_URL

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
API = "https://api.github.com"


@cache  # Celery knows a task by its name
def example(name):
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def expired_user(user):
    """A user whose token has ended."""
    providers["github"].session(user=user).token = {**GRANTED, "expires_in": -5}
    return user


@pytest.fixture
def refreshes(responses):
    """The provider refreshes, and its API takes the new token and no other."""

    def answer(request):
        fresh = request.headers["Authorization"] == "Bearer planted-newer"
        return (200, {}, '[{"id": 1}, {"id": 2}]') if fresh else (401, {}, "{}")

    for path in ("/user/repos", "/user/starred"):
        responses.add_callback("GET", f"{API}{path}", answer)
    return responses.post(TOKEN_URL, json={**GRANTED, "access_token": "planted-newer"})


@pytest.fixture
def dead(responses):
    """The provider has ended the grant."""
    return responses.post(TOKEN_URL, json={"error": "invalid_grant"}, status=400)


@pytest.fixture
def down(responses):
    """The provider cannot be asked."""
    return responses.post(TOKEN_URL, status=503)


# --- a management command ---------------------------------------------------------------------


def count_stars():
    out, err = io.StringIO(), io.StringIO()
    call_command(example("count_stars").Command(), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_command_refreshes_an_expired_token(expired_user, refreshes):
    assert count_stars() == ("ada: 2\n", "")
    assert refreshes.call_count == 1
    assert OAuthToken.objects.get().token["access_token"] == "planted-newer"


def test_a_command_goes_on_with_the_next_user(expired_user, make_user, responses, dead):
    responses.get(f"{API}/user/starred", json=[])
    grace = make_user("grace")
    providers["github"].session(user=grace).token = GRANTED
    assert count_stars() == ("grace: 0\n", "ada: has to connect again\n")
    assert OAuthToken.objects.active().get().user == grace


def test_a_command_skips_a_token_that_cannot_be_refreshed_now(expired_user, down):
    assert count_stars() == ("", "ada: not now; the next run will do it\n")
    assert OAuthToken.objects.exists()


def test_a_command_goes_on_after_a_call_that_failed(make_user, responses):
    responses.get(f"{API}/user/starred", status=500)
    responses.get(f"{API}/user/starred", json=[])
    for name in ("ada", "grace"):
        providers["github"].session(user=make_user(name)).token = GRANTED
    out, err = count_stars()
    assert len(out.splitlines()) == 1
    assert err.endswith(": the call failed (HTTPError)\n")


# --- a Celery task ----------------------------------------------------------------------------


@pytest.fixture
def celery_task():
    pytest.importorskip("celery")
    return example("celery_tasks").count_repositories


@pytest.mark.interop
def test_a_celery_task_refreshes_an_expired_token(celery_task, expired_user, refreshes):
    assert celery_task.apply([expired_user.pk]).get() == 2
    assert refreshes.call_count == 1


@pytest.mark.interop
def test_a_celery_task_is_tried_again_when_the_provider_is_down(celery_task, expired_user, down):
    result = celery_task.apply([expired_user.pk])
    with pytest.raises(ProviderUnavailable):
        result.get()
    # After a failed refresh, no process tries again at once.
    assert down.call_count == 1
    assert OAuthToken.objects.exists()


@pytest.mark.interop
def test_a_celery_task_asks_the_user_to_connect_again(
    celery_task, expired_user, dead, settings, mailoutbox
):
    settings.DANCE_BASE_URL = "https://example.com"
    expired_user.email = "ada@example.com"
    expired_user.save()
    assert celery_task.apply([expired_user.pk]).get() is None
    (mail,) = mailoutbox
    assert mail.to == ["ada@example.com"]
    assert mail.body.endswith(" https://example.com/login/github/")


# --- Django's own tasks -----------------------------------------------------------------------


@pytest.fixture
def django_task():
    pytest.importorskip("django.tasks", reason="Django has tasks since version 6.0")
    return example("django_tasks").count_repositories


def test_a_django_task_refreshes_an_expired_token(django_task, expired_user, refreshes):
    assert django_task.enqueue(expired_user.pk).return_value == {"repositories": 2}
    assert refreshes.call_count == 1


def test_a_django_task_returns_that_the_user_must_connect_again(django_task, expired_user, dead):
    assert django_task.enqueue(expired_user.pk).return_value == {
        "connect_again": "/login/github/",
        "reason": "revoked",
    }


def test_a_django_task_fails_when_the_provider_is_down(django_task, expired_user, down):
    (error,) = django_task.enqueue(expired_user.pk).errors
    assert error.exception_class is ProviderUnavailable
    assert "planted" not in error.traceback
