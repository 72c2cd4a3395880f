"""Grants without a browser on this device, for commands, queue workers and televisions.

The device grant is RFC 8628, client credentials are RFC 6749 §4.4.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from django.core.exceptions import ImproperlyConfigured

from .. import forbid_in_templates
from ..exceptions import FlowError, InvalidResponse, ProviderUnavailable, TokenRequestRefused
from ..tokens import ResourceOwner, Secret, Token, clean_text, scope_list, seconds, without_empty

if TYPE_CHECKING:
    from ..exceptions import ProviderError
    from ..http import ProtocolResponse
    from .base import ClientCredentials
    from .refusals import Refusal

    class _Base:
        scope: Any
        scope_separator: str
        scope_param: str
        client_id_param: str
        token_url_params: Any
        name: str
        label: str

        def endpoint(self, fact: str) -> str: ...
        def prepare_for_site(self) -> Self: ...
        def get_client_credentials(self, owner: ResourceOwner) -> ClientCredentials: ...
        def grant(
            self, url: str, data: Mapping[str, str], client: ClientCredentials
        ) -> dict[str, Any]: ...
        def token_call(
            self, url: str, data: Mapping[str, str], client: ClientCredentials
        ) -> ProtocolResponse: ...
        def refusal(
            self, answer: ProtocolResponse, fields: Mapping[str, Any]
        ) -> Refusal | None: ...
        def meaning_of(self, error: ProviderError) -> str: ...
        def _refusal_error(self, answer: ProtocolResponse, refusal: Refusal) -> ProviderError: ...
else:
    _Base = object

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class DeviceAuthorization:
    """The codes and addresses with which a user authorizes a device (RFC 8628 §3.2)."""

    device_code: str
    #: The code that the user enters at ``verification_uri``.
    user_code: str
    verification_uri: str
    #: The same address with the code in it, for a link or a QR code, or ``None``.
    verification_uri_complete: str | None
    #: Seconds since the epoch.
    expires_at: float
    #: Seconds to wait between two polls.
    interval: int
    scope: tuple[str, ...] = ()

    @classmethod
    def from_response(cls, fields: Mapping[str, Any], scopes: Iterable[str]) -> Self:
        """Return the device authorization of a response (RFC 8628 §3.2).

        :param fields: the members of the response.
        :param scopes: the scopes that were requested.
        :raises InvalidResponse: a code or an address is missing, or an address is not https.
        """
        device_code, user_code = fields.get("device_code"), fields.get("user_code")
        # Google sends verification_url, which is older than the RFC.
        uri = fields.get("verification_uri") or fields.get("verification_url")
        if not all(isinstance(text, str) and text for text in (device_code, user_code, uri)):
            raise InvalidResponse("The provider's answer has no usable device code.")
        complete = fields.get("verification_uri_complete")
        if not isinstance(complete, str):
            complete = None
        if not all(str(url).startswith("https://") for url in (uri, complete or uri)):
            raise InvalidResponse("The provider's verification address is not https.")
        return cls(
            device_code=Secret(device_code),
            # A terminal shows these texts, so control characters are removed.
            user_code=clean_text(user_code) or "",
            verification_uri=clean_text(uri) or "",
            verification_uri_complete=clean_text(complete),
            expires_at=time.time() + max(seconds(fields.get("expires_in")) or 600, 1),
            interval=min(max(seconds(fields.get("interval")) or 5, 1), 60),
            scope=tuple(scopes),
        )

    @property
    def expired(self) -> bool:
        return time.time() >= self.expires_at


class BackgroundGrants(_Base):
    """The grants of an ``OAuth2Provider`` that need no browser on this device."""

    @forbid_in_templates
    def client_credentials(self, scope: str | Iterable[str] | None = None) -> Token:
        """Request a token for the site itself (RFC 6749 §4.4). It is not stored.

        :param scope: the scopes to request; default: the request names no scope.
        :raises ProviderError: the provider refused, failed or could not be reached.
        :raises PlaceError: the place cannot be used, or no administrator has registered the site.
        """
        here = self.prepare_for_site()
        data = {
            **(self.token_url_params or {}),
            "grant_type": "client_credentials",
            **self._scope(scope_list(scope)),
        }
        client = here.get_client_credentials(ResourceOwner(here))  # type: ignore[arg-type]
        return Token.granted(here.grant(here.endpoint("token_url"), data, client))

    @forbid_in_templates
    def begin_device(self, scope: str | Iterable[str] | None = None) -> DeviceAuthorization:
        """Request a code that a user can authorize on another device (RFC 8628 §3.1).

        :param scope: the scopes to request; default: the fact ``scope``.
        :raises ImproperlyConfigured: the provider has no ``device_authorization_url``.
        :raises ProviderError: the provider refused, failed or could not be reached.
        """
        url = self.endpoint("device_authorization_url")
        if not url:
            raise ImproperlyConfigured(
                f"{self.label} has no DEVICE_AUTHORIZATION_URL, so it cannot authorize devices."
            )
        scopes = scope_list(self.scope if scope is None else scope)
        client = self.get_client_credentials(ResourceOwner(self))  # type: ignore[arg-type]
        data = {
            **(self.token_url_params or {}),
            self.client_id_param: client.client_id,
            **self._scope(scopes),
        }
        answer = self.token_call(url, data, client)
        fields = without_empty(answer.json())
        refusal = self.refusal(answer, fields)
        if refusal is not None:
            del fields  # a traceback would print the words, which may repeat secrets
            raise self._refusal_error(answer, refusal)
        return DeviceAuthorization.from_response(fields, scopes)

    def poll_device(self, authorization: DeviceAuthorization) -> Token | None:
        """Request the token once; return ``None`` while the authorization is pending.

        :raises FlowError: ``access_denied``: the user refused; ``flow_expired``: the code expired.
        :raises ProviderUnavailable: the provider could not be reached; or, if its ``refusal`` is
            ``"slow_down"``, add five seconds to the interval from now on (RFC 8628 §3.5).
        :raises ProviderError: the provider refused or failed.
        """
        data = {
            **(self.token_url_params or {}),
            "grant_type": _DEVICE_GRANT,
            "device_code": authorization.device_code,
        }
        client = self.get_client_credentials(ResourceOwner(self))  # type: ignore[arg-type]
        data[self.client_id_param] = client.client_id
        try:
            fields = self.grant(self.endpoint("token_url"), data, client)
        except TokenRequestRefused as error:
            means = self.meaning_of(error)
            if means == "pending":
                return None
            if means == "cancelled":
                raise FlowError("access_denied", "the user refused", error=error.error) from error
            if means == "dead":
                raise FlowError(
                    "flow_expired", "the device code has expired", error=error.error
                ) from error
            raise
        if authorization.scope:
            fields.setdefault("scope", list(authorization.scope))
        return Token.granted(self.identify(fields, authorization.scope, client))

    def wait_for_device(self, authorization: DeviceAuthorization) -> Token:
        """Poll until a user has authorized the device. It sleeps: use it in commands and workers.

        :raises FlowError: ``access_denied``: the user refused; ``flow_expired``: no user authorized
            the device in time.
        :raises ProviderError: the provider refused or failed.
        """
        while not authorization.expired:
            time.sleep(authorization.interval)
            try:
                token = self.poll_device(authorization)
            except ProviderUnavailable:
                # RFC 8628 §3.5: wait longer after slow_down, and after a failed connection.
                authorization = replace(authorization, interval=authorization.interval + 5)
                continue
            if token is not None:
                return token
        raise FlowError("flow_expired", "no user authorized the device in time")

    def identify(
        self, fields: dict[str, Any], scope: Sequence[str], client: ClientCredentials
    ) -> dict[str, Any]:
        """Return the fields of the token. OpenID Connect adds the claims of the ID token."""
        return fields

    def _scope(self, scopes: list[str]) -> dict[str, str]:
        return {self.scope_param: self.scope_separator.join(scopes)} if scopes else {}
