"""OAuth 1 signatures (RFC 5849 §3), made with oauthlib. No secret is written to a log."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oauthlib.oauth1
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.exceptions import ImproperlyConfigured
from oauthlib.common import extract_params
from oauthlib.oauth1.rfc5849 import signature as rfc5849

from ..tokens import Secret

if TYPE_CHECKING:
    import requests

_FORM = "application/x-www-form-urlencoded"


class Client(oauthlib.oauth1.Client):
    """oauthlib's client, without the log lines of its ``get_oauth_signature`` that show tokens."""

    def get_oauth_signature(self, request: Any) -> str:
        """Return the signature of a request (RFC 5849 §3.4)."""
        method = self.SIGNATURE_METHODS.get(self.signature_method)
        if method is None:
            raise ImproperlyConfigured(
                f"SIGNATURE_METHOD {self.signature_method!r} is unknown; there are "
                f"{', '.join(self.SIGNATURE_METHODS)}."
            )
        uri, headers, body = self._render(request)  # type: ignore[attr-defined]
        params = rfc5849.collect_parameters(
            uri_query=uri.partition("?")[2], body=body, headers=headers
        )
        base = rfc5849.signature_base_string(
            request.http_method,
            rfc5849.base_string_uri(uri, headers.get("Host")),
            rfc5849.normalize_parameters(params),  # type: ignore[arg-type]
        )
        return str(method(base, self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.signature_method}>"


class Signature:
    """An ``auth`` of ``requests`` that signs each request.

    :param client: oauthlib's client, with the credentials of the client and the token.
    :param force_include_body: sign a body that is not a form, too.
    """

    def __init__(self, client: oauthlib.oauth1.Client, *, force_include_body: bool = False) -> None:
        self._client: Any = client
        self._signature_type = client.signature_type
        self._force_include_body = force_include_body

    def __repr__(self) -> str:
        return "<Signature>"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body: Any = request.body
        if isinstance(body, bytes):
            try:
                body = body.decode()
            except UnicodeDecodeError:
                body = None
        elif not isinstance(body, str):
            body = None
        kind = request.headers.get("Content-Type", "")
        if isinstance(kind, bytes):
            kind = kind.decode("latin-1")
        # RFC 5849 §3.4.1.3.1: the parameters of the body are signed only if it is a form.
        form = _FORM in kind or (not kind and bool(extract_params(body)))
        if form and body is None and request.body:
            raise ValueError(
                "The body of a form must be text, because its fields are part of the signature."
            )
        if form:
            request.headers["Content-Type"] = _FORM
            body = _strip_signature(body or "")
        elif not self._force_include_body:
            body = None
        # RFC 5849 §3.5.2: only a form can carry the parameters in its body.
        in_header = self._signature_type == "BODY" and not form
        self._client.signature_type = "AUTH_HEADER" if in_header else self._signature_type
        path, mark, query = str(request.url).partition("?")
        url, headers, signed = self._client.sign(
            path + mark + _strip_signature(query),
            str(request.method),
            body,
            # oauthlib needs the exact spelling "Content-Type".
            {_title(name): value for name, value in request.headers.items()},
        )
        request.url = url
        if "Authorization" in headers:
            headers["Authorization"] = Secret(headers["Authorization"])
        request.prepare_headers(headers)
        if form:
            request.body = signed
        return request


def _title(name: str | bytes) -> str:
    name = name.decode("latin-1") if isinstance(name, bytes) else name
    return "-".join(part.capitalize() for part in name.split("-"))


def _strip_signature(form: str) -> str:
    """Return a form or query without the parameters of an earlier signature."""
    if "oauth_signature=" not in form:
        return form
    return "&".join(pair for pair in form.split("&") if not pair.startswith("oauth_"))


@functools.lru_cache(maxsize=32)
def load_private_key(key: str | None) -> RSAPrivateKey:
    """Return the RSA key, read once.

    :param key: the private key in PEM, or the path of a file that contains it.
    :raises ImproperlyConfigured: it is not a private RSA key.
    """
    if key and "-----BEGIN" not in key:
        try:
            key = Path(key).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(
                "RSA_KEY is neither a private key in PEM nor the path of a readable file: "
                f"{type(error).__name__}."
            ) from None
    try:
        loaded = load_pem_private_key((key or "").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, RSAPrivateKey):
        raise ImproperlyConfigured(
            "RSA_KEY is not a private RSA key in PEM without a password "
            "(-----BEGIN RSA PRIVATE KEY----- …)."
        )
    return loaded
