"""Which URLs may get a secret."""

import pytest

from django_dance.http import is_secure

LOOPBACK = ["http://localhost/", "http://127.0.0.1:8000/", "http://[::1]/", "http://a.localhost/"]
NAMED = [
    "http://keycloak:8080/realms/x",
    "http://KEYCLOAK/",
    "http://10.0.0.7:81/",
    "http://[fd00::7]/",
]
OTHER = [
    "http://keycloak.example.com/",
    "http://key/",
    "http://cloak/",
    "http://keycloak./",
    "http://keycloak@evil.example/",
    "http://evil.example/keycloak",
    "http://keycloak:x/",
    "ftp://keycloak/",
    "keycloak",
    "",
]


@pytest.fixture(autouse=True)
def _hosts(settings):
    settings.DANCE_INSECURE_HOSTS = ["Keycloak", "10.0.0.7", "fd00::7"]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("url", [*LOOPBACK, *NAMED])
def test_plain_http_is_secure_enough_only_while_debugging(settings, url, debug):
    settings.DEBUG = debug
    assert is_secure(url) is debug
    assert is_secure(url.replace("http:", "https:"))


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("url", OTHER)
def test_plain_http_to_a_host_that_no_setting_names_is_not_secure(settings, url, debug):
    settings.DEBUG = debug
    assert not is_secure(url)


@pytest.mark.parametrize("hosts", ["keycloak", b"keycloak", None, {"keycloak": 1}, [], ()])
def test_a_setting_of_another_type_names_no_host(settings, hosts):
    settings.DEBUG, settings.DANCE_INSECURE_HOSTS = True, hosts
    assert not is_secure("http://keycloak/")
