"""SealedTokenField: a seal opens in its own row only, and rows of earlier releases open."""

import json
import logging
from pathlib import Path

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import isolate_apps

from django_dance.exceptions import SealBroken
from django_dance.fields import SealedTokenField
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, Secret, Token

from .models import SiteToken, TeamToken

#: Rows that commit 433a6b7 wrote into the token tables, with the SECRET_KEY of the tests and with
#: DANCE_ENCRYPTION_KEYS. Do not write them anew: rows with these seals exist.
WRITTEN = json.loads((Path(__file__).parent / "rows_of_433a6b7.json").read_text("utf-8"))
MODELS = {model._meta.label_lower: model for model in (OAuthToken, TeamToken, SiteToken)}

FIELDS = {
    "access_token": "planted-access",
    "refresh_token": "planted-refresh",
    "expires_in": 3600,
    "expires_at": 1893456000.5,
}


@pytest.fixture
def people(make_user):
    return {pk: make_user(name, pk=int(pk)) for pk, name in WRITTEN["users"].items()}


def token_field(model=OAuthToken):
    return model._meta.get_field("token")


# --- rows of earlier releases -------------------------------------------------------------------


def insert(row):
    """Insert a row with exactly the columns that commit 433a6b7 knew."""
    model = MODELS[row["model"]]
    fields = [model._meta.pk, *map(model._meta.get_field, row["fields"])]
    values = [
        field.get_db_prep_save(field.to_python(value), connection)
        for field, value in zip(fields, [row["pk"], *row["fields"].values()], strict=True)
    ]
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quoted(model._meta.db_table)}"
            f" ({', '.join(quoted(field.column) for field in fields)})"
            f" VALUES ({', '.join(['%s'] * len(fields))})",
            values,
        )


@pytest.fixture(params=WRITTEN["sets"], ids=["SECRET_KEY", "DANCE_ENCRYPTION_KEYS"])
def old_rows(request, people, settings):
    """The rows that commit 433a6b7 wrote; the settings have the keys that it had."""
    settings.DANCE_ENCRYPTION_KEYS = request.param["DANCE_ENCRYPTION_KEYS"]
    for row in request.param["rows"]:
        insert(row)
    return request.param["rows"]


def assert_opens(rows):
    for row in rows:
        found = MODELS[row["model"]].objects.get(pk=row["pk"])
        assert found.token.fields_to_store == row["opens_to"], row


def test_every_row_that_an_earlier_release_wrote_opens(old_rows):
    assert len(old_rows) == 13
    assert_opens(old_rows)


def test_an_earlier_release_opens_the_rows_that_this_one_writes(old_rows):
    """During a deployment both run: the identity is the same text.

    The format is tested in tests/tokens/test_sealing.py.
    """
    for row in old_rows:
        found = MODELS[row["model"]].objects.get(pk=row["pk"])
        names = [name for name in ("provider", "user", "account") if name in row["fields"]]
        identity = [row["model"], *(str(row["fields"][name]) for name in names)]
        assert token_field(type(found)).identity(found) == json.dumps(identity)


def test_the_storage_finds_the_accounts_that_an_earlier_release_stored(old_rows, people):
    storage = ModelStorage()
    ada = ResourceOwner(providers["gitlab"], user=people["1"])
    assert storage.accounts(ada) == ("9919", "583231")
    assert storage.get(ada)["access_token"] == "ada-gitlab-9919-access"
    assert storage.get(ada.for_account("583231"))["access_token"] == "ada-gitlab-583231-access"
    assert storage.others(ada, "9919") == [people["2"].pk]
    ada = ResourceOwner(providers["tripit"], user=people["1"])
    assert storage.get(ada)["oauth_token_secret"] == "ada-tripit-secret"


def test_every_row_that_an_earlier_release_wrote_can_be_encrypted_anew(old_rows, settings):
    old = settings.DANCE_ENCRYPTION_KEYS or [settings.SECRET_KEY]
    settings.DANCE_ENCRYPTION_KEYS = ["new", *old]
    call_command("dance_reencrypt", verbosity=0)
    settings.DANCE_ENCRYPTION_KEYS = ["new"]
    in_our_table = [row for row in old_rows if MODELS[row["model"]] is OAuthToken]
    assert len(in_our_table) == 10
    assert_opens(in_our_table)


def test_fixtures_that_an_earlier_release_dumped_can_be_loaded(people):
    rows = WRITTEN["sets"][0]["rows"]
    dumped = [{name: row[name] for name in ("model", "pk", "fields")} for row in rows]
    for loaded in serializers.deserialize("json", json.dumps(dumped)):
        loaded.save()
    assert_opens(rows)


# --- a seal that is moved -----------------------------------------------------------------------


def copy_seal(source, target):
    """The target, with the text that the table has in the source's row."""
    sealed = type(source).objects.filter(pk=source.pk).values_list("token", flat=True).get()
    assert type(target).objects.filter(pk=target.pk).update(token=str(sealed)) == 1
    return type(target).objects.get(pk=target.pk)


@pytest.fixture
def pair(people):
    """Makes two rows that differ in the given fields."""

    def make(one, other, models=(OAuthToken, OAuthToken)):
        rows = []
        for model, fields, text in zip(models, (one, other), ("one", "other"), strict=True):
            row = model(**{"provider": "github", **fields}, token={"access_token": text})
            row.save()
            rows.append(row)
        return rows

    return make


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"account": "583231"}, {"account": "9919"}),
        ({"account": "583231"}, {"account": ""}),
        ({"account": "583231"}, {"account": "0583231"}),
        ({"user_id": 1}, {"user_id": 2}),
        ({"provider": "github"}, {"provider": "gitlab"}),
        # The same values in other columns.
        ({"provider": "github", "account": "gitlab"}, {"provider": "gitlab", "account": "github"}),
        ({"user_id": 1, "account": "2"}, {"user_id": 2, "account": "1"}),
        # The same text, if the values were joined.
        ({"provider": "git", "account": "1"}, {"provider": "git1", "account": ""}),
        ({"account": '", "'}, {"account": ""}),
    ],
    ids=[
        "accounts",
        "known and unknown account",
        "similar accounts",
        "users",
        "providers",
        "provider and account",
        "user and account",
        "joined",
        "quotes",
    ],
)
def test_a_seal_does_not_open_in_another_row(pair, caplog, one, other):
    source, target = pair({"user_id": 1, **one}, {"user_id": 1, **other})
    assert OAuthToken.objects.get(pk=source.pk).token["access_token"] == "one"
    with pytest.raises(SealBroken):
        _ = copy_seal(source, target).token
    provider = type(
        "AnyProvider", (), {"name": target.provider, "label": target.provider, "place": ""}
    )
    owner = ResourceOwner(provider, user_id=target.user_id, account=target.account)
    with caplog.at_level(logging.ERROR, logger="django_dance"):
        assert ModelStorage().reread(owner) is None
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("tables", "fields"),
    [
        ((OAuthToken, TeamToken), [{"user_id": 1}, {"user_id": 1}]),
        ((TeamToken, OAuthToken), [{"user_id": 1}, {"user_id": 1}]),
        ((SiteToken, TeamToken), [{}, {"user_id": 1}]),
    ],
)
def test_a_seal_does_not_open_in_another_table(pair, tables, fields):
    source, target = pair(*fields, models=tables)
    with pytest.raises(SealBroken):
        _ = copy_seal(source, target).token


def test_a_seal_opens_in_a_row_of_the_same_user_provider_and_account(pair):
    """So a backup can be put back."""
    (source, _) = pair({"user_id": 1}, {"user_id": 2})
    sealed = OAuthToken.objects.filter(pk=source.pk).values_list("token", flat=True).get()
    source.delete()
    again = OAuthToken.objects.create(provider="github", user_id=1, token=None or {})
    OAuthToken.objects.filter(pk=again.pk).update(token=str(sealed))
    assert OAuthToken.objects.get(pk=again.pk).token["access_token"] == "one"


def test_a_row_whose_account_is_changed_by_sql_does_not_open(pair):
    source, _ = pair({"user_id": 1, "account": "1"}, {"user_id": 2})
    OAuthToken.objects.filter(pk=source.pk).update(account="2")
    with pytest.raises(SealBroken):
        _ = OAuthToken.objects.get(pk=source.pk).token


def test_a_row_that_is_saved_with_another_account_and_its_token_opens(pair):
    source, _ = pair({"user_id": 1, "account": "1"}, {"user_id": 2})
    row = OAuthToken.objects.get(pk=source.pk)
    row.token, row.account = dict(row.token), "2"
    row.save()
    assert OAuthToken.objects.get(pk=source.pk).token["access_token"] == "one"


# --- the identity -------------------------------------------------------------------------------


def test_the_identity_is_the_model_and_its_provider_user_and_account():
    row = OAuthToken(provider="github", user_id=17, account="ü")
    assert token_field().identity(row) == r'["django_dance.oauthtoken", "github", "17", "\u00fc"]'


def test_a_field_that_the_model_does_not_have_is_ignored():
    row = TeamToken(provider="github", user_id=17)
    assert token_field(TeamToken).identity(row) == '["tests.teamtoken", "github", "17"]'
    assert token_field(SiteToken).identity(SiteToken(provider="x")) == '["tests.sitetoken", "x"]'


def test_a_key_is_the_same_as_a_text_and_as_a_number():
    identities = {
        token_field().identity(OAuthToken(provider="github", user_id=key)) for key in (5, "5", "05")
    }
    assert identities == {'["django_dance.oauthtoken", "github", "5", ""]'}


@isolate_apps("tests")
def test_the_model_may_choose_the_fields_of_the_identity():
    class Connection(models.Model):  # noqa: DJ008
        tenant = models.CharField(max_length=10)
        number = models.IntegerField()
        user = models.CharField(max_length=10)
        token = SealedTokenField(bound_to=["number", "tenant", "absent"])

        class Meta:
            app_label = "tests"

    row = Connection(tenant="a", number="7", user="passed over")
    field = token_field(Connection)
    assert field.bound_to == ("number", "tenant", "absent")
    assert field.identity(row) == '["tests.connection", "7", "a"]'


# --- migrations ---------------------------------------------------------------------------------


def test_a_migration_contains_only_the_fields_of_the_identity():
    _, path, args, options = SealedTokenField().deconstruct()
    assert path == "django_dance.fields.SealedTokenField"
    assert (args, options) == ([], {"bound_to": ("provider", "user", "account")})
    _, _, _, options = SealedTokenField("token", bound_to=["tenant"], null=True).deconstruct()
    assert options == {"verbose_name": "token", "null": True, "bound_to": ("tenant",)}
    assert "editable" not in SealedTokenField(editable=True).deconstruct()[3]


def test_a_field_made_from_a_migration_is_the_same():
    field = SealedTokenField(bound_to=("tenant",)).clone()
    assert field.bound_to == ("tenant",)
    assert field.editable is False


def test_no_form_shows_the_token_unless_the_model_says_so():
    assert SealedTokenField().editable is False
    assert SealedTokenField(editable=True).editable is True


# --- reading ------------------------------------------------------------------------------------


@pytest.fixture
def stored_row(people):
    row = OAuthToken(provider="github", user_id=1, token=Token(FIELDS))
    row.save()
    return row


def test_the_attribute_of_the_class_is_the_descriptor():
    assert OAuthToken.token.field is token_field()


def test_a_stored_token_is_read_as_a_token_with_the_fields_as_granted(stored_row):
    token = OAuthToken.objects.get().token
    assert isinstance(token, Token)
    assert token.fields_to_store == FIELDS
    assert isinstance(token["access_token"], Secret)
    # `expires_in` is counted from now, and stored as granted.
    assert token["expires_in"] > 3600


def test_the_table_has_the_sealed_text_and_the_instance_keeps_it(stored_row):
    row = OAuthToken.objects.get()
    sealed = OAuthToken.objects.values_list("token", flat=True).get()
    assert "planted" not in sealed
    assert row.token.sealed == sealed == row.__dict__["token"]


def test_a_token_that_was_set_is_read_as_it_was_set(stored_row):
    given = {"access_token": "other"}
    stored_row.token = given
    assert stored_row.token is given
    stored_row.token = None
    assert stored_row.token is None


def test_a_deferred_token_is_fetched_once(stored_row, django_assert_num_queries):
    row = OAuthToken.objects.defer("token").get()
    with django_assert_num_queries(1):
        assert row.token["access_token"] == "planted-access"
        assert row.token["access_token"] == "planted-access"


def test_a_token_of_none_is_not_treated_as_deferred(django_assert_num_queries, db):
    row = OAuthToken(provider="github", user_id=1, token=None)
    with django_assert_num_queries(0):
        assert row.token is None


def test_no_query_is_made_to_read_a_token(stored_row, django_assert_num_queries):
    row = OAuthToken.objects.get()
    with django_assert_num_queries(0):
        assert row.token["refresh_token"] == "planted-refresh"


# --- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [FIELDS, Token(FIELDS)], ids=["dict", "Token"])
def test_a_token_is_sealed_with_the_fields_as_granted(given):
    row = OAuthToken(provider="github", user_id=1)
    row.__dict__["token"] = token_field().sealed(row, given)
    assert row.token.fields_to_store == FIELDS


def test_a_sealed_token_may_be_passed_to_update(stored_row):
    sealed = token_field().sealed(stored_row, {"access_token": "newer"})
    OAuthToken.objects.update(token=sealed)
    assert OAuthToken.objects.get().token["access_token"] == "newer"


@pytest.mark.parametrize("given", [FIELDS, Token(FIELDS)], ids=["dict", "Token"])
@pytest.mark.parametrize("use", ["update", "filter"])
def test_a_plain_token_cannot_be_passed_to_update_or_a_filter(stored_row, given, use):
    with pytest.raises(TypeError, match=r"^A token is bound to its row: set it on an instance"):
        list(getattr(OAuthToken.objects, use)(token=given))


def test_a_token_that_was_read_finds_its_row_and_opens_in_no_other(stored_row, people):
    token = OAuthToken.objects.get().token
    assert OAuthToken.objects.filter(token=token).get() == stored_row
    other = OAuthToken(provider="github", user_id=2, token={"access_token": "other"})
    other.save()
    OAuthToken.objects.filter(pk=other.pk).update(token=token)
    with pytest.raises(SealBroken):
        _ = OAuthToken.objects.get(pk=other.pk).token


def test_a_token_that_was_read_from_another_row_may_be_set_on_an_instance(stored_row, people):
    """A copy is sealed for the row that it is saved in."""
    OAuthToken(provider="github", user_id=2, token=OAuthToken.objects.get().token).save()
    assert OAuthToken.objects.get(user_id=2).token.fields_to_store == FIELDS


def test_a_row_that_was_not_read_is_saved_with_the_same_seal(stored_row):
    before = OAuthToken.objects.values_list("token", flat=True).get()
    row = OAuthToken.objects.get()
    row.save(update_fields=["token", "scope"])
    assert OAuthToken.objects.values_list("token", flat=True).get() == before


def test_a_field_knows_whether_the_token_is_the_one_that_was_loaded(stored_row):
    field = token_field()
    row = OAuthToken.objects.get()
    assert field.is_as_loaded(row)
    assert field.is_as_loaded(OAuthToken.objects.defer("token").get())
    _ = row.token
    assert field.is_as_loaded(row)
    row.token = row.token
    assert not field.is_as_loaded(row)
    row.token = None
    assert not field.is_as_loaded(row)


@pytest.mark.parametrize("name", ["scope", "last_error", "expires_at"])
def test_a_token_that_was_set_stays_set_when_another_field_is_read_anew(stored_row, people, name):
    row = OAuthToken.objects.get()
    other = OAuthToken(provider="github", user_id=2, token={"access_token": "other"})
    other.save()
    row.token = OAuthToken.objects.get(user_id=2).token
    row.refresh_from_db(fields=[name])
    row.save()
    assert OAuthToken.objects.get(user_id=1).token["access_token"] == "other"


@pytest.mark.parametrize(
    "read",
    [
        lambda row: row.token,
        lambda row: row.refresh_from_db(),
        lambda row: row.refresh_from_db(fields=["token"]),
        lambda row: row.refresh_from_db(from_queryset=OAuthToken.objects.all()),
    ],
    ids=["deferred", "refresh_from_db", "the field alone", "from_queryset"],
)
def test_a_deferred_token_that_was_read_late_does_not_replace_a_newer_one(stored_row, read):
    row = OAuthToken.objects.defer("token").get()
    read(row)
    _ = row.token
    newer = OAuthToken.objects.get()
    newer.token = {"access_token": "newer"}
    newer.save()
    row.save()
    assert OAuthToken.objects.get().token["access_token"] == "newer"


# --- fixtures and empty columns -----------------------------------------------------------------


def test_a_fixture_has_the_sealed_text(stored_row):
    row = OAuthToken.objects.get()
    sealed = OAuthToken.objects.values_list("token", flat=True).get()
    assert token_field().value_to_string(row) == sealed
    (dumped,) = json.loads(serializers.serialize("json", [row]))
    assert dumped["fields"]["token"] == sealed
    # An instance that is not saved yet is sealed for the fixture.
    row.token = {"access_token": "planted"}
    text = token_field().value_to_string(row)
    assert "planted" not in text
    row.__dict__["token"] = token_field().to_python(text)
    assert row.token["access_token"] == "planted"


def test_a_column_without_a_token_is_none_and_an_empty_text_in_a_fixture():
    field = token_field()
    assert field.from_db_value(None, None, connection) is None
    assert field.to_python(None) is None
    assert field.get_prep_value(None) == ""
    assert SealedTokenField(null=True).get_prep_value(None) is None
    assert field.value_to_string(OAuthToken(token=None)) == ""


def test_a_plain_token_stays_plain_in_python():
    assert token_field().to_python(FIELDS) is FIELDS
