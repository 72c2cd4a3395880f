"""The admin adds and lists this site's credentials at servers. It never shows a secret."""

import pytest
from django.urls import reverse

from django_dance.models import ClientRegistration

from .keys import EC256, jwk

pytestmark = pytest.mark.django_db
LIST = "/admin/django_dance/clientregistration/"
FIELDS = {
    "provider": "github",
    "issuer": "https://auth.example",
    "client_id": "by-hand",
    "token_endpoint_auth_method": "client_secret_basic",
    "client_secret": "planted-secret",
}
KEY = jwk(EC256, "ES256")


@pytest.fixture
def staff(admin_client):
    return admin_client


def row_of(**fields):
    columns = {**FIELDS, **fields}
    row = ClientRegistration(**{k: v for k, v in columns.items() if k != "client_secret"})
    row.secrets = {"client_secret": "planted-secret"}
    row.save()
    return row


def change_url(row):
    return reverse("admin:django_dance_clientregistration_change", args=[row.pk])


def test_credentials_are_added(staff, admin_user):
    response = staff.post(f"{LIST}add/", FIELDS)
    assert response.status_code == 302, response.content
    row = ClientRegistration.objects.get()
    assert row.secrets == {"client_secret": "planted-secret"}
    assert (row.added_by, row.source) == (admin_user, "configured")


def test_no_page_shows_a_secret(staff):
    row = row_of()
    for url in (LIST, change_url(row), f"{LIST}?q=auth"):
        page = staff.get(url)
        assert page.status_code == 200
        assert "planted-secret" not in page.content.decode()
        assert row.sealed not in page.content.decode()


def test_a_secret_is_kept_or_replaced(staff):
    row = row_of()
    staff.post(change_url(row), {**FIELDS, "client_secret": "", "client_id": "new-id"})
    row.refresh_from_db()
    assert (row.client_id, row.secrets["client_secret"]) == ("new-id", "planted-secret")
    staff.post(change_url(row), {**FIELDS, "client_secret": "planted-new"})
    row.refresh_from_db()
    assert row.secrets["client_secret"] == "planted-new"


def test_the_issuer_of_credentials_does_not_change(staff):
    """The secret is bound to it, and must be sent to no other server."""
    row = row_of()
    staff.post(change_url(row), {**FIELDS, "issuer": "https://evil.example", "tenant": "b"})
    row.refresh_from_db()
    assert (row.issuer, row.tenant) == ("https://auth.example", "")
    assert row.secrets == {"client_secret": "planted-secret"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"client_secret": ""}, "needs a secret"),
        ({"issuer": "https://auth.example/?a=b"}, "without a query"),
        ({"issuer": "x"}, "without a query"),
        ({"token_endpoint_auth_method": "x"}, "valid choice"),
    ],
)
def test_wrong_credentials_are_not_added(fields, message, staff):
    page = staff.post(f"{LIST}add/", {**FIELDS, **fields})
    assert page.status_code == 200 and message in page.content.decode()
    assert not ClientRegistration.objects.exists()


def test_a_second_registration_for_a_server_is_not_added(staff):
    row_of()
    page = staff.post(f"{LIST}add/", FIELDS)
    assert "already" in page.content.decode()
    assert ClientRegistration.objects.count() == 1


def test_a_public_client_needs_no_secret(staff):
    public = {"token_endpoint_auth_method": "none", "client_secret": ""}
    assert staff.post(f"{LIST}add/", {**FIELDS, **public}).status_code == 302
    assert ClientRegistration.objects.get().secrets == {}


BY_KEY = {"token_endpoint_auth_method": "private_key_jwt"}


def test_a_private_key_is_added(staff):
    assert staff.post(f"{LIST}add/", {**FIELDS, **BY_KEY, "client_secret": KEY}).status_code == 302
    assert ClientRegistration.objects.get().secrets == {"client_secret": KEY}


def test_a_text_that_is_no_private_key_is_not_added(staff):
    page = staff.post(f"{LIST}add/", {**FIELDS, **BY_KEY}).content.decode()
    assert "needs a private key" in page and "planted-secret" not in page
    assert not ClientRegistration.objects.exists()


@pytest.mark.parametrize("to_key", [True, False])
def test_a_change_between_secret_and_key_needs_the_new_one(staff, to_key):
    """A private key must not be sent as a secret."""
    before, after = ({}, BY_KEY) if to_key else (BY_KEY, {})
    row = row_of(**before)
    page = staff.post(change_url(row), {**FIELDS, **after, "client_secret": ""})
    assert "needs a secret" in page.content.decode()
    row.refresh_from_db()
    assert (row.token_endpoint_auth_method == "private_key_jwt") is not to_key
    new = {"client_secret": KEY if to_key else "planted-new"}
    assert staff.post(change_url(row), {**FIELDS, **after, **new}).status_code == 302
    row.refresh_from_db()
    assert row.secrets == new


def test_a_query_cannot_guess_a_secret(staff):
    row_of()
    response = staff.get(f"{LIST}?sealed__startswith=A")
    assert response.status_code == 400
