"""OpenID Connect (Core, Discovery). A provider needs only its issuer."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from ..exceptions import FlowError, InvalidResponse, ProviderError, failure_fields
from ..tokens import ResourceOwner, Secret, Token
from . import id_tokens
from .base import AccountInfo, ClientCredentials, with_query
from .oauth2 import OAuth2Provider
from .options import Problem, fact

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict

    from ..flows import Flow
    from ..http import ProtocolResponse
    from ..sessions import DanceSession
    from .server_metadata import ServerMetadata

logger = logging.getLogger("django_dance")

_ENDPOINTS = {
    "authorization_url": "authorization_endpoint",
    "token_url": "token_endpoint",
    "revocation_url": "revocation_endpoint",
    "userinfo_url": "userinfo_endpoint",
    "end_session_url": "end_session_endpoint",
    "jwks_url": "jwks_uri",
    "device_authorization_url": "device_authorization_endpoint",
}


#: The scopes for claims with a name. Some providers have a scope for each claim.
_NAMING_SCOPES = frozenset({"profile", "email", "given_name", "family_name"})

#: Longest ID token in the URL of a logout, in characters. Many servers refuse a URL of 8 kB.
_LONGEST_HINT = 4096


class IdentityChanged(InvalidResponse):
    """The provider's answer is about another subject than the one who logged in."""

    code = "identity_changed"


class OIDCProvider(OAuth2Provider):
    """A provider that supports OpenID Connect. An endpoint without a fact is discovered."""

    scope: str | Sequence[str] | None = "openid"
    #: The URL of the metadata; ``None`` for the well-known URL (OpenID Connect Discovery 4).
    discovery_url: str | None = fact(None, url=True)
    #: The key set (RFC 7517).
    jwks_url: str | None = fact(None, url=True)
    #: The userinfo endpoint (OpenID Connect Core 5.3).
    userinfo_url: str | None = fact(None, url=True)
    #: The authentication context classes of the provider, the weakest first. If a dance asks for
    #: one of them, a later one is accepted, too. Other values must be equal.
    acr_levels: Sequence[str] = ()
    #: The endpoint that ends the session at the provider (OpenID Connect RP-Initiated Logout).
    end_session_url: str | None = fact(None, url=True)
    account_id = "sub"
    # "never reassigned" within the issuer: OpenID Connect Core 2
    permanent_account_ids: Sequence[str] = ("sub",)
    account_label = "name"
    # OpenID Connect Core 5.4 and 11
    scope_words = {
        "openid": _("Know which account is yours"),
        "profile": _("See your name and your profile"),
        "email": _("See your e-mail address"),
        "address": _("See your postal address"),
        "phone": _("See your phone number"),
        "offline_access": _("Do this while you are not here"),
    }
    session_class: str | type = fact("django_dance.sessions.OIDCSession", any_value=True)
    authorization_url: str = fact("", url=True)
    token_url: str = fact("", url=True)
    issuer: str | None = fact(None, url=True, required=True)

    def find_problems(self) -> Iterator[Problem]:
        yield from super().find_problems()
        if self.sign_in and "openid" not in self.configured_scope:
            yield self._problem(
                "django_dance.E026",
                "SIGN_IN needs an ID token, and SCOPE does not name openid.",
                "Add openid to SCOPE.",
            )
        if self.issuer and "?" in self.issuer:
            yield self._bad_url("issuer", self.issuer)

    # --- discovery ----------------------------------------------------------------------------

    def metadata(self) -> dict[str, Any]:
        """Return the issuer's metadata (OpenID Connect Discovery 3).

        :raises ProviderError: the metadata cannot be fetched, or are invalid.
        """
        from .discovery import metadata

        issuer = self.issuer or ""
        if self.place:
            # A user has chosen the server: there are limits, and its address is checked.
            known = dataclasses.asdict(self._discovered(""))
            return {name: value for name, value in known.items() if value not in ("", None)}
        used = [
            _ENDPOINTS[fact]
            for fact in ("authorization_url", "token_url", "jwks_url")
            if not getattr(self, fact)
        ]
        return metadata(
            self.name,
            issuer,
            self.discovery_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            used=used,
            # RFC 8414 §2: a server without signed answers has no keys.
            required=[name for name in used if name != "jwks_uri"],
            get=partial(self.call, "GET"),
            accept=self.accepts_issuer,
        )

    def discover(self, asked_by: str) -> ServerMetadata | None:
        return None if self._states_endpoints else self._discovered(asked_by)

    def _discovered(self, asked_by: str) -> ServerMetadata:
        from .server_metadata import discover_authorization_server

        verify = self.ca_bundle or True
        issuer = self.issuer or ""
        return discover_authorization_server(issuer, openid=True, asked_by=asked_by, verify=verify)

    @property
    def _states_endpoints(self) -> bool:
        """Whether the facts name the endpoints; then they name all that there are."""
        return bool(self.authorization_url and self.token_url and self.jwks_url)

    def accepts_issuer(self, issuer: str) -> bool:
        """Return whether the metadata may name this issuer. A hook for presets with tenants."""
        return issuer == self.issuer

    def issuer_of(self, claims: Mapping[str, Any]) -> str:
        """Return the issuer that an ID token must name. A hook for presets with tenants."""
        return self.issuer or ""

    def endpoint(self, fact: str) -> str:
        stated = super().endpoint(fact)
        if stated or fact not in _ENDPOINTS:
            return stated
        if self.server or self._states_endpoints:
            return ""  # the facts name all endpoints that there are
        from .discovery import endpoint

        return endpoint(self.metadata(), _ENDPOINTS[fact])

    def can_revoke(self) -> bool:
        # The metadata, which are not read here, may name an endpoint.
        return not self._states_endpoints or super().can_revoke()

    def _pin(self) -> str:
        """Return a digest of the URLs that get the code and the client secret."""
        pinned = "\n".join(map(self.endpoint, ("authorization_url", "token_url", "jwks_url")))
        return hashlib.sha256(pinned.encode()).hexdigest()[:16]

    # --- the two steps ------------------------------------------------------------------------

    def begin(self, request: HttpRequest, flow: Flow) -> tuple[str, Flow]:
        url, flow = super().begin(request, flow)
        return url, replace(flow, pin=self._pin())

    def check_callback(self, flow: Flow, params: QueryDict) -> None:
        super().check_callback(flow, params)
        if not constant_time_compare(flow.pin, self._pin()):
            raise FlowError(
                "metadata_changed", "the provider's endpoints have changed since the login"
            )

    def requires_iss(self) -> bool:
        return super().requires_iss() or (
            not self.authorization_url
            and self.metadata().get("authorization_response_iss_parameter_supported") is True
        )

    def granted(
        self, fields: dict[str, Any], flow: Flow, client: ClientCredentials
    ) -> dict[str, Any]:
        fields = super().granted(fields, flow, client)
        fields = self.identify(fields, flow.scope, client, nonce=flow.nonce)
        if claims := fields.get("id_claims"):
            asked = {**self.authorization_params(), **flow.additions.request_params()}
            id_tokens.check_authentication(
                claims,
                acr_values=asked.get("acr_values", "").split(),
                max_age=asked.get("max_age"),
                levels=self.acr_levels,
            )
        return fields

    def identify(
        self,
        fields: dict[str, Any],
        scope: Sequence[str],
        client: ClientCredentials,
        *,
        nonce: str | None = None,
    ) -> dict[str, Any]:
        if "openid" in scope:
            fields["id_claims"] = self.verified_claims(fields, client, nonce=nonce)
        return fields

    def verified_claims(
        self,
        fields: Mapping[str, Any],
        client: ClientCredentials,
        *,
        nonce: str | None,
        fresh: bool = True,
    ) -> dict[str, Any]:
        """Return the checked claims of the ID token in ``fields``.

        :param fields: the fields of the answer, with ``id_token`` and ``access_token``.
        :param nonce: the nonce of the flow; ``None`` to skip its comparison.
        :param fresh: whether the token must have been issued in the last ten minutes.
        :raises FlowError: the ID token is refused. Each reason has a code, ``id_token_…``.
        :raises ProviderError: the keys cannot be fetched.
        """
        claims, header = self._signed_claims(fields.get("id_token"))
        id_tokens.check_claims(
            claims,
            header,
            issuer=self.issuer_of(claims),
            client_id=client.client_id,
            nonce=nonce,
            access_token=fields["access_token"],
            fresh=fresh,
        )
        return claims

    def _signed_claims(self, token: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the claims of an ID token and its header, if it is signed.

        :raises FlowError: the ID token is malformed, or no key of the provider has signed it.
        :raises ProviderError: the keys cannot be fetched.
        """
        from .discovery import keys

        if not token:
            raise id_tokens.refusal("missing", "openid was requested, and there is no ID token")
        header = id_tokens.header(token)
        find_keys = partial(
            keys,
            self.name,
            self.issuer or "",
            self._keys_url(),
            get=partial(self.call, "GET"),
            key_id=header.get("kid"),
        )
        found = find_keys(usable=lambda known: bool(id_tokens.candidates(known, header)))
        candidates = id_tokens.candidates(found, header)
        if not candidates:
            raise id_tokens.refusal(
                "key", "the provider has no key that may have signed the ID token"
            )
        try:
            claims = id_tokens.verify(Secret(str(token)), header, candidates)
        except FlowError as error:
            # The provider may have replaced a key, and the new one has the same id, or none.
            newer = find_keys(usable=lambda known: known is not found)
            if error.code != "id_token_signature" or newer is found:
                raise
            candidates = id_tokens.candidates(newer, header)
            claims = id_tokens.verify(Secret(str(token)), header, candidates)
        return claims, header

    def _keys_url(self) -> str:
        from .discovery import MetadataInvalid

        url = self.endpoint("jwks_url")
        if not url:
            raise MetadataInvalid(
                f"{self.label} publishes no jwks_uri, so its ID tokens cannot be verified. If it "
                "has keys, set JWKS_URL; if not, remove openid from SCOPE."
            )
        return url

    # --- the life of a token ------------------------------------------------------------------

    def keep_identity(self, token: Token, refreshed: Token) -> Token:
        if not token.get("id_claims"):
            return refreshed
        fields = {**refreshed.fields_to_store, "id_claims": token["id_claims"]}
        return Token({**fields, "id_token": token.get("id_token")})

    def check_refreshed(self, owner: ResourceOwner, token: Token, refreshed: Token) -> Token:
        before = token.get("id_claims")
        if not before or refreshed.get("id_token") == token.get("id_token"):
            return refreshed
        server = self.granting_server(token)
        client = server.get_client_credentials(owner)
        try:
            # Another person first: the token of another person is refused even if it has expired.
            id_tokens.check_person(
                server._signed_claims(refreshed.get("id_token"))[0], before, client.client_id
            )
            claims = server.verified_claims(refreshed, client, nonce=None, fresh=False)
            id_tokens.check_continuity(claims, before)
        except (ProviderError, FlowError) as error:
            if getattr(error, "code", "") == "id_token_changed":
                # A refresh has no flow. For the caller, the provider gave an invalid answer.
                raise IdentityChanged(str(error)) from error
            logger.warning(
                "%s: the refreshed ID token cannot be used, and the earlier one is kept: %s",
                self.name,
                error,
                extra=failure_fields(error, provider=self.name),
            )
            return self.keep_identity(token, refreshed)
        return Token({**refreshed.fields_to_store, "id_claims": claims})

    def account_request(self) -> tuple[str, str, dict[str, Any] | None] | None:
        stated = super().account_request()
        url = "" if stated else self.endpoint("userinfo_url")
        return ("GET", url, None) if url else stated

    def account_info(self, session: DanceSession) -> AccountInfo:
        # A site may choose the claim in place of the id that the preset's account_url answers.
        asks = self.account_url and type(self).account_id == "sub"
        if asks or self.account_id != "sub":
            return super().account_info(session)
        token = session.ready_token()
        signed = token.get("id_claims")
        claims = signed or self.userinfo(token)
        account = self.check_account_id(claims.get("sub"))
        if signed and not self._name(signed):
            claims = {**self._claims_elsewhere(token), **signed}
        label = self._name(claims) or claims.get("email") or account
        return self.in_workspace(AccountInfo(account, str(label), claims), token)

    def account_issuer(self, token: Token, account: str) -> str:
        claims = token.get("id_claims") or {}
        if claims.get("sub") != account or not claims.get("iss"):
            raise FlowError("account_unknown", "the ID token does not name the account")
        return str(claims["iss"])

    def _name(self, claims: Mapping[str, Any]) -> str:
        """Return the name in the claims of a person (OpenID Connect Core 5.1), or ``""``."""
        parts = [claims.get(name) for name in ("given_name", "family_name")]
        whole = claims.get(self.account_label) or claims.get("name")
        return str(whole or " ".join(str(part) for part in parts if part))

    def _claims_elsewhere(self, token: Token) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint; none if it has no name, or none now.

        With an access token the claims of a scope are at this endpoint, and the ID token may have
        the subject only (OpenID Connect Core 5.4).
        """
        if token.scopes is not None and not token.scopes & {*_NAMING_SCOPES, self.account_label}:
            return {}
        try:
            return self.userinfo(token) if self.endpoint("userinfo_url") else {}
        except ProviderError as error:
            logger.warning(
                "%s: the name of the account is not known: %s",
                self.name,
                error,
                extra=failure_fields(error, provider=self.name),
            )
            return {}

    def userinfo(self, token: Token) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint (OpenID Connect Core 5.3).

        They may be signed (``application/jwt``); the signature is then verified.

        :raises IdentityChanged: they are about another subject than the ID token.
        :raises ImproperlyConfigured: the provider has no userinfo endpoint.
        :raises ProviderError: the provider refused, failed or could not be reached.
        """
        url = self.endpoint("userinfo_url")
        if not url:
            raise ImproperlyConfigured(
                f"{self.label} publishes no userinfo endpoint. If it has one, set USERINFO_URL."
            )
        answer = self.call(
            "GET",
            url,
            headers={"Accept": "application/json, application/jwt;q=0.9"},
            auth=lambda request: self.sign(request, token),
        )
        if not answer.succeeded:
            raise InvalidResponse.for_answer(
                f"{self.label} answered {answer.status} at its userinfo endpoint.", answer
            )
        if answer.media_type == "application/jwt":
            claims = self._signed_userinfo(answer)
        else:
            claims = answer.json()
        subject = (token.get("id_claims") or {}).get("sub")
        if subject is not None and claims.get("sub") != subject:
            # OpenID Connect Core 5.3.2: then the claims must not be used.
            raise IdentityChanged("userinfo_subject: the userinfo is about another subject")
        return claims

    def _signed_userinfo(self, answer: ProtocolResponse) -> dict[str, Any]:
        client = self.get_client_credentials(ResourceOwner(self))
        try:
            claims, _ = self._signed_claims(answer.body.decode("latin-1").strip())
            id_tokens.check_userinfo(claims, self.issuer_of(claims), client.client_id)
        except FlowError as error:
            reason = error.code.removeprefix("id_token_")
            raise InvalidResponse(
                f"userinfo_{reason}: {self.label}'s signed userinfo is refused."
            ) from error
        return claims

    def logout_url(
        self,
        owner: ResourceOwner,
        token: Token | None,
        return_to: str | None = None,
        id_token_hint: bool | None = None,
    ) -> str | None:
        """Return the URL that ends the visitor's session at the provider, or ``None``.

        :param token: the current token, for the hint.
        :param return_to: an absolute URL of this site that is registered at the provider.
        :param id_token_hint: whether the hint is the ID token; default: if it is not too long. The
            other hint is the name of the account (``logout_hint``).
        :raises ProviderError: the metadata cannot be fetched.
        """
        url = self.endpoint("end_session_url")
        if not url:
            return None
        params = {"client_id": self.get_client_credentials(owner).client_id}
        known: Mapping[str, Any] = token or {}
        hint = str(known.get("id_token") or "")
        if id_token_hint or (id_token_hint is None and len(hint) <= _LONGEST_HINT):
            if hint:
                params["id_token_hint"] = hint
        else:
            claims = known.get("id_claims") or {}
            names = map(claims.get, ("login_hint", "preferred_username", "email", "sub"))
            name = next((name for name in names if name and isinstance(name, str)), "")
            if name:
                params["logout_hint"] = name
        if return_to:
            params["post_logout_redirect_uri"] = return_to
        return with_query(url, params)
