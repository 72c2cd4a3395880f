"""Errors survive pickling."""

import pickle

import pytest

from django_dance.exceptions import (
    AuthorizationRequired,
    DanceError,
    FlowError,
    ProviderUnavailable,
    StorageError,
    TokenRequestRefused,
)
from django_dance.providers import providers


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
def test_an_error_comes_back_from_a_queue_as_it_was(make):
    error = make()
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert isinstance(again, DanceError)
    assert vars(again) == vars(error)
