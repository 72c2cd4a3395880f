import json
import logging

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSession
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory, TestCase

from django_dance.exceptions import OwnerRequired, SealBroken, TokenTooLarge
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import (
    FallbackStorage,
    FunctionStorage,
    MemoryStorage,
    ModelStorage,
    NullStorage,
    SessionStorage,
    build,
)
from django_dance.testing import StorageContract
from django_dance.tokens import ResourceOwner

from ..models import SiteToken, TeamToken


class SiteCookieSession(CookieSession):
    """A session class of a site."""


class SessionStorageTests(StorageContract, TestCase):
    keeps_anonymous = True
    needs_request = True

    def make_storage(self):
        return SessionStorage()

    def test_the_error_without_a_request_names_another_storage(self):
        owner = ResourceOwner(self.provider, user=self.ada)
        assert self.storage.get(owner) is None
        self.storage.delete(owner)
        with pytest.raises(OwnerRequired, match="ModelStorage"):
            self.storage.set(owner, self.token())

    def test_a_token_too_large_for_the_cookie_is_refused(self):
        request = self.make_request(self.ada)
        request.session = CookieSession()
        owner = ResourceOwner(self.provider, request)
        self.storage.set(owner, self.token("short"))
        with pytest.raises(TokenTooLarge, match="signed_cookies"):
            self.storage.set(owner, self.token("x" * 3000))
        self.assert_has(owner, "short")

    def test_a_class_of_the_site_may_store_the_session_in_a_cookie(self):
        request = self.make_request(self.ada)
        request.session = SiteCookieSession()
        owner = ResourceOwner(self.provider, request)
        self.storage.set(owner, self.token("first"))
        assert self.storage.replace(owner, self.token("first"), self.token("second"))
        assert self.storage.reread(owner)["access_token"] == "second"
        with pytest.raises(TokenTooLarge, match="signed_cookies"):
            self.storage.set(owner, self.token("x" * 3000))

    def test_the_session_holds_no_plain_token(self):
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token())
        assert "planted" not in json.dumps(dict(owner.request.session.items()))

    def test_the_key_is_formatted_with_the_provider(self):
        owner = self.owner(self.ada)
        SessionStorage(key="{provider.name}-here").set(owner, self.token())
        assert "first-here" in owner.request.session


class ModelStorageTests(StorageContract, TestCase):
    def make_storage(self):
        return ModelStorage()

    def test_a_token_costs_one_query(self):
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token())
        with self.assertNumQueries(1):
            self.storage.get(owner)

    def test_the_row_shows_only_scope_and_expiry(self):
        self.storage.set(self.owner(self.ada), self.token())
        row = OAuthToken.objects.values().get()
        assert row["scope"] == "read write"
        assert row["expires_at"] is not None
        assert "planted" not in repr(row)

    def test_a_sealed_token_opens_only_in_its_own_row(self):
        self.storage.set(self.owner(self.ada), self.token("ada"))
        self.storage.set(self.owner(self.grace), self.token("grace"))
        sealed = OAuthToken.objects.values_list("token", flat=True).get(user=self.ada)
        OAuthToken.objects.filter(user=self.grace).update(token=sealed)
        with pytest.raises(SealBroken):
            _ = OAuthToken.objects.get(user=self.grace).token
        with self.assertLogs("django_dance", logging.ERROR):
            assert self.storage.get(self.owner(self.grace)) is None

    def test_keys_rotate(self):
        owner = self.owner(self.ada)
        with self.settings(DANCE_ENCRYPTION_KEYS=["old" * 20]):
            self.storage.set(owner, self.token())
        with self.settings(DANCE_ENCRYPTION_KEYS=["new" * 20, "old" * 20]):
            self.assert_has(owner, "planted")
        with (
            self.settings(DANCE_ENCRYPTION_KEYS=["new" * 20]),
            self.assertLogs("django_dance", logging.ERROR),
        ):
            assert self.storage.get(owner) is None

    def test_a_token_sealed_with_a_secret_key_fallback_opens(self):
        owner = self.owner(self.ada)
        with self.settings(SECRET_KEY="old" * 20):
            self.storage.set(owner, self.token())
        with self.settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=["old" * 20]):
            self.assert_has(owner, "planted")

    def test_deleting_a_user_deletes_the_tokens(self):
        self.storage.set(self.owner(self.ada), self.token())
        self.ada.delete()
        assert not OAuthToken.objects.exists()

    def test_a_dumped_fixture_has_the_sealed_text_and_can_be_loaded(self):
        self.storage.set(self.owner(self.ada), self.token())
        dumped = serializers.serialize("json", OAuthToken.objects.all())
        assert "planted" not in dumped
        OAuthToken.objects.all().delete()
        for row in serializers.deserialize("json", dumped):
            row.save()
        self.assert_has(self.owner(self.ada), "planted")

    def test_the_error_of_update_names_save(self):
        with pytest.raises(TypeError, match="save"):
            OAuthToken.objects.update(token=self.token())

    def test_a_deferred_token_is_fetched_when_read(self):
        self.storage.set(self.owner(self.ada), self.token())
        assert OAuthToken.objects.defer("token").get().token["access_token"] == "planted"


class FallbackStorageTests(StorageContract, TestCase):
    keeps_anonymous = True

    def make_storage(self):
        return FallbackStorage()

    def test_an_anonymous_token_makes_no_row(self):
        self.storage.set(self.owner(), self.token())
        assert not OAuthToken.objects.exists()


class ModelStorageWithoutRequiredUserTests(StorageContract, TestCase):
    keeps_anonymous = True

    def make_storage(self):
        options = {"user_required": False}
        return build({"BACKEND": "django_dance.storage.ModelStorage", "OPTIONS": options})

    def test_an_anonymous_token_makes_no_row(self):
        self.storage.set(self.owner(), self.token())
        assert not OAuthToken.objects.exists()


class OwnModelTests(StorageContract, TestCase):
    def make_storage(self):
        return ModelStorage("tests.TeamToken")


class MemoryStorageTests(StorageContract, TestCase):
    keeps_anonymous = True

    def make_storage(self):
        return MemoryStorage()

    def test_users_without_a_token_have_the_default(self):
        storage = MemoryStorage({"access_token": "default"})
        assert storage.get(self.owner(self.ada)) == {"access_token": "default"}
        storage.delete(self.owner(self.ada))
        assert storage.get(self.owner(self.ada)) is None
        assert storage.get(self.owner(self.grace)) == {"access_token": "default"}


_kept = {}


def _set(owner, token):
    if owner.user_id is None:
        raise OwnerRequired("nobody")
    _kept[owner.key] = dict(token)


class FunctionStorageTests(StorageContract, TestCase):
    def make_storage(self):
        _kept.clear()
        return FunctionStorage(
            getter=lambda owner: dict(_kept[owner.key]) if owner.key in _kept else None,
            setter="tests.storage.test_contract._set",
            deleter=lambda owner: _kept.pop(owner.key, None),
        )


class SiteTokenTests(TestCase):
    def test_a_table_without_users_holds_one_token_for_the_site(self):
        storage = ModelStorage(SiteToken)
        owner = ResourceOwner(providers["github"])
        storage.set(owner, {"access_token": "planted"})
        storage.set(owner, {"access_token": "newer"})
        assert storage.get(owner)["access_token"] == "newer"
        assert SiteToken.objects.count() == 1


class OptionTests(TestCase):
    def test_the_user_option_chooses_the_user_of_the_row(self):
        from django.contrib.auth.models import User

        team = User.objects.create(username="team")
        ada = User.objects.create(username="ada")
        storage = ModelStorage(TeamToken, user=lambda owner: team)
        storage.set(ResourceOwner(providers["github"], user=ada), {"access_token": "planted"})
        assert TeamToken.objects.get().user == team

    def test_the_error_without_a_required_user_names_another_storage(self):
        request = RequestFactory().get("/")
        request.user = AnonymousUser()
        owner = ResourceOwner(providers["github"], request)
        for use in (ModelStorage().get, ModelStorage().delete):
            with pytest.raises(OwnerRequired, match="FallbackStorage"):
                use(owner)

    def test_null_storage_stores_nothing(self):
        storage, owner = NullStorage(), ResourceOwner(providers["github"], user_id=1)
        storage.set(owner, {"access_token": "planted"})
        assert storage.get(owner) is None
        storage.delete(owner)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.Storage", "cannot be imported"),
        ("django.http.HttpResponse", "not a storage"),
        ({"OPTIONS": {}}, "BACKEND is missing"),
        ({"BACKEND": "django_dance.storage.NullStorage", "OPTION": {}}, "'OPTION' is unknown"),
        (
            {"BACKEND": "django_dance.storage.NullStorage", "OPTIONS": {"x": 1}},
            "cannot be created with OPTIONS",
        ),
    ],
)
def test_the_error_of_an_invalid_storage_names_the_cause(spec, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        build(spec)


def test_a_storage_may_be_a_path_a_class_or_an_instance():
    given = NullStorage()
    assert build(given) is given
    assert isinstance(build("django_dance.storage.NullStorage"), NullStorage)
    assert isinstance(build(NullStorage), NullStorage)
