"""The admin of the server."""

import re

import pytest
from django.contrib import admin
from django.test.utils import isolate_apps
from django.urls import path

from django_dance.server.admin import ClientAdmin
from django_dance.server.models import Client, Consent, Grant, Token

from .conftest import CALLBACK, is_alive

with isolate_apps("tests"):

    class Partner(Client):
        """A client model of the site."""

        class Meta:
            proxy = True
            app_label = "tests"


own = admin.AdminSite("own")
own.register(Partner, ClientAdmin)
urlpatterns = [path("own/", own.urls)]


@pytest.fixture
def boss(make_user):
    from ..conftest import Browser

    browser = Browser()
    browser.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return browser


ADMIN = "/admin/django_dance_server/"


def client_form(**changes):
    return {
        "name": "Notes",
        "is_confidential": "on",
        "registered_redirect_uris": CALLBACK,
        "scope": "email",
        "grant_types": "authorization_code",
        "is_active": "on",
        **changes,
    }


def test_the_admin_shows_a_new_secret_once(boss):
    response = boss.post(f"{ADMIN}client/add/", client_form())
    client = Client.objects.get()
    (secret,) = re.findall(
        r'secret of Notes is: <code dir="ltr">(\S+)</code>', response.content.decode()
    )
    assert "no-store" in response["Cache-Control"]
    assert "messages" not in response.cookies
    assert client.check_client_secret(secret)
    for page in ("client/", f"client/{client.pk}/change/", f"client/{client.pk}/history/"):
        text = boss.get(ADMIN + page).content.decode()
        assert secret not in text and client.client_secret not in text


def test_the_admin_keeps_the_secret_when_a_client_is_changed(boss, app):
    before = Client.objects.get().client_secret
    boss.post(f"{ADMIN}client/{app.client.pk}/change/", client_form(name="Other"))
    client = Client.objects.get()
    assert (client.name, client.client_secret) == ("Other", before)


def test_the_admin_gives_a_public_client_no_secret(boss):
    form = client_form()
    del form["is_confidential"]
    boss.post(f"{ADMIN}client/add/", form)
    assert Client.objects.get().client_secret == ""


def test_the_admin_rotates_a_secret(boss, app, granted):
    form = {"action": "rotate_secret", "_selected_action": app.client.pk}
    response = boss.post(f"{ADMIN}client/", form)
    assert "is not shown again" in response.content.decode()
    assert "messages" not in response.cookies
    assert not is_alive(app, granted["access_token"])


def test_the_page_with_a_secret_leads_to_the_list_of_its_model(boss, app, settings):
    settings.ROOT_URLCONF = __name__
    form = {"action": "rotate_secret", "_selected_action": app.client.pk}
    page = boss.post("/own/tests/partner/", form).content.decode()
    assert "is not shown again" in page
    assert 'href="/own/tests/partner/"' in page


def test_the_admin_refuses_an_invalid_redirect_uri(boss):
    form = client_form(registered_redirect_uris="http://app.example/")
    assert "must be https" in boss.post(f"{ADMIN}client/add/", form).content.decode()


@pytest.mark.parametrize("model", [Grant, Token, Consent])
def test_the_admin_shows_rows_without_their_secrets(boss, app, member, model):
    app.token(member)
    row = model.objects.get()
    hidden = [
        getattr(row, name)
        for name in ("code_digest", "access_digest", "refresh_digest", "bound_to", "family")
        if hasattr(row, name)
    ]
    name = model._meta.model_name
    for page in (f"{name}/", f"{name}/{row.pk}/change/"):
        text = boss.get(ADMIN + page).content.decode()
        assert "ada" in text
        assert not any(value in text for value in hidden)
    assert boss.get(f"{ADMIN}{name}/add/").status_code == 403
    searched = boss.get(f"{ADMIN}{name}/?q=x").content.decode()
    assert 'name="q"' not in searched


@pytest.mark.parametrize("column", ["client_secret", "client_secret__startswith"])
def test_the_admin_does_not_filter_by_a_secret(boss, app, column):
    response = boss.get(f"{ADMIN}client/", {column: "md5"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "grant/?code_digest__startswith=0",
        "token/?refresh_digest__gt=0",
        "token/?client__client_secret__gt=0",
        "token/?bound_to__startswith=0",
    ],
)
def test_the_admin_does_not_filter_by_a_hidden_field(boss, db, path):
    assert boss.get(ADMIN + path).status_code == 400


def test_the_admin_reads_a_list_with_a_constant_number_of_queries(
    boss, app, member, django_assert_max_num_queries
):
    for _ in range(5):
        app.token(member)
    with django_assert_max_num_queries(8):
        boss.get(f"{ADMIN}token/")
