"""``dance_clients``: this site's credentials at servers that are not in the settings."""

import io
import json

import jwt
import pytest
from django.core.management import CommandError, call_command

from django_dance.models import ClientRegistration
from django_dance.providers import server_metadata
from django_dance.tokens import uses_current_key

from ..internet import PUBLIC
from ..keys import EC256, jwk

pytestmark = pytest.mark.django_db
ISSUER = "https://auth.example/t1"
SECRET = "planted-secret-by-hand"


@pytest.fixture(autouse=True)
def _memory():
    server_metadata.forget()
    yield
    server_metadata.forget()


@pytest.fixture
def run(monkeypatch):
    """Run the command with a line of input, and return its output."""

    def run(*arguments, secret=SECRET):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        out = io.StringIO()
        call_command("dance_clients", *arguments, stdout=out)
        assert "planted" not in out.getvalue()
        return out.getvalue()

    return run


def test_credentials_are_added_and_listed(run):
    run("add", "github", ISSUER, "by-hand", "--tenant", "a", "--method", "client_secret_post")
    row = ClientRegistration.objects.get()
    assert row.secrets == {"client_secret": SECRET}
    assert (row.provider, row.issuer, row.client_id, row.tenant) == (
        "github",
        ISSUER,
        "by-hand",
        "a",
    )
    (line,) = run("list", "--json").splitlines()
    shown = json.loads(line)
    assert shown["id"] == str(row.pk) and shown["source"] == "configured"
    assert shown["token_endpoint_auth_method"] == "client_secret_post"
    assert ISSUER in run("list", "--provider", "github")
    assert run("list", "--provider", "google") == ""


def test_credentials_are_for_the_current_tenant_unless_another_is_named(run, settings):
    settings.DANCE_TENANT = lambda: "ruby"
    run("add", "github", ISSUER, "by-hand")
    run("add", "github", ISSUER, "by-hand", "--tenant", "opal")
    assert sorted(row.tenant for row in ClientRegistration.objects.all()) == ["opal", "ruby"]


def test_no_tenant_is_assumed_if_it_depends_on_the_user(run, settings):
    settings.DANCE_TENANT = lambda: "ruby"
    settings.DANCE_OWNER_TENANT = lambda owner: "opal"
    run("add", "github", ISSUER, "by-hand")
    assert ClientRegistration.objects.get().tenant == ""


def test_a_registration_that_was_replaced_is_listed_only_if_asked_for(run):
    run("add", "github", ISSUER, "by-hand")
    ClientRegistration.objects.update(current=None)
    assert run("list") == ""
    assert json.loads(run("list", "--replaced", "--json"))["replaced"] is True


def test_a_public_client_has_no_secret(run):
    run("add", "github", ISSUER, "by-hand", "--method", "none", secret="")
    row = ClientRegistration.objects.get()
    assert row.secrets == {}
    with pytest.raises(CommandError, match="no secret"):
        run("rotate", str(row.pk))


@pytest.mark.parametrize(
    ("arguments", "secret", "message"),
    [
        (("nobody", ISSUER, "x"), SECRET, "DANCE_PROVIDERS has no 'nobody'"),
        (("github", ISSUER, "x"), "", "no secret in the input"),
        (("github", f"{ISSUER}?a", "x"), SECRET, "without a query"),
        (("github", "", "x"), SECRET, "blank"),
        (("github", "x" * 501, "x"), SECRET, "500"),
    ],
)
def test_wrong_credentials_are_not_added(arguments, secret, message, run):
    with pytest.raises(CommandError, match=message):
        run("add", *arguments, secret=secret)
    assert not ClientRegistration.objects.exists()


def test_there_is_one_registration_for_a_server(run):
    run("add", "github", ISSUER, "by-hand")
    with pytest.raises(CommandError, match="already"):
        run("add", "github", ISSUER, "second")


def test_a_private_key_is_added_and_replaced(run):
    key, newer = jwk(EC256, "ES256"), jwk(EC256, "ES256", kid="newer")
    method = ("--method", "private_key_jwt")
    with pytest.raises(CommandError, match="a private key as a JWK"):
        run("add", "github", ISSUER, "by-hand", *method, secret=jwk(EC256.public_key(), "ES256"))
    run("add", "github", ISSUER, "by-hand", *method, secret=key)
    row = ClientRegistration.objects.get()
    assert row.secrets == {"client_secret": key}
    assert json.loads(key)["d"] not in run("list", "--json")
    with pytest.raises(CommandError, match="a private key as a JWK"):
        run("rotate", str(row.pk), secret="planted-secret")
    run("rotate", str(row.pk), secret=newer)
    row.refresh_from_db()
    assert row.secrets == {"client_secret": newer}


def test_a_secret_is_replaced(run):
    run("add", "github", ISSUER, "by-hand")
    row = ClientRegistration.objects.get()
    run("rotate", str(row.pk)[:8], secret="planted-new-secret")
    row.refresh_from_db()
    assert row.secrets == {"client_secret": "planted-new-secret"}
    for wrong in ("zzz", "x" * 40):
        with pytest.raises(CommandError, match="no registration"):
            run("rotate", wrong)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (400, "invalid_grant", None),
        (401, "invalid_client", "refuses the credentials"),
        (400, "server_error", "neither"),
    ],
)
def test_a_server_says_whether_it_accepts_the_credentials(
    status, error, message, run, internet, authority, bundle, settings
):
    settings.DANCE_PROVIDERS = {
        "remote": {"PROVIDER": "tests.providers.test_registrations.Remote", "CA_BUNDLE": bundle}
    }

    def answer(received):
        if received.path == "/token":
            return status, {}, json.dumps({"error": error, "error_description": "its words"})
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": "https://auth.example/authorize",
            "token_endpoint": "https://auth.example/token",
        }
        return 200, {}, json.dumps(document)

    with internet.site(authority, "auth.example", PUBLIC, answer) as site:
        run("add", "remote", ISSUER, "by-hand", "--method", "client_secret_post")
        row = ClientRegistration.objects.get()
        if message is None:
            assert "accepts the credentials" in run("test", str(row.pk))
        else:
            with pytest.raises(CommandError, match=message):
                run("test", str(row.pk))
    assert dict(site.received[-1].form)["client_secret"] == SECRET


def test_a_server_says_whether_it_accepts_the_key(run, internet, authority, bundle, settings):
    settings.DANCE_PROVIDERS = {
        "remote": {"PROVIDER": "tests.providers.test_registrations.Remote", "CA_BUNDLE": bundle}
    }

    def answer(received):
        if received.path == "/token":
            return 400, {}, json.dumps({"error": "invalid_grant"})
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": "https://auth.example/authorize",
            "token_endpoint": "https://auth.example/token",
        }
        return 200, {}, json.dumps(document)

    key = jwk(EC256, "ES256")
    with internet.site(authority, "auth.example", PUBLIC, answer) as site:
        run("add", "remote", ISSUER, "by-hand", "--method", "private_key_jwt", secret=key)
        assert "accepts the credentials" in run("test", str(ClientRegistration.objects.get().pk))
    sent = dict(site.received[-1].form)
    assert "client_secret" not in sent
    public = EC256.public_key()
    claims = jwt.decode(sent["client_assertion"], public, algorithms=["ES256"], audience=ISSUER)
    assert claims["sub"] == sent["client_id"] == "by-hand"


def test_secrets_are_encrypted_with_the_first_key(run, settings):
    settings.DANCE_ENCRYPTION_KEYS = ["old" * 20]
    run("add", "github", ISSUER, "by-hand")
    settings.DANCE_ENCRYPTION_KEYS = ["new" * 20, "old" * 20]
    row = ClientRegistration.objects.get()
    assert not uses_current_key(row.sealed, purpose=row.PURPOSE)
    for outcome in ("Re-encrypted 1, already with the first key 0", "Re-encrypted 0, already"):
        out = io.StringIO()
        call_command("dance_reencrypt", stdout=out)
        assert outcome in out.getvalue()
    row.refresh_from_db()
    assert uses_current_key(row.sealed, purpose=row.PURPOSE)
    settings.DANCE_ENCRYPTION_KEYS = ["new" * 20]
    assert row.secrets == {"client_secret": SECRET}


def test_a_secret_that_no_key_opens_is_reported(run, settings):
    run("add", "github", ISSUER, "by-hand")
    settings.DANCE_ENCRYPTION_KEYS = ["new" * 20]
    err = io.StringIO()
    with pytest.raises(CommandError, match="unreadable"):
        call_command("dance_reencrypt", stdout=io.StringIO(), stderr=err)
    assert "ClientRegistration" in err.getvalue()
