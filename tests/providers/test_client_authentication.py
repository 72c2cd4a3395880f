"""The client's credentials in the header ``Authorization`` (RFC 6749 §2.3.1)."""

import base64
from types import SimpleNamespace
from urllib.parse import unquote_plus

import pytest

from django_dance.providers import BasicAuth, ClientCredentials

pytestmark = pytest.mark.one_database("These tests use no database")


def sent_pair(client_id, secret, *, urlencode=True):
    """The id and the secret as the server gets them, before it decodes any form."""
    request = SimpleNamespace(headers={})
    BasicAuth(ClientCredentials(client_id, secret), urlencode=urlencode)(request)
    scheme, _, value = request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    client_id, _, secret = base64.b64decode(value).decode().partition(":")
    return client_id, secret


@pytest.mark.parametrize(
    "text", ["a b", "a+b/c==", "100%", "a:b", "a&b=c", "ä", "!\"#$'()*,/;<=>?@[\\]^`{|}~-._", "%2B"]
)
def test_a_server_that_decodes_the_credentials_reads_them(text):
    assert tuple(map(unquote_plus, sent_pair(text, text))) == (text, text)


@pytest.mark.parametrize("secret", ["cgK1/HG9Y0Dc=", "Abc~8Q.x-_", "p@ss!w0rd$", "{a}[b]"])
def test_a_server_that_does_not_decode_the_credentials_reads_them_too(secret):
    assert sent_pair("id", secret) == ("id", secret)


def test_credentials_can_be_sent_as_they_are():
    assert sent_pair("a b", "c+d%&ä", urlencode=False) == ("a b", "c+d%&ä")
