"""Grants for those who have no browser at hand: a command, a queue worker, a television.

The device grant is RFC 8628, client credentials are RFC 6749 §4.4.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from ..exceptions import FlowError, InvalidResponse, ProviderUnavailable, TokenRequestRefused
from ..tokens import ResourceOwner, Secret, Token, clean_text, scope_list, seconds

if TYPE_CHECKING:
    from ..http import ProtocolResponse
    from .base import ClientCredentials

    class _Base:
        scope: Any
        scope_separator: str
        scope_param: str
        client_id_param: str
        name: str
        label: str

        def endpoint(self, fact: str) -> str: ...
        def get_client_credentials(self, owner: ResourceOwner) -> ClientCredentials: ...
        def grant(
            self, url: str, data: Mapping[str, str], client: ClientCredentials
        ) -> dict[str, Any]: ...
        def token_call(
            self, url: str, data: Mapping[str, str], client: ClientCredentials
        ) -> ProtocolResponse: ...
else:
    _Base = object

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class DeviceAuthorization:
    """What to show to somebody who authorizes a device (RFC 8628 §3.2)."""

    device_code: str
    #: To be typed in at ``verification_uri``.
    user_code: str
    verification_uri: str
    #: The same with the code in it, for a link or a QR code; ``None`` if there is none.
    verification_uri_complete: str | None
    #: Seconds since the epoch.
    expires_at: float
    #: Seconds to wait between two polls.
    interval: int
    scope: tuple[str, ...] = ()

    @property
    def expired(self) -> bool:
        return time.time() >= self.expires_at


class BackgroundGrants(_Base):
    """The grants of an ``OAuth2Provider`` that need no browser of this site's."""

    def client_credentials(self, scope: str | Iterable[str] | None = None) -> Token:
        """A token for the site itself (RFC 6749 §4.4). It is not stored.

        :param scope: what to ask for; default: nothing in particular.
        :raises ProviderError:
        """
        data = {"grant_type": "client_credentials", **self._scope(scope_list(scope))}
        client = self.get_client_credentials(ResourceOwner(self))  # type: ignore[arg-type]
        return Token.granted(self.grant(self.endpoint("token_url"), data, client))

    def begin_device(self, scope: str | Iterable[str] | None = None) -> DeviceAuthorization:
        """Ask for a code that somebody can authorize elsewhere (RFC 8628 §3.1).

        :param scope: what to ask for; default: the provider's own scope.
        :raises ProviderError:
        """
        url = self.endpoint("device_authorization_url")
        if not url:
            raise ImproperlyConfigured(
                f"{self.label} states no DEVICE_AUTHORIZATION_URL, so a device cannot ask it."
            )
        scopes = scope_list(self.scope if scope is None else scope)
        client = self.get_client_credentials(ResourceOwner(self))  # type: ignore[arg-type]
        data = {self.client_id_param: client.client_id, **self._scope(scopes)}
        answer = self.token_call(url, data, client)
        fields = answer.json()
        if "error" in fields or answer.status != 200:
            raise TokenRequestRefused(
                f"{self.label} refused: it answered {answer.status}.",
                status=answer.status,
                error=clean_text(fields.get("error")),
            )
        texts = [fields.get(name) for name in ("device_code", "user_code")]
        # Google says verification_url, from before the RFC.
        uri = fields.get("verification_uri") or fields.get("verification_url")
        complete = fields.get("verification_uri_complete")
        if not all(isinstance(text, str) and text for text in (*texts, uri)):
            raise InvalidResponse(f"{self.label}'s answer has no usable device code.")
        if not isinstance(complete, str):
            complete = None
        if not str(uri).startswith("https://") or not str(complete or uri).startswith("https://"):
            raise InvalidResponse(f"{self.label}'s verification address is not https.")
        return DeviceAuthorization(
            device_code=Secret(texts[0]),
            # They are shown on a terminal.
            user_code=clean_text(texts[1]) or "",
            verification_uri=clean_text(uri) or "",
            verification_uri_complete=clean_text(complete),
            expires_at=time.time() + max(seconds(fields.get("expires_in")) or 600, 1),
            interval=min(max(seconds(fields.get("interval")) or 5, 1), 60),
            scope=tuple(scopes),
        )

    def poll_device(self, authorization: DeviceAuthorization) -> Token | None:
        """Whether somebody has authorized the device: the token, or ``None`` for "not yet".

        :raises FlowError: ``access_denied`` or ``flow_expired``.
        :raises ProviderUnavailable: with ``error`` ``"slow_down"``: wait five seconds longer
            from now on (RFC 8628 §3.5); or the provider cannot be reached.
        :raises ProviderError:
        """
        data = {"grant_type": _DEVICE_GRANT, "device_code": authorization.device_code}
        client = self.get_client_credentials(ResourceOwner(self))  # type: ignore[arg-type]
        data[self.client_id_param] = client.client_id
        try:
            fields = self.grant(self.endpoint("token_url"), data, client)
        except TokenRequestRefused as error:
            if error.error == "authorization_pending":
                return None
            if error.error == "access_denied":
                raise FlowError("access_denied", "the user said no", error=error.error) from error
            if error.error == "expired_token":
                raise FlowError("flow_expired", "the device code is over") from error
            raise
        if authorization.scope:
            fields.setdefault("scope", list(authorization.scope))
        return Token.granted(self.identified(fields, authorization.scope, client))

    def wait_for_device(self, authorization: DeviceAuthorization) -> Token:
        """Poll until somebody has authorized the device. Sleeps; for commands and workers.

        :raises FlowError: ``access_denied`` or ``flow_expired``.
        :raises ProviderError:
        """
        while not authorization.expired:
            time.sleep(authorization.interval)
            try:
                token = self.poll_device(authorization)
            except ProviderUnavailable:
                # RFC 8628 §3.5: slow_down, and a connection that fails, ask for a longer interval.
                authorization = replace(authorization, interval=authorization.interval + 5)
                continue
            if token is not None:
                return token
        raise FlowError("flow_expired", "nobody authorized the device in time")

    def identified(
        self, fields: dict[str, Any], scope: Sequence[str], client: ClientCredentials
    ) -> dict[str, Any]:
        """The fields, with who was identified by them. The hook of OpenID Connect."""
        return fields

    def _scope(self, scopes: list[str]) -> dict[str, str]:
        return {self.scope_param: self.scope_separator.join(scopes)} if scopes else {}
