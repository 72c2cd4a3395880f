"""Signing requests for OAuth 1 (RFC 5849 §3), by oauthlib, without writing secrets to a log."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oauthlib.oauth1
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from oauthlib.common import extract_params
from oauthlib.oauth1.rfc5849 import signature as rfc5849

from .tokens import Secret

if TYPE_CHECKING:
    import requests

    from .providers import ClientCredentials, OAuth1Provider

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
        self._in_body = provider.signature_type == "BODY"
        self._force_include_body = provider.force_include_body
        self._client = client_class(
            client.client_id,
            client_secret=client.client_secret or None,
            resource_owner_key=token,
            resource_owner_secret=token_secret,
            callback_uri=callback_uri,
            signature_method=provider.signature_method,
            signature_type=provider.signature_type,
            rsa_key=_pem(provider.rsa_key) if provider.uses_rsa else None,
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
        form = self._in_body or _FORM in kind or (not kind and bool(extract_params(body)))
        if form:
            request.headers["Content-Type"] = _FORM
        url, headers, signed = self._client.sign(
            str(request.url),
            str(request.method),
            (body or "") if form or self._force_include_body else None,
            # oauthlib looks for "Content-Type" by this very spelling.
            {_title(name): value for name, value in request.headers.items()},
        )
        request.url = url
        request.prepare_headers(headers)
        if form:
            request.body = signed
        return request


def _title(name: str | bytes) -> str:
    name = name.decode("latin-1") if isinstance(name, bytes) else name
    return "-".join(part.capitalize() for part in name.split("-"))


@functools.lru_cache(maxsize=32)
def _pem(key: str | None) -> str:
    """The private key in PEM, from itself or from the file it names."""
    if key and "-----BEGIN" not in key:
        try:
            key = Path(key).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(
                "RSA_KEY is neither a private key in PEM nor the path of a readable file: "
                f"{type(error).__name__}."
            ) from None
    if not key or "-----BEGIN" not in key:
        raise ImproperlyConfigured("RSA_KEY is not a private key in PEM.")
    return Secret(key)
