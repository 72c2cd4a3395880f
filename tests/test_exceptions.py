"""Errors survive pickling."""

import pickle

import pytest

from django_dance.exceptions import (
    AuthorizationRequired,
    DanceError,
    FlowError,
    InvalidResponse,
    ProviderUnavailable,
    StorageError,
    TokenRequestRefused,
)
from django_dance.http import ProtocolResponse
from django_dance.providers import providers
from django_dance.tokens import ResourceOwner, Token

from .conftest import TOKEN_URL


@pytest.mark.parametrize(
    "make",
    [
        lambda: AuthorizationRequired(providers["github"], "missing_scopes", ("repo",)),
        lambda: ProviderUnavailable("not now"),
        lambda: StorageError("the row is locked"),
        lambda: FlowError("account_taken", "by another user"),
        lambda: TokenRequestRefused("refused", error="invalid_client"),
    ],
    ids=["required", "unavailable", "storage", "flow", "refused"],
)
def test_a_pickled_error_keeps_its_type_and_its_fields(make):
    error = make()
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert isinstance(again, DanceError)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("kind", [ProviderUnavailable, TokenRequestRefused, InvalidResponse])
def test_a_pickled_error_does_not_have_the_answer_of_the_provider(kind):
    error = kind("refused", status=400, error="invalid_client")
    error.response = ProtocolResponse(400, {"X-Secret": "planted"}, b"planted")
    error.retry_after = 7
    pickled = pickle.dumps(error)
    assert b"planted" not in pickled
    again = pickle.loads(pickled)
    assert (again.response, again.status, again.error) == (None, 400, "invalid_client")
    assert again.retry_after == 7
    assert error.response.body == b"planted"


def test_a_refused_token_request_is_pickled_without_its_answer(responses):
    body = {"error": "invalid_request", "access_token": "planted", "note": "planted"}
    responses.post(TOKEN_URL, json=body, status=400)
    provider = providers["github"]
    with pytest.raises(TokenRequestRefused) as caught:
        provider.refresh(ResourceOwner(provider), Token({"refresh_token": "planted"}))
    assert b"planted" in caught.value.response.body
    assert b"planted" not in pickle.dumps(caught.value)
