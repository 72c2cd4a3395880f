"""Presets whose tokens name the host of the API."""

import pytest

from django_dance.exceptions import UntrustedOrigin

from ..catalogue import PRESETS
from .conftest import GRANTED, expire_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


#: Preset → the field that names the host, a value of it, and the address of a call then.
HOMES = {
    "salesforce": (
        "instance_url",
        "https://acme.my.salesforce.com",
        "https://acme.my.salesforce.com/services/data",
    ),
    "zoho": ("api_domain", "https://www.zohoapis.eu", "https://www.zohoapis.eu/services/data"),
    "pipedrive": (
        "api_domain",
        "https://acme.pipedrive.com",
        "https://acme.pipedrive.com/api/services/data",
    ),
}


HOSTILE = [
    "https://evil.example/",
    "https://{home}.evil.example",
    "https://evil{home}",
    "https://acme.{home}@evil.example",
    "https://evil.example\\.{home}",
    "https://evil.example#.{home}",
    "https://evil.example?.{home}",
    "//{home}",
    "http://acme.{home}",
    "javascript:alert(1)",
    "",
    5,
    ["https://acme.{home}"],
]


@pytest.mark.parametrize("name", HOMES)
def test_a_call_goes_to_the_host_in_the_token(connected, responses, name):
    field, home, url = HOMES[name]
    responses.get(url, json={})
    assert connected(name, {field: home}).get("services/data").ok
    assert "planted-access" in responses.calls[0].request.headers["Authorization"]


@pytest.mark.parametrize("name", HOMES)
def test_an_absolute_url_at_the_host_in_the_token_is_trusted(connected, responses, name):
    field, home, url = HOMES[name]
    responses.get(url, json={})
    assert connected(name, {field: home}).get(url).ok


@pytest.mark.parametrize("name", HOMES)
def test_the_host_of_another_token_is_not_trusted(connected, responses, name):
    field, home, _ = HOMES[name]
    other = home.replace("acme", "other").replace("www", "other")
    with pytest.raises(UntrustedOrigin, match="is not a trusted origin"):
        connected(name, {field: home}).get(f"{other}/services/data")
    assert not responses.calls


@pytest.mark.parametrize("name", HOMES)
def test_a_token_without_a_host_uses_the_base_url_of_the_preset(connected, name):
    session = connected(name)
    assert session.base_url == session.provider.base_url


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
@pytest.mark.parametrize("name", HOMES)
def test_a_token_with_a_foreign_host_is_not_sent(connected, responses, name, hostile):
    field = HOMES[name][0]
    home = PRESETS[name].base_url_domains[0]
    if isinstance(hostile, str):
        hostile = hostile.format(home=home)
    session = connected(name, {field: hostile})
    with pytest.raises(UntrustedOrigin, match=r"token names the host .+ not one of"):
        session.get("services/data")
    with pytest.raises(UntrustedOrigin, match=r"token names the host .+ not one of"):
        session.get("https://evil.example/")
    assert not responses.calls


@pytest.mark.parametrize("name", HOMES)
def test_a_refresh_can_name_another_host(connected, responses, name):
    field, home, url = HOMES[name]
    session = expire_token(
        connected(name, {field: home.replace("acme", "old").replace("eu", "com")})
    )
    responses.post(session.provider.token_url, json={**GRANTED, field: home})
    responses.get(url, json={})
    session.ready_token()
    assert session.get("services/data").ok


@pytest.mark.parametrize("name", HOMES)
def test_a_refresh_without_a_host_keeps_the_host(connected, responses, name):
    field, home, url = HOMES[name]
    session = expire_token(connected(name, {field: home}))
    responses.post(session.provider.token_url, json=GRANTED)
    responses.get(url, json={})
    assert session.get("services/data").ok


@pytest.mark.parametrize("name", HOMES)
def test_the_call_that_refreshes_goes_to_the_new_host(connected, responses, name):
    field, home, url = HOMES[name]
    session = expire_token(
        connected(name, {field: home.replace("acme", "old").replace("eu", "com")})
    )
    responses.post(session.provider.token_url, json={**GRANTED, field: home})
    responses.get(url, json={})
    assert session.get("services/data").ok


@pytest.mark.parametrize("name", HOMES)
def test_after_a_refresh_with_a_foreign_host_no_call_is_sent(connected, responses, name):
    field, home, _ = HOMES[name]
    session = expire_token(connected(name, {field: home}))
    responses.post(session.provider.token_url, json={**GRANTED, field: "https://evil.example"})
    session.ready_token()
    asked = len(responses.calls)
    with pytest.raises(UntrustedOrigin):
        session.get("services/data")
    assert len(responses.calls) == asked


def test_wrikes_host_has_no_scheme(connected, responses):
    responses.get("https://app-eu.wrike.com/api/v4/tasks", json={})
    session = connected("wrike", {"host": "app-eu.wrike.com"})
    assert session.get("tasks").ok
    assert session.get("https://app-eu.wrike.com/api/v4/tasks").ok


@pytest.mark.parametrize(
    "hostile",
    [
        "evil.example",
        "evil.example/wrike.com",
        "wrike.com.evil.example",
        "evilwrike.com",
        "www.wrike.com@evil.example",
        "evil.example#.wrike.com",
        "evil.example?.wrike.com",
        "evil.example\\.wrike.com",
        "https://www.wrike.com",
        "",
        5,
    ],
    ids=str,
)
def test_a_wrike_token_with_a_foreign_host_is_not_sent(connected, responses, hostile):
    with pytest.raises(UntrustedOrigin, match=r"token names the host .+ not one of"):
        connected("wrike", {"host": hostile}).get("tasks")
    assert not responses.calls
