"""Signing requests for OAuth 1 (RFC 5849 §3), by oauthlib, without writing secrets to a log."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oauthlib.oauth1
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from oauthlib.common import extract_params
from oauthlib.oauth1.rfc5849 import signature as rfc5849

from ..tokens import Secret

if TYPE_CHECKING:
    import requests

    from ..providers import ClientCredentials, OAuth1Provider

_FORM = "application/x-www-form-urlencoded"


class Client(oauthlib.oauth1.Client):
    """oauthlib's client, whose own ``get_oauth_signature`` logs tokens and verifiers at DEBUG."""

    def get_oauth_signature(self, request: Any) -> str:
        """RFC 5849 §3.4."""
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
    """A ``requests`` authentication that signs with a client's and a token's credentials."""

    def __init__(
        self,
        provider: OAuth1Provider,
        client: ClientCredentials,
        *,
        token: str | None = None,
        token_secret: str | None = None,
        verifier: str | None = None,
        callback_uri: str | None = None,
    ) -> None:
        client_class: Any = provider.client_class
        if isinstance(client_class, str):
            client_class = import_string(client_class)
        self._place = provider.signature_type
        self._force_include_body = provider.force_include_body
        self._client = client_class(
            client.client_id,
            client_secret=client.client_secret or None,
            resource_owner_key=token,
            resource_owner_secret=token_secret,
            callback_uri=callback_uri,
            signature_method=provider.signature_method,
            signature_type=provider.signature_type,
            rsa_key=private_key(provider.rsa_key) if provider.uses_rsa else None,
            verifier=verifier,
        )

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
        # RFC 5849 §3.4.1.3.1: parameters of the body count only if it is a form.
        form = _FORM in kind or (not kind and bool(extract_params(body)))
        if form and body is None and request.body:
            raise ValueError("A form's body must be text: its fields are part of the signature.")
        if form:
            request.headers["Content-Type"] = _FORM
            body = _unsigned(body or "")
        elif not self._force_include_body:
            body = None
        # RFC 5849 §3.5.2: only a form can carry the parameters in its body.
        in_header = self._place == "BODY" and not form
        self._client.signature_type = "AUTH_HEADER" if in_header else self._place
        path, mark, query = str(request.url).partition("?")
        url, headers, signed = self._client.sign(
            path + mark + _unsigned(query),
            str(request.method),
            body,
            # oauthlib looks for "Content-Type" by this very spelling.
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


def _unsigned(form: str) -> str:
    """A form or query without the parameters of an earlier signature, if it has one."""
    if "oauth_signature=" not in form:
        return form
    return "&".join(pair for pair in form.split("&") if not pair.startswith("oauth_"))


@functools.lru_cache(maxsize=32)
def private_key(key: str | None) -> RSAPrivateKey:
    """The private key in PEM, from itself or from the file it names; read once.

    :raises ImproperlyConfigured: it is none.
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
