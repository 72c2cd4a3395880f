"""A connection loses its grant: its row stays, its state changes once, one signal is sent."""

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpResponse

from django_dance.connections import end_connection, store_connection
from django_dance.connections.health import FEW
from django_dance.exceptions import AuthorizationRequired, FlowError
from django_dance.management.token_import import NotImported, TokenImporter, save
from django_dance.middleware import OAuthMiddleware
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.signals import connection_lost
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, Token

from ..conftest import (
    API,
    GRANTED,
    TOKEN_URL,
    before_first,
    in_failing_transaction,
    make_session,
    run_concurrently,
    store_expired_token,
    store_token,
    token_fields,
    token_requests,
)
from ..models import TeamToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def dead(responses):
    """The token endpoint says that the grant is dead."""
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    responses.get(API, json={"id": 1})
    return responses


def lose(user, account=""):
    """Make a call with an expired token whose grant is dead."""
    with pytest.raises(AuthorizationRequired) as caught:
        make_session(user, account).get(API)
    return caught.value


def lost(events):
    return [heard["reason"] for heard in events.named("connection_lost")]


def columns_of(user):
    """The row as the database has it, as a text."""
    row = OAuthToken.objects.filter(user=user).values().get()
    return {name: str(value) for name, value in row.items()}


# --- a dead grant ---------------------------------------------------------------------------------


def test_the_row_of_a_dead_grant_stays_without_a_byte_of_the_token(user, dead, events):
    store_expired_token(user, account="7", connected_as="Ada L.")
    before = OAuthToken.objects.get()
    sealed = before.__dict__["token"]
    assert lose(user, "7").reason == "revoked"
    row = OAuthToken.objects.get()
    assert (row.pk, row.account, row.label) == (before.pk, "7", "Ada L.")
    assert (row.token, row.state, row.reason) == (None, "needs_reconnect", "revoked")
    assert (row.expires_at, row.notified_at) == (None, None)
    assert row.state_changed_at is not None
    columns = columns_of(user)
    assert columns["token"] == ""
    assert all(sealed not in value and "planted" not in value for value in columns.values())
    (heard,) = events.named("connection_lost")
    assert heard["provider"].name == "github"
    assert heard["owner"].user_id == user.pk
    assert heard["request"] is None
    assert heard["reason"] == heard["connection"].reason == "revoked"
    assert (heard["connection"].id, heard["connection"].label) == (row.pk, "Ada L.")
    assert not heard["connection"].active
    assert [heard["reason"] for heard in events.named("token_revoked")] == ["invalid_grant"]


def test_the_next_call_tells_the_reason_and_the_account_and_asks_nobody(user, dead, events):
    store_expired_token(user, account="7")
    lose(user)
    again = lose(user)
    assert (again.reason, again.account) == ("revoked", "7")
    session = make_session(user)
    assert not session.authorized
    with pytest.raises(AuthorizationRequired, match="revoked"):
        session.require()
    assert len(token_requests(dead)) == 1
    assert lost(events) == ["revoked"]


def test_a_dance_uses_the_row_again(member, user, dead, connect, events):
    connect("1")
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    dead.upsert("POST", TOKEN_URL, status=400, json={"error": "invalid_grant"})
    lose(user)
    assert not OAuthToken.objects.active().exists()
    OAuthToken.objects.update(may_sign_in=True, notified_at=row.connected_at)
    connect("1")
    again = OAuthToken.objects.active().get()
    assert again.pk == row.pk
    assert (again.state, again.reason, again.notified_at) == ("active", "", None)
    assert again.may_sign_in
    assert make_session(user).token["access_token"] == GRANTED["access_token"]


@pytest.fixture
def connect(member, dance, responses):
    """Connects the account of this id."""

    def connect(account):
        responses.upsert("POST", TOKEN_URL, json=GRANTED)
        responses.upsert("GET", API, json={"id": int(account), "login": f"ada{account}"})
        assert dance(member, granted=False).callback().status_code == 302

    return connect


def test_a_disconnection_deletes_the_row_of_a_lost_connection(user, dead):
    store_expired_token(user, account="7")
    lose(user)
    make_session(user, "7").disconnect()
    assert not OAuthToken.objects.exists()


def test_another_account_is_not_used_instead_of_the_default_one(user, dead, responses):
    store_token(user, "old", account="1")
    store_expired_token(user, "new", account="2")
    lose(user)
    session = make_session(user)
    assert not session.authorized
    assert session.token is None
    assert lose(user).account == "2"
    assert make_session(user, "1").get(API).status_code == 200
    assert [each.connection.active for each in session.accounts] == [False, True]
    assert [each.account_id for each in session.accounts] == ["2", "1"]


def test_a_lost_connection_has_the_label_of_its_account(user, dead):
    store_expired_token(user, account="7", connected_as="Ada L.")
    lose(user)
    assert make_session(user, "7").account_label == "Ada L."


@pytest.mark.parametrize("policy", ["refuse", "share", "move"])
def test_a_lost_connection_holds_its_account(
    member, user, make_user, dead, connect, settings, policy
):
    settings.DANCE_ACCOUNT_CONFLICT = policy
    grace = make_user("grace")
    store_expired_token(grace, account="1")
    lose(grace)
    if policy == "refuse":
        dead.upsert("GET", API, json={"id": 1, "login": "ada"})
        with pytest.raises(FlowError, match="account_taken"):
            store_connection(make_session(user), Token(token_fields()))
        assert not user.oauth_tokens.exists()
    else:
        connect("1")
        assert user.oauth_tokens.active().exists()
    assert grace.oauth_tokens.exists() == (policy != "move")


@pytest.mark.django_db(transaction=True)
def test_a_parked_token_is_deleted_with_the_wiped_one(user, settings):
    settings.DANCE_CACHE = "default"
    owner = store_expired_token(user, account="7")
    storage, old = ModelStorage(), token_fields("planted")
    where = storage._where(owner)
    storage._cache.park(where, "7", old, token_fields("parked"))
    assert storage.find_parked(owner, old)["access_token"] == "parked"
    assert storage.lose(owner, old, "revoked")
    assert storage.find_parked(owner, old) is None


@pytest.mark.django_db(transaction=True)
def test_a_cached_token_is_gone_for_every_session(user, dead, settings):
    settings.DANCE_CACHE = "default"
    store_expired_token(user, account="7")
    first, second = make_session(user), make_session(user, "7")
    assert first.token and second.token
    lose(user)
    assert make_session(user).token is None
    assert make_session(user, "7").token is None


def test_a_token_that_was_replaced_meanwhile_is_not_wiped(user):
    owner = store_token(user, "new")
    assert not ModelStorage().lose(owner, token_fields("old"), "revoked")
    assert OAuthToken.objects.active().get().token["access_token"] == "new"


def test_a_state_changes_once(user):
    owner = store_token(user)
    storage = ModelStorage()
    assert storage.lose(owner, token_fields(), "rejected", wipe=False)
    changed_at = OAuthToken.objects.get().state_changed_at
    assert not storage.lose(owner, token_fields(), "expired", wipe=False)
    assert OAuthToken.objects.get().reason == "rejected"
    # The token endpoint says later that the grant is dead: the same loss, without the token.
    assert not storage.lose(owner, token_fields(), "revoked")
    row = OAuthToken.objects.get()
    assert (row.token, row.reason, row.state_changed_at) == (None, "revoked", changed_at)


def test_each_receiver_is_called_even_if_another_one_fails(user, dead, events, connect_receiver):
    def fail(**kwargs):
        raise RuntimeError("planted")

    connect_receiver(connection_lost, fail)
    store_expired_token(user)
    assert lose(user).reason == "revoked"
    assert lost(events) == ["revoked"]


def test_a_grant_that_was_never_stored_is_no_loss(user, dead, events):
    session = make_session(user)
    session.current_token.use_unsaved(Token(token_fields()))
    assert not end_connection(session, session.token, "expired", wipe=False)
    assert lost(events) == []


class Library:
    """Another library with one token, of the account that its row names."""

    def name_here(self, theirs, names):
        return theirs

    def provider(self, row):
        return "github"

    def user_id(self, row):
        return row.user_id

    def token(self, row, provider):
        return token_fields("imported")

    def uid(self, row):
        return row.account

    def has_our_ids(self, name, provider):
        return True


def test_an_import_leaves_an_active_connection_alone(user):
    store_expired_token(user, account="7")
    importer = TokenImporter(Library(), {}, None, replace=False)
    with pytest.raises(NotImported, match="--replace"):
        importer.convert(OAuthToken.objects.get(), {user.pk})


def test_an_import_gives_a_lost_connection_a_token(user, dead):
    store_expired_token(user, account="7")
    lose(user)
    row = OAuthToken.objects.get()
    importer = TokenImporter(Library(), {}, None, replace=False)
    save(*importer.convert(row, {user.pk}))
    again = OAuthToken.objects.active().get()
    assert (again.pk, again.token["access_token"]) == (row.pk, "imported")


# --- transactions ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("row", ["untouched", "saved by the view"])
def test_a_loss_survives_the_rollback_of_the_view(user, dead, events, make_request, row):
    store_expired_token(user)
    heard_in_transaction = []
    heard = lambda **kwargs: heard_in_transaction.append(connection.in_atomic_block)  # noqa: E731
    connection_lost.connect(heard)

    @in_failing_transaction
    def view(request):
        if row != "untouched":
            OAuthToken.objects.get().save()
        with pytest.raises(AuthorizationRequired):
            request.oauth.github.get(API)
        assert lost(events) == []

    try:
        OAuthMiddleware(view)(make_request(user))
    finally:
        connection_lost.disconnect(heard)
    assert OAuthToken.objects.get().reason == "revoked"
    assert lost(events) == ["revoked"]
    assert heard_in_transaction == [False]
    assert len(token_requests(dead)) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("row", ["untouched", "saved by the view"])
def test_a_loss_is_told_once_if_the_view_commits(user, dead, events, make_request, row):
    store_expired_token(user)

    def view(request):
        with transaction.atomic():
            if row != "untouched":
                OAuthToken.objects.get().save()
            with pytest.raises(AuthorizationRequired):
                request.oauth.github.get(API)
            assert lost(events) == []
        return HttpResponse()

    OAuthMiddleware(view)(make_request(user))
    assert OAuthToken.objects.get().reason == "revoked"
    assert lost(events) == ["revoked"]


@pytest.mark.django_db(transaction=True)
def test_a_loss_does_not_wait_for_another_account_that_the_transaction_has_deleted(
    several_writers, user, dead, events
):
    store_expired_token(user, account="1")
    other = store_token(user, account="2")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ModelStorage().delete(other)
        assert lose(user, "1").reason == "revoked"
        raise ZeroDivisionError
    rows = OAuthToken.objects.order_by("account").values_list("account", "reason")
    assert list(rows) == [("1", "revoked"), ("2", "")]
    assert lost(events) == ["revoked"]


@pytest.mark.django_db(transaction=True)
def test_a_savepoint_that_rolls_back_does_not_undo_the_loss(user, dead, events, make_request):
    store_expired_token(user)

    def view(request):
        with transaction.atomic():
            OAuthToken.objects.get().save()
            try:
                with transaction.atomic():
                    request.oauth.github.get(API)
            except AuthorizationRequired:
                pass
        return HttpResponse()

    OAuthMiddleware(view)(make_request(user))
    assert OAuthToken.objects.get().token is None
    assert lost(events) == ["revoked"]


@pytest.mark.django_db(transaction=True)
def test_a_loss_in_a_task_is_told_after_the_commit(user, dead, events):
    store_expired_token(user)
    with transaction.atomic():
        OAuthToken.objects.get().save()
        lose(user)
        assert lost(events) == []
    assert lost(events) == ["revoked"]


@pytest.mark.django_db(transaction=True)
def test_a_loss_that_a_task_rolls_back_is_found_again(user, dead, events):
    store_expired_token(user)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        OAuthToken.objects.get().save()
        lose(user)
        raise ZeroDivisionError
    assert lost(events) == []
    lose(user)
    assert lost(events) == ["revoked"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wipe", [True, False])
def test_of_two_processes_that_find_a_loss_at_once_one_changes_the_state(user, wipe):
    owner, storage = store_token(user), ModelStorage()
    changed = []

    def lose_it():
        changed.append(storage.lose(owner, token_fields(), "rejected", wipe=wipe))

    with before_first("UPDATE", lambda: run_concurrently(lose_it)):
        lose_it()
    assert changed == [True, False]


@pytest.mark.django_db(transaction=True)
def test_threads_that_meet_a_dead_grant_tell_one_loss(user, dead, events):
    store_expired_token(user)
    outcomes = run_concurrently(*[lambda: make_session(user).get(API)] * 8)
    assert {outcome.reason for outcome in outcomes} == {"revoked"}
    assert lost(events) == ["revoked"]
    assert len(token_requests(dead)) == 1


# --- rejected -------------------------------------------------------------------------------------


@pytest.fixture
def refusing(responses, user, clock):
    """The API refuses the token, and the address of the account does, too."""
    end = clock.now + 7200
    store_token(user, refresh_token=None, account_accepted=True, granted_at=1, expires_at=end)
    responses.get(API, status=401)
    return responses


def test_a_rejected_token_is_kept_and_may_become_active_again(user, refusing, events, clock):
    assert lose(user).reason == "rejected"
    row = OAuthToken.objects.get()
    assert (row.state, row.reason) == ("needs_reconnect", "rejected")
    assert row.token["access_token"] == "planted"
    assert not make_session(user).authorized
    calls = len(refusing.calls)
    assert lose(user).reason == "rejected"
    assert len(refusing.calls) == calls
    clock.now += 3600
    refusing.upsert("GET", API, json={"id": 1})
    OAuthToken.objects.update(notified_at=row.connected_at)
    assert make_session(user).get(API).status_code == 200
    row = OAuthToken.objects.active().get()
    assert (row.reason, row.notified_at) == ("", None)
    assert lost(events) == ["rejected"]


def test_a_trial_that_fails_again_is_the_same_loss(user, refusing, events, clock):
    lose(user)
    clock.now += 3600
    assert lose(user).reason == "rejected"
    assert OAuthToken.objects.get().state == "needs_reconnect"
    assert lost(events) == ["rejected"]


def test_a_rejected_token_that_a_refresh_replaces_is_active(user):
    owner = store_token(user)
    storage = ModelStorage()
    assert storage.lose(owner, token_fields(), "rejected", wipe=False)
    assert storage.replace(owner, token_fields(), token_fields("refreshed"))
    assert OAuthToken.objects.active().exists()


# --- expired --------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["get", "require", "refresh"])
def test_an_expired_token_without_a_refresh_token_is_a_loss_when_it_is_used(user, events, use):
    store_expired_token(user, refresh_token=None)
    assert OAuthToken.objects.active().exists()
    for _ in range(3):
        session = make_session(user)
        assert not session.authorized
        with pytest.raises(AuthorizationRequired, match="expired"):
            getattr(session, use)(*["/user"] * (use == "get"))
    row = OAuthToken.objects.get()
    assert (row.state, row.reason) == ("needs_reconnect", "expired")
    # A logout at an OpenID Provider needs its ID token.
    assert row.token["access_token"] == "planted"
    assert lost(events) == ["expired"]


def test_a_token_that_cannot_be_refreshed_is_no_loss_while_it_is_valid(user, events):
    store_token(user, refresh_token=None)
    with pytest.raises(AuthorizationRequired, match="expired"):
        make_session(user).refresh()
    assert OAuthToken.objects.active().exists()
    assert lost(events) == []


def test_a_token_that_a_host_with_a_wrong_clock_called_expired_is_active(user):
    owner = store_token(user)
    assert ModelStorage().lose(owner, token_fields(), "expired", wipe=False)
    assert make_session(user).authorized
    assert OAuthToken.objects.active().exists()


# --- scopes ---------------------------------------------------------------------------------------


@pytest.fixture
def more_scopes(settings):
    """The settings ask for a scope more than before."""
    github = settings.DANCE_PROVIDERS["github"]
    settings.DANCE_PROVIDERS = {
        **settings.DANCE_PROVIDERS,
        "github": {**github, "SCOPE": "read:user repo"},
    }


def test_a_token_without_the_configured_scopes_is_a_loss_and_is_sent(
    user, responses, events, more_scopes
):
    responses.get(API, json={"id": 1})
    store_token(user)
    for _ in range(2):
        with pytest.raises(AuthorizationRequired, match="missing_scopes"):
            make_session(user).require("repo")
    row = OAuthToken.objects.get()
    assert (row.state, row.reason) == ("needs_reconnect", "scopes")
    assert make_session(user).get(API).status_code == 200
    assert lost(events) == ["scopes"]
    ModelStorage().set(ResourceOwner(providers["github"], user=user), token_fields("more"))
    assert OAuthToken.objects.active().exists()


def test_a_refresh_brings_no_scope(user, more_scopes):
    owner = store_token(user)
    storage = ModelStorage()
    assert storage.lose(owner, token_fields(), "scopes", wipe=False)
    assert storage.replace(owner, token_fields(), token_fields("refreshed"))
    assert OAuthToken.objects.get().reason == "scopes"


@pytest.mark.parametrize("declined", [False, True])
def test_scopes_that_one_view_needs_or_the_visitor_declined_are_no_loss(
    user, events, declined, request
):
    if declined:
        request.getfixturevalue("more_scopes")
    store_token(user, **({"declined_scope": ["repo"]} if declined else {}))
    with pytest.raises(AuthorizationRequired, match="scopes"):
        make_session(user).require("repo")
    assert OAuthToken.objects.active().exists()
    assert lost(events) == []


def test_an_unreadable_token_without_the_scopes_is_unreadable(user, events):
    owner = store_token(user)
    assert ModelStorage().lose(owner, token_fields(), "scopes", wipe=False)
    spoil(OAuthToken.objects.get())
    assert lose(user).reason == "unreadable"
    assert OAuthToken.objects.get().reason == "unreadable"


# --- unreadable -----------------------------------------------------------------------------------


def spoil(row):
    """Seal the row's token for another row: no key opens it here."""
    other = OAuthToken(provider="another", user_id=row.user_id)
    field = OAuthToken._meta.get_field("token")
    OAuthToken.objects.filter(pk=row.pk).update(token=field.sealed(other, token_fields()))


def test_an_unreadable_token_is_a_loss_and_is_kept(user, events):
    store_token(user, account="7")
    spoil(OAuthToken.objects.get())
    sealed = columns_of(user)["token"]
    for _ in range(2):
        assert lose(user).reason == "unreadable"
    row = OAuthToken.objects.get()
    assert (row.state, row.reason) == ("needs_reconnect", "unreadable")
    assert columns_of(user)["token"] == sealed
    assert lost(events) == ["unreadable"]


def test_a_key_that_is_configured_again_makes_the_connection_active(user, settings, responses):
    responses.get(API, json={"id": 1})
    settings.DANCE_ENCRYPTION_KEYS = ["first" * 10]
    store_token(user)
    settings.DANCE_ENCRYPTION_KEYS = ["second" * 10]
    assert lose(user).reason == "unreadable"
    settings.DANCE_ENCRYPTION_KEYS = ["second" * 10, "first" * 10]
    cache.clear()
    assert make_session(user).get(API).status_code == 200
    assert OAuthToken.objects.active().exists()


def test_a_key_that_is_missing_ends_few_connections(make_user, events, caplog):
    for number in range(FEW + 2):
        user = make_user(f"user{number}")
        store_token(user)
        spoil(user.oauth_tokens.get())
        lose(user)
    assert OAuthToken.objects.active().count() == 3
    assert lost(events) == ["unreadable"] * (FEW - 1)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("A key may be missing" in message for message in messages) == 1
    assert not any("planted" in message for message in messages)


# --- other storages -------------------------------------------------------------------------------


def test_a_model_without_the_columns_loses_the_row(user, dead, settings, events):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    owner = ResourceOwner(providers["github"], user=user)
    owner.provider.token_storage.set(owner, token_fields(expires_at=1, connected_as="Ada L."))
    lose(user)
    assert not TeamToken.objects.exists()
    (heard,) = events.named("connection_lost")
    assert heard["connection"].label == "Ada L."
    assert (heard["connection"].state, heard["reason"]) == ("needs_reconnect", "revoked")


@pytest.mark.django_db(transaction=True)
def test_a_model_without_the_columns_loses_the_row_if_the_view_rolls_back(
    user, dead, settings, events, make_request
):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    owner = ResourceOwner(providers["github"], user=user)
    owner.provider.token_storage.set(owner, token_fields(expires_at=1))

    @in_failing_transaction
    def view(request):
        TeamToken.objects.get().save()
        with pytest.raises(AuthorizationRequired):
            request.oauth.github.get(API)

    OAuthMiddleware(view)(make_request(user))
    assert not TeamToken.objects.exists()
    assert lost(events) == ["revoked"]


def test_a_session_loses_its_token(visitor_request, dead, events):
    with pytest.raises(AuthorizationRequired, match="revoked"):
        visitor_request.oauth.github.get(API)
    assert visitor_request.oauth.github.token is None
    assert visitor_request.oauth.connections() == []
    (heard,) = events.named("connection_lost")
    assert (heard["connection"].id, heard["reason"]) == (None, "revoked")
    assert heard["request"] is visitor_request


def test_a_row_that_an_earlier_release_inserts_is_active(user):
    """A process of the previous release names only the columns that it knows."""
    old = store_token(user)
    row = OAuthToken.objects.get()
    sealed, table = columns_of(user)["token"], OAuthToken._meta.db_table
    OAuthToken.objects.all().delete()
    known = {
        "id": row.pk,
        "provider": "github",
        "created_at": row.created_at,
        "token": sealed,
        "account": "",
        "connected_at": row.connected_at,
        "scope": "read:user",
        "expires_at": row.expires_at,
        "last_error": "",
        "lease": "",
        "lease_until": None,
        "claim": None,
        "user_id": user.pk,
    }
    with connection.cursor() as cursor:
        names = ", ".join(map(connection.ops.quote_name, known))
        marks = ", ".join(["%s"] * len(known))
        adapt = connection.ops.adapt_datetimefield_value
        values = [adapt(v) if hasattr(v, "tzinfo") else v for v in known.values()]
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
    row = OAuthToken.objects.active().get()
    assert (row.reason, row.label, row.may_sign_in) == ("", "", False)
    assert ModelStorage().get(old)["access_token"] == "planted"
    assert make_session(user).connection.active
