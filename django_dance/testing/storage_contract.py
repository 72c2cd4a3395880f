"""Tests for a storage that a site writes: the contract that every storage must fulfil.

::

    class MyStorageTests(StorageContract, TestCase):
        def make_storage(self):
            return MyStorage()
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory

from ..exceptions import OwnerRequired
from ..providers import OAuth2Provider, Provider
from ..storage import BaseStorage
from ..tokens import ResourceOwner, Token

if TYPE_CHECKING:
    from django.test import TestCase

    _TestCase = TestCase
else:
    _TestCase = object


class StorageContract(_TestCase):
    """Tests of the behaviour that every storage must have.

    Mix the class into a ``django.test.TestCase``.
    """

    #: Whether the storage stores tokens of anonymous visitors. If not, it must refuse them.
    keeps_anonymous = False
    #: Whether the storage can only be used with a request.
    needs_request = False

    def make_storage(self) -> BaseStorage:
        """Return the storage to test, without tokens."""
        raise NotImplementedError("subclasses of StorageContract must provide make_storage()")

    def setUp(self) -> None:
        super().setUp()
        self.storage = self.make_storage()
        self.provider = self.make_provider("first")
        users = get_user_model()._default_manager
        names = get_user_model().USERNAME_FIELD
        self.ada, self.grace = (users.create(**{names: name}) for name in ("ada", "grace"))

    def make_provider(self, name: str) -> Provider:
        """Return a provider with this name."""
        return OAuth2Provider(
            name,
            base_url="https://api.example.com/",
            authorization_url="https://example.com/authorize",
            token_url="https://example.com/token",  # noqa: S106
        )

    def make_request(self, user: Any = None) -> HttpRequest:
        """A request with a new session; of an anonymous visitor, if no user is given."""
        request = RequestFactory().get("/")
        request.session = SessionStore()
        request.session.create()
        request.user = AnonymousUser() if user is None else user
        return request

    def owner(self, user: Any = None, provider: Provider | None = None) -> ResourceOwner:
        """Return the owner of a user; of an anonymous visitor without one."""
        return ResourceOwner(provider or self.provider, self.make_request(user))

    def token(self, text: str = "planted") -> dict[str, Any]:
        """Return a token whose access token is ``text``."""
        return {
            "access_token": text,
            "refresh_token": f"{text}-refresh",
            "token_type": "bearer",
            "scope": ["read", "write"],
            "expires_in": 3600,
            "expires_at": time.time() + 3600,
        }

    # --- the contract -------------------------------------------------------------------------

    def test_there_is_nothing_at_first(self) -> None:
        self.assertIsNone(self.storage.get(self.owner(self.ada)))

    def test_a_token_comes_back_as_it_was_stored(self) -> None:
        owner, token = self.owner(self.ada), self.token()
        self.storage.set(owner, token)
        stored = self.storage.get(owner)
        assert stored is not None
        self.assertEqual(Token(stored).fields_to_store, token)

    def test_unusual_fields_survive(self) -> None:
        owner = self.owner(self.ada)
        odd = {**self.token(), "note": "ä 🕺 \x00 \ud800", "nested": {"a": [1, None, True]}}
        self.storage.set(owner, odd)
        stored = self.storage.get(owner)
        assert stored is not None
        self.assertEqual(stored["note"], odd["note"])
        self.assertEqual(stored["nested"], odd["nested"])

    def test_a_large_token_survives(self) -> None:
        owner, token = self.owner(self.ada), self.token("x" * 20_000)
        self.storage.set(owner, token)
        stored = self.storage.get(owner)
        assert stored is not None
        self.assertEqual(stored["access_token"], token["access_token"])

    def test_a_second_token_takes_the_place_of_the_first(self) -> None:
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token("old"))
        self.storage.set(owner, self.token("new"))
        self.assert_has(owner, "new")
        self.storage.delete(owner)
        self.assertIsNone(self.storage.get(owner))

    def test_to_delete_twice_is_fine(self) -> None:
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token())
        self.storage.delete(owner)
        self.storage.delete(owner)
        self.assertIsNone(self.storage.get(owner))

    def test_a_refreshed_token_takes_the_place_of_the_one_it_was_made_of(self) -> None:
        owner, old = self.owner(self.ada), self.token("old")
        self.storage.set(owner, old)
        self.assertTrue(self.storage.replace(owner, old, self.token("new")))
        self.assert_has(owner, "new")
        self.assertFalse(self.storage.replace(owner, old, self.token("newer")))
        self.assert_has(owner, "new")

    def test_a_dead_token_is_deleted_if_it_is_still_there(self) -> None:
        owner, old = self.owner(self.ada), self.token("old")
        self.storage.set(owner, old)
        self.assertTrue(self.storage.replace(owner, old, None))
        self.assertIsNone(self.storage.get(owner))
        self.storage.set(owner, self.token("new"))
        self.assertFalse(self.storage.replace(owner, old, None))
        self.assert_has(owner, "new")

    def test_a_connection_that_loses_its_grant_has_no_token(self) -> None:
        owner, old = self.owner(self.ada), self.token("old")
        self.storage.set(owner, old)
        self.assertTrue(self.storage.lose(owner, old, "revoked"))
        self.assertIsNone(self.storage.get(owner))
        self.assertFalse(self.storage.lose(owner, old, "revoked"))
        self.assertFalse(self.storage.replace(owner, old, self.token("new")))
        self.assertFalse(any(each.active for each in self.storage.connections([owner])))
        self.storage.set(owner, self.token("new"))
        self.assert_has(owner, "new")
        (connection,) = self.storage.connections([owner])
        self.assertTrue(connection.active)

    def test_a_token_that_replaced_the_refused_one_is_not_lost(self) -> None:
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token("new"))
        self.assertFalse(self.storage.lose(owner, self.token("old"), "revoked"))
        self.assert_has(owner, "new")

    def test_a_connection_has_no_secret(self) -> None:
        owner = self.owner(self.ada)
        self.assertEqual(self.storage.connections([owner]), [])
        self.storage.set(owner, self.token())
        (connection,) = self.storage.connections([owner])
        self.assertEqual(connection.provider, self.provider.name)
        self.assertEqual(connection.scopes, {"read", "write"})
        self.assertNotIn("planted", repr(connection))

    def test_users_have_connections_of_their_own(self) -> None:
        self.storage.set(self.owner(self.ada), self.token("ada"))
        self.assertEqual(self.storage.connections([self.owner(self.grace)]), [])

    def test_what_was_disconnected_is_not_brought_back_by_a_refresh(self) -> None:
        owner, old = self.owner(self.ada), self.token("old")
        self.storage.set(owner, old)
        with self.storage.lease(owner, 5):
            self.storage.delete(owner)
        self.assertFalse(self.storage.replace(owner, old, self.token("new")))
        self.assertIsNone(self.storage.get(owner))

    def test_to_read_changes_nothing(self) -> None:
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token())
        stored = self.storage.get(owner)
        assert stored is not None
        dict(stored).clear()
        if isinstance(stored, dict):
            stored["access_token"] = "changed"
        self.assert_has(owner, "planted")

    def test_what_was_given_to_set_may_change_afterwards(self) -> None:
        owner, token = self.owner(self.ada), self.token()
        self.storage.set(owner, token)
        token["access_token"] = "changed"
        self.assert_has(owner, "planted")

    def test_users_have_tokens_of_their_own(self) -> None:
        ada, grace = self.owner(self.ada), self.owner(self.grace)
        self.storage.set(ada, self.token("ada"))
        self.assertIsNone(self.storage.get(grace))
        self.storage.set(grace, self.token("grace"))
        self.assert_has(ada, "ada")
        self.storage.delete(ada)
        self.assertIsNone(self.storage.get(ada))
        self.assert_has(grace, "grace")

    def test_providers_have_tokens_of_their_own(self) -> None:
        first = self.owner(self.ada)
        second = ResourceOwner(self.make_provider("second"), first.request)
        self.storage.set(first, self.token("first"))
        self.assertIsNone(self.storage.get(second))
        self.storage.set(second, self.token("second"))
        self.storage.delete(first)
        self.assert_has(second, "second")

    def test_a_user_is_known_by_id_alone(self) -> None:
        request = self.make_request(self.ada)
        self.storage.set(ResourceOwner(self.provider, request), self.token())
        same = ResourceOwner(
            self.provider, request if self.needs_request else None, user_id=self.ada.pk
        )
        self.assert_has(same, "planted")

    def test_an_anonymous_visitor_is_not_everybody(self) -> None:
        self.storage.set(self.owner(self.ada), self.token("ada"))
        first, second = self.owner(), self.owner()
        if not self.keeps_anonymous:
            with self.assertRaises(OwnerRequired):
                self.storage.set(first, self.token("anonymous"))
        else:
            self.storage.set(first, self.token("anonymous"))
            self.assert_has(first, "anonymous")
            self.assertIsNone(self.storage.get(second))
            self.storage.delete(second)
            self.assert_has(first, "anonymous")
            self.storage.delete(first)
            self.assertIsNone(self.storage.get(first))

    def test_nothing_is_carried_over_at_login(self) -> None:
        if not self.keeps_anonymous:
            self.skipTest("This storage stores no tokens of anonymous visitors")
        request = self.make_request()
        self.storage.set(ResourceOwner(self.provider, request), self.token("anonymous"))
        request.user = self.ada
        self.assertIsNone(self.storage.get(ResourceOwner(self.provider, request)))

    def assert_has(self, owner: ResourceOwner, access_token: str) -> None:
        """Assert that the storage has this access token for the owner."""
        stored = self.storage.get(owner)
        assert stored is not None
        self.assertEqual(stored["access_token"], access_token)
