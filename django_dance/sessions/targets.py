"""Targets: the address of an API call, and the origins that a token may be sent to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import requests

from ..exceptions import UntrustedOrigin
from ..http import Origin, is_secure, origin

if TYPE_CHECKING:
    from ..providers import Provider
    from .current_token import CurrentToken


def mark_ready(request: requests.PreparedRequest, signer: object) -> requests.PreparedRequest:
    """Mark a request whose address was checked, so that it may be sent once to this address.

    :param signer: the object that has put the token on it; ``None`` without a token.
    """
    vars(request).update(dance_signer=signer, dance_ready=request.url)
    return request


def take_mark(request: requests.PreparedRequest) -> bool:
    """Remove the mark of a request, and return whether it had one for its present address."""
    address: str | None = vars(request).pop("dance_ready", None)
    return address == (request.url or "")


class TargetMixin(requests.Session):
    """Joins relative URLs, and sends the token to trusted origins only."""

    provider: Provider
    current_token: CurrentToken

    @property
    def base_url(self) -> str | None:
        """The URL that relative URLs are joined to. For some providers the token names it."""
        return self.provider.base_url

    def absolute_url(self, url: str) -> str:
        """Return ``url``, joined to the path of ``base_url`` if it is relative.

        :raises UntrustedOrigin: it is neither relative nor an absolute http(s) URL, or it leads
            out of the path of ``base_url``.
        """
        if re.search(r"[\x00-\x1f\x7f\\]", url):
            # Parsers differ about a backslash: one of them may see another host.
            raise UntrustedOrigin(
                "The URL of an API call must contain neither control characters nor backslashes."
            )
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise UntrustedOrigin(f"This is not a URL: {error}.") from None
        if parts.scheme in ("http", "https") and parts.netloc:
            return url
        if parts.scheme or parts.netloc or url.startswith("//"):
            raise UntrustedOrigin(
                f"{url.split('?')[0]!r} cannot be the URL of an API call. Write a path such as "
                '"/user", or an absolute https URL.'
            )
        base = self.base_url
        if not base:
            raise UntrustedOrigin(
                f"{self.provider.name} has no base_url that {url.split('?')[0]!r} could be "
                f"joined to: set BASE_URL in DANCE_PROVIDERS[{self.provider.name!r}]."
            )
        if ".." in unquote(parts.path).replace("\\", "/").split("/"):
            raise UntrustedOrigin(
                "A relative URL must not lead out of base_url. If it should, write the absolute "
                "URL."
            )
        if url.startswith("?"):
            return base + url
        return f"{base.rstrip('/')}/{url.lstrip('/')}" if url else base

    def trusted_origins(self) -> frozenset[Origin | None]:
        """The origins that the token may be sent to."""
        if not (self.provider.base_url_from_token or self.provider.host_from_token):
            return self.provider.trusted_origins
        here = self.provider.for_token(self.current_token.load())
        return here.trusted_origins | {origin(self.base_url or "")}

    def check_origin(self, url: str) -> None:
        """Refuse an address that the token must not be sent to.

        :raises UntrustedOrigin: the origin is not trusted, or not secure.
        """
        where = origin(url)
        if where is None or where not in self.trusted_origins():
            shown = "{}://{}:{}".format(*where) if where else "The address"
            if where and ("https", where[1], 443) in self.trusted_origins():
                raise UntrustedOrigin(f"The token is not sent to {shown}: write https://.")
            raise UntrustedOrigin(
                f"{shown} is not a trusted origin of {self.provider.name}. If the token may be "
                f"sent there, add the origin to API_ORIGINS in "
                f"DANCE_PROVIDERS[{self.provider.name!r}]; if not, pass withhold_token=True."
            )
        if where[0] != "https" and not is_secure(url):
            raise UntrustedOrigin(
                f"The token of {self.provider.name} is sent over https only. Plain http is allowed "
                "only while DEBUG, for loopback and the hosts in DANCE_INSECURE_HOSTS."
            )

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the address of a redirect; ``None`` to return the redirect to the caller.

        A redirect from https to http is not followed, and a request with a body does not follow a
        redirect to another origin.
        """
        try:
            target = super().get_redirect_target(resp)
            if target is None:
                return None
            here, there = origin(resp.url), origin(urljoin(resp.url, target))
        except ValueError:
            return None  # the redirect has no valid address
        if here == there:
            return target
        if there is None or (here and here[0] == "https" and there[0] != "https"):
            return None
        if resp.status_code in (307, 308) and resp.request.body is not None:
            return None
        return target

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Remove the token from a redirect to another origin."""
        mark_ready(prepared_request, None)
        here, there = origin(response.request.url or ""), origin(prepared_request.url or "")
        if here != there:
            prepared_request.headers.pop("Authorization", None)
            prepared_request.headers.pop(self.provider.token_header, None)
            for header in self.provider.request_headers:
                prepared_request.headers.pop(header, None)
