"""OAuth 2.0: the authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636, RFC 9207)."""

from __future__ import annotations

import base64
import string
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from django.utils.crypto import constant_time_compare

from ..exceptions import (
    FlowError,
    InvalidResponse,
    PlaceError,
    ProviderError,
    ProviderUnavailable,
    TokenRequestRefused,
    UntrustedOrigin,
)
from ..http import origin
from ..tokens import (
    REFRESH_FAILURE_FIELDS,
    ResourceOwner,
    Secret,
    Token,
    check_token_fields,
    clean_text,
    clean_words,
    scope_list,
    strip_internal_fields,
    without_empty,
)
from .base import ClientCredentials, Provider, find_field, single, with_query
from .device import BackgroundGrants
from .options import Problem, fact
from .refusals import (
    STANDARD_WORDS,
    UNKNOWN,
    Refusal,
    https_only,
    meaning,
    read_refusal,
    word_pairs,
)

if TYPE_CHECKING:
    import requests
    from django.http import HttpRequest, QueryDict

    from ..flows import Additions, Flow
    from ..http import ProtocolResponse
    from .server_metadata import ServerMetadata

#: The longest authorization code that is sent to the provider, in characters. RFC 6749 sets no
#: limit.
MAX_CODE = 4096
#: The value of ``prompt`` with which the visitor chooses the account (OpenID Connect Core 3.1.2.1).
CHOOSE_ACCOUNT = "select_account"

#: The methods of RFC 7591 §2 → the values of ``client_auth``.
_METHODS = {
    "client_secret_basic": "basic",
    "client_secret_post": "post",
    "private_key_jwt": "assertion",
    "none": "none",
}
_CALLBACK_PARAMS = ("state", "code", "error", "error_description", "error_uri", "iss")
#: Parameters of the authorization request and of the token request that the protocol sets.
_AUTHORIZATION_PARAMS = (
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
)
_GRANT_PARAMS = (
    "grant_type",
    "code",
    "redirect_uri",
    "client_id",
    "client_secret",
    "code_verifier",
    "refresh_token",
)


class OAuth2Provider(BackgroundGrants, Provider):
    """A provider that supports OAuth 2.0."""

    #: The token endpoint (RFC 6749 §3.2).
    token_url: str = fact("", url=True, required=True)
    #: Further parameters of the token request.
    token_url_params: Mapping[str, str] = fact({}, reserved=_GRANT_PARAMS)
    #: The endpoint for refresh requests; ``None`` if the provider grants no refresh tokens.
    auto_refresh_url: str | None = fact("{token_url}", url=True)
    #: Further parameters of the refresh request.
    auto_refresh_kwargs: Mapping[str, str] = fact({}, reserved=_GRANT_PARAMS)
    #: The revocation endpoint (RFC 7009), if there is one, and the token that ends the grant.
    revocation_url: str | None = fact(None, url=True)
    revocation_token: str = fact("refresh_token", fixed=True)
    #: How the revocation request is authenticated: ``"client"`` as at the token endpoint (RFC 7009
    #: §2.1), ``"basic"`` with the client's credentials in any case, ``"secret"`` with the client
    #: secret after ``revocation_scheme``, ``"token"`` as an API call, or ``"none"``.
    revocation_auth: str = fact("client", fixed=True)
    revocation_scheme: str = fact("Bearer", fixed=True)
    #: The method of the request, unless ``revocation_auth`` is ``"client"``: then it is a POST.
    revocation_method: str = fact("POST", fixed=True)
    #: The parameter that contains the token; may be empty if ``revocation_auth`` is ``"token"``.
    revocation_param: str = fact("token", fixed=True)
    #: The parameters of the request instead of that one: each with the field of the token, or
    #: ``client_id`` or ``client_secret``, that is its value.
    revocation_params: Mapping[str, str] = fact({}, fixed=True)
    #: The format of the request's body: ``"form"`` or ``"json"``; or ``"query"`` if the parameters
    #: are in the URL, unless ``revocation_auth`` is ``"client"`` or ``"token"``.
    revocation_request_format: str = fact("form", fixed=True)
    #: The requested scopes, as a list or a string.
    scope: str | Sequence[str] | None = None
    #: Whether the provider refuses a request that names no scope.
    scope_required: bool = fact(False, fixed=True)
    #: The separator of two scopes, and the parameter that contains the scopes.
    scope_separator: str = " "
    scope_param: str = fact("scope", fixed=True)
    #: How this site authenticates at the token endpoint (RFC 6749 §2.3.1): ``"basic"``, ``"post"``
    #: or, for a public client without a secret, ``"none"``.
    client_auth: str = "basic"
    #: Whether Basic credentials are form-urlencoded first, as RFC 6749 §2.3.1 requires.
    client_auth_urlencoded: bool = fact(True, fixed=True)
    #: The provider's names of the parameters with the client's id and secret.
    client_id_param: str = fact("client_id", fixed=True)
    client_secret_param: str = fact("client_secret", fixed=True)
    #: ``"S256"`` (RFC 7636); ``None`` for a provider that refuses PKCE; ``"plain"`` for a provider
    #: that supports only this method: then a site must set ``allow_plain_pkce``.
    pkce: str | None = fact("S256", fixed=True)
    allow_plain_pkce: bool = False
    #: The form of the callback: ``"query"``, or ``"form_post"`` (OAuth 2.0 Form Post Response
    #: Mode).
    response_mode: str = fact("query", fixed=True)
    #: Parameters of the callback that are stored with the token, and those of them that are sent
    #: with each token and refresh request, too. They come from the browser: the visitor may have
    #: changed them.
    callback_fields: Sequence[str] = fact((), fixed=True)
    sent_callback_fields: Sequence[str] = fact((), fixed=True)
    #: The issuer identifier (RFC 8414 §2), compared with the callback's ``iss`` (RFC 9207).
    issuer: str | None = fact(None, url=True)
    #: Whether every callback has an ``iss``.
    authorization_response_iss: bool = False
    #: The format of a token request, ``"form"`` or ``"json"``, and its headers.
    token_request_format: str = fact("form", fixed=True)
    token_headers: Mapping[str, str] = fact({}, fixed=True)
    #: The endpoint that exchanges the granted token for one that lives longer, and the parameters
    #: of this GET request: ``{client_id}``, ``{client_secret}`` and fields of the token in braces
    #: are filled in.
    exchange_url: str | None = fact(None, url=True, fixed=True)
    exchange_params: Mapping[str, str] = fact({}, fixed=True)
    #: The parameters, as in ``exchange_params``, of a refresh request by GET. The access token
    #: refreshes itself, so it is stored as the refresh token, too.
    refresh_params: Mapping[str, str] = fact({}, fixed=True)
    #: The days before the expiry of a token in which it is refreshed already, if the provider does
    #: not refresh expired tokens. It is at most the second half of its lifetime.
    refresh_days_ahead: int = fact(0, fixed=True)
    #: The format of its answer, ``"json"`` or ``"form"``, and the object in it that has the token's
    #: fields; dots separate the names and list indexes of nested objects.
    token_format: str = fact("json", fixed=True)
    token_path: str = fact("", fixed=True)
    #: Whether each refresh grants a new refresh token and ends the old one; ``None``: not known, or
    #: the old one stays valid.
    refresh_rotates: bool | None = fact(None, fixed=True)
    #: Whether a refresh request names the redirect URI of the dance, too. It is stored with the
    #: token.
    refresh_redirect_uri: bool = fact(False, fixed=True)
    #: The days after which a refresh token expires, if the provider states a limit.
    refresh_token_lifetime: int | None = fact(None, fixed=True)
    #: The provider's own words for refusals, in callbacks and at the token endpoint: meaning →
    #: words. The meanings are ``cancelled``, ``pending``, ``slow_down``, ``busy``, ``dead`` and
    #: ``client``. A word is an error code; the whole sentence, if there is no code; or
    #: ``"code: part of the sentence"``. They are added to the standard words.
    refusals: Mapping[str, str | Sequence[str]] = STANDARD_WORDS
    #: The device authorization endpoint (RFC 8628 §3.1).
    device_authorization_url: str | None = fact(None, url=True)
    #: The ``token_type`` of its tokens (RFC 6749 §7.1), in lower case.
    token_type: str = fact("bearer", fixed=True)
    #: The scheme of the ``Authorization`` header (RFC 6750 §2.1).
    authorization_scheme: str = fact("Bearer", fixed=True)
    #: The parameters of the authorization URL for a dance that is for one account: they let the
    #: visitor choose it. ``{id}`` and ``{label}`` in a value are those of the account.
    choose_account_params: Mapping[str, str] = fact({}, fixed=True)
    #: Whether this site gets its credentials from the authorization server of a place, by a client
    #: ID metadata document or by dynamic registration (RFC 7591).
    registers_itself: bool = fact(False, fixed=True)
    server_facts: Sequence[str] = fact(
        (
            "issuer",
            "authorization_url",
            "token_url",
            "revocation_url",
            "jwks_url",
            "userinfo_url",
            "authorization_response_iss",
            "registration",
        ),
        fixed=True,
    )
    #: The id of the site's registration at the authorization server, if it is not in the settings.
    registration: str = fact("", fixed=True)
    session_class: str | type = fact("django_dance.sessions.OAuth2Session", any_value=True)
    authorization_url_params: Mapping[str, str] = fact({}, reserved=_AUTHORIZATION_PARAMS)

    def find_problems(self) -> Iterator[Problem]:
        yield from super().find_problems()
        if self.client_auth not in ("basic", "post", "none"):
            yield self._problem(
                "django_dance.E004",
                f"CLIENT_AUTH is {self.client_auth!r}.",
                'It must be "basic", "post" or, for a client without a secret, "none".',
            )
        if self.pkce == "plain" and not self.allow_plain_pkce:
            yield self._problem(
                "django_dance.E004",
                f"{self.label} supports only the plain method of PKCE.",
                "It is weaker than S256. To use it nevertheless, set ALLOW_PLAIN_PKCE to True.",
            )
        elif self.pkce not in ("S256", "plain", None):
            yield self._problem(
                "django_dance.E004",
                f"pkce is {self.pkce!r}.",
                'It must be "S256", or None if the provider refuses PKCE.',
            )
        elif self.pkce is None and self.client_auth == "none":
            yield self._problem(
                "django_dance.E004",
                "there is neither a client secret nor PKCE.",
                "Without both, anybody could redeem a stolen code: use one of them.",
            )
        for means, words in (self.refusals or {}).items():
            texts = (words,) if isinstance(words, str) else words
            if means not in STANDARD_WORDS:
                yield self._problem(
                    "django_dance.E004",
                    f"REFUSALS has words for {means!r}.",
                    f"The meanings are {', '.join(STANDARD_WORDS)}.",
                )
            elif not isinstance(texts, (list, tuple)) or not all(
                isinstance(text, str) and text for text in texts
            ):
                yield self._problem(
                    "django_dance.E004",
                    f"REFUSALS has a value for {means!r} that is not a list of texts.",
                    f'Write it as {{{means!r}: ["a_code"]}}.',
                )
        for name in ("issuer", "authorization_response_iss"):
            if getattr(type(self), name) and not getattr(self, name):
                yield self._problem(
                    "django_dance.E004",
                    f"{name.upper()} removes a check of the preset.",
                    "Options can tighten security, never loosen it. Remove it.",
                )

    def _needed_credentials(self) -> list[tuple[str, str]]:
        needed = super()._needed_credentials()
        return needed[:1] if self.client_auth == "none" else needed

    # --- places -------------------------------------------------------------------------------

    def discover(self, asked_by: str) -> ServerMetadata | None:
        """Return the metadata of this place; ``None`` if the facts name all endpoints. A hook.

        :param asked_by: the user, whose discoveries are limited.
        :raises PlaceError: there are no usable metadata.
        """
        return None

    def prepare(self, request: HttpRequest, scope: Sequence[str] = ()) -> Self:
        from .registrations import find_or_register, owner_tenant

        if not self.place:
            return self
        asked_by = _asked_by(request)
        metadata = self.discover(asked_by)
        facts = {} if metadata is None else self.facts_in(metadata)
        if not self.one_client and not self.credentials:
            owner = ResourceOwner(self, request)
            client = find_or_register(
                self,
                metadata or self._stated_metadata(),
                self.callback_uri(request),
                tenant=owner_tenant(owner),
                place=self.place,
                scope=scope,
                asked_by=asked_by,
                added_by=owner.user_id,
            )
            facts["registration"] = client.registration_id
        return self.with_server(facts)

    def prepare_for_site(self) -> Self:
        """Return this provider with the facts that a token for the site itself needs.

        At a place, it may make calls. The site does not register itself.

        :raises PlaceError: the place cannot be used, or no administrator has registered the site.
        """
        from .registrations import configured_credentials, owner_tenant

        if not self.place or self.server:
            return self
        metadata = self.discover("")
        facts = {} if metadata is None else self.facts_in(metadata)
        if not self.one_client and not self.credentials:
            client = configured_credentials(
                self,
                metadata or self._stated_metadata(),
                tenant=owner_tenant(ResourceOwner(self)),
                place=self.place,
            )
            facts["registration"] = client.registration_id
        return self.with_server(facts)

    def _stated_metadata(self) -> ServerMetadata:
        """Return the facts of this place as metadata."""
        from .server_metadata import ServerMetadata

        return ServerMetadata(
            issuer=self._client_issuer,
            authorization_endpoint=self.authorization_url,
            token_endpoint=self.token_url,
        )

    @property
    def _client_issuer(self) -> str:
        """The name of the authorization server at this place, to which a registration belongs."""
        return self.issuer or (self.place if "://" in self.place else f"https://{self.place}")

    def credentials_at_place(self, owner: ResourceOwner) -> ClientCredentials:
        if not self.registration:
            return super().credentials_at_place(owner)
        from .registrations import owner_tenant, registered_credentials

        return registered_credentials(
            self.registration,
            issuer=self._client_issuer,
            provider=self.name,
            tenant=owner_tenant(owner),
        )

    def facts_in(self, metadata: ServerMetadata) -> dict[str, str]:
        """Return the facts that metadata state, to be stored with a flow and a token. A hook.

        :raises PlaceError: the server lacks a feature that is needed, or its authorization endpoint
            has parameters of the request in its query.
        """
        query = urlsplit(metadata.authorization_endpoint).query
        names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
        if names & {*_AUTHORIZATION_PARAMS, *self.authorization_params()}:
            # RFC 6749 §3.1: no parameter twice. Servers differ in the value that counts.
            raise PlaceError(
                "The authorization_endpoint in the metadata has parameters of the request."
            )
        return {
            "issuer": metadata.issuer,
            "authorization_url": metadata.authorization_endpoint,
            "token_url": metadata.token_endpoint,
            "revocation_url": metadata.revocation_endpoint,
            "jwks_url": metadata.jwks_uri,
            "userinfo_url": metadata.userinfo_endpoint,
            "authorization_response_iss": "yes" if self._needs_iss(metadata) else "",
        }

    def _needs_iss(self, metadata: ServerMetadata) -> bool:
        """Whether every callback must have an ``iss``.

        A server can name the authorization endpoint of another server, whose users would send it
        their codes (RFC 9700 §4.4). So a callback without ``iss`` is accepted only if both
        endpoints have one host, or one is at a subdomain of the other, or the settings name the
        place.
        """
        if metadata.authorization_response_iss_parameter_supported:  # RFC 9207 §3
            return True
        urls = metadata.authorization_endpoint, metadata.token_endpoint
        hosts = [f".{urlsplit(url).hostname}" for url in urls]
        if hosts[0].endswith(hosts[1]) or hosts[1].endswith(hosts[0]):
            return False
        allowed = self._original._with_current_settings()._allowed_places
        return allowed is None or not allowed.names(self.place)

    def granting_server(self, token: Token) -> Self:
        """Return this provider with the facts of the server that granted a token.

        They are those of the dance: what the place says now does not matter, so a token is never
        sent to another server.
        """
        return self.with_server(token.get("granted_by") or {})

    # --- the two steps ------------------------------------------------------------------------

    def begin(self, request: HttpRequest, flow: Flow) -> tuple[str, Flow]:
        client = self.get_client_credentials(ResourceOwner(self, request))
        params = self.authorization_params()
        added = flow.additions.request_params()
        choosing = self._account_params(request, flow.additions)
        if choosing and added.get("prompt") == CHOOSE_ACCOUNT:
            del added["prompt"]  # the preset states how this provider lets the visitor choose
        for name, value in choosing.items():
            # A prompt is a list of steps (OpenID Connect Core 3.1.2.1).
            steps = [*params.get(name, "").split(), value] if name == "prompt" else [value]
            params[name] = " ".join(dict.fromkeys(steps))
        params |= added
        # RFC 6749 §4.1.1
        params |= {
            "response_type": "code",
            self.client_id_param: client.client_id,
            "redirect_uri": self.callback_uri(request),
            "state": flow.state,
        }
        if self.response_mode != "query":
            params["response_mode"] = self.response_mode
        if flow.scope:
            params[self.scope_param] = self.scope_separator.join(flow.scope)
        if self.pkce:
            # RFC 7636 §4.3
            challenge = flow.challenge if self.pkce == "S256" else flow.verifier
            params |= {"code_challenge": challenge, "code_challenge_method": self.pkce}
        if "openid" in flow.scope:
            # OpenID Connect Core 3.1.2.1
            params["nonce"] = flow.nonce
        return with_query(self.endpoint("authorization_url"), params), flow

    def _account_params(self, request: HttpRequest, additions: Additions) -> dict[str, str]:
        """Return the parameters that let the visitor choose the account."""
        account = additions.account
        if not account and additions.prompt == CHOOSE_ACCOUNT:
            params = self.choose_account_params
            return {name: text for name, text in params.items() if "{" not in text}
        if not account or not self.choose_account_params:
            return {}
        label = self.session(request, account=account).account_label
        # Without a stored token, the label is the id.
        names = {"id": account} if label == account else {"id": account, "label": label}
        return {
            name: text.format_map(names)
            for name, text in self.choose_account_params.items()
            if "label" in names or "{label}" not in text
        }

    def check_additions(self, additions: Additions) -> None:
        pass  # the authorization request has parameters for all of them

    def callback_state(self, params: QueryDict) -> str:
        return single(params, "state") or ""

    def check_callback(self, flow: Flow, params: QueryDict) -> None:
        for name in _CALLBACK_PARAMS:
            single(params, name)
        # RFC 9207 §2.4: a simple string comparison, for errors as for codes.
        issuer = params.get("iss")
        if issuer is None:
            if self.requires_iss():
                raise FlowError("issuer_missing", "the callback names no issuer")
        elif self.issuer and not constant_time_compare(issuer, self.issuer):
            raise FlowError("issuer_mismatch", "the callback is from another issuer")
        try:
            self.for_token(Token(self._fields_of_callback(params)))
        except UntrustedOrigin as error:
            raise FlowError("issuer_mismatch", str(error)) from None
        if "error" not in params:
            code = params.get("code")
            if not code:
                raise FlowError("code_missing", "the callback has neither a code nor an error")
            if len(code) > MAX_CODE:
                raise FlowError("code_invalid", "the callback's code is too long")

    def complete(self, request: HttpRequest, flow: Flow, params: QueryDict) -> Token:
        if "error" in params:
            raise self._callback_error(params)
        kept = self._fields_of_callback(params)
        here = self.for_token(Token(kept))
        if here is not self:
            return here.complete(request, flow, params)
        data = {
            **(self.token_url_params or {}),
            **self._sent_fields(kept),
            "grant_type": "authorization_code",
            "code": Secret(params["code"]),
            "redirect_uri": self.callback_uri(request),
        }
        if self.refresh_redirect_uri:
            kept["redirect_uri"] = data["redirect_uri"]
        if self.pkce:
            data["code_verifier"] = flow.verifier
        client = self.get_client_credentials(ResourceOwner(self, request))
        fields = self.grant(self.endpoint("token_url"), data, client)
        if self.exchange_url:
            fields |= self._grant_by_get(self.exchange_url, self.exchange_params, fields, client)
        granted = self.granted(fields, flow, client)
        server = {"granted_by": dict(self.server)} if self.server else {}
        token = Token.granted({**kept, **granted, **server, "granted_at": int(time.time())})
        if not self.is_usable(token):
            raise InvalidResponse(f"{self.label} granted a token that has expired already.")
        try:
            self.base_url_for(lambda: token)
        except UntrustedOrigin as error:
            raise InvalidResponse(str(error)) from None
        return token

    def _fields_of_callback(self, params: QueryDict) -> dict[str, Any]:
        """Return the parameters of the callback that are stored with the token.

        :raises FlowError: ``parameter_repeated``.
        """
        found = {name: single(params, name) for name in self.callback_fields}
        return {name: value for name, value in found.items() if value}

    def _sent_fields(self, fields: Mapping[str, Any]) -> dict[str, str]:
        return {name: fields[name] for name in self.sent_callback_fields if name in fields}

    def for_token(self, token: Token | None) -> Self:
        named = token.get(self.host_from_token) if token and self.host_from_token else None
        if not named:
            return self
        where = origin(named) if isinstance(named, str) else None
        scheme, host, port = where or ("", "", 0)
        if (scheme, port) != ("https", 443) or host not in (*self.hosts, getattr(self, "host", "")):
            raise UntrustedOrigin(
                f"The field {self.host_from_token} names the host {host or 'of an invalid URL'}, "
                f"which is not one of {self.label}'s."
            )
        if host == getattr(self, "host", ""):
            return self
        there = type(self)(self.name, **{**self._given, "host": host})
        there.__dict__["_original"] = self._original
        return there

    def granted(
        self, fields: dict[str, Any], flow: Flow, client: ClientCredentials
    ) -> dict[str, Any]:
        """Check the fields that a dance was granted, and return the fields to store. A hook.

        :raises FlowError: a field is refused.
        """
        # RFC 6749 §5.1: without a scope in the answer, the requested scope was granted.
        scopes = scope_list(fields.get("scope"))
        if not scopes and not flow.configuration_changed:
            scopes = list(flow.scope)
        if scopes:
            fields["scope"] = scopes = with_proven_scopes(scopes, flow.scope, fields)
            declined = [scope for scope in flow.scope if not self.includes_scope(scopes, scope)]
            if declined and not flow.configuration_changed:
                fields["declined_scope"] = declined
        asked = flow.additions
        if asked.acr_values or asked.max_age is not None:
            fields["asked_authentication"] = {
                "acr_values": asked.acr_values,
                "max_age": "" if asked.max_age is None else str(asked.max_age),
            }
        return fields

    def endpoint(self, fact: str) -> str:
        """Return the URL that a fact states. Providers with discovery override it."""
        return getattr(self, fact) or ""

    def requires_iss(self) -> bool:
        """Return whether a callback without ``iss`` is refused (RFC 9207 §2.4)."""
        return self.authorization_response_iss

    def token_call(
        self, url: str, data: Mapping[str, str], client: ClientCredentials
    ) -> ProtocolResponse:
        """Make a call in which this site authenticates, and return the answer.

        :param data: the parameters, without the client's credentials.
        :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
        :raises InvalidResponse: the answer is a redirect, is compressed, or is too long.
        """
        data = dict(data)
        auth = None
        method = _METHODS.get(client.token_endpoint_auth_method, self.client_auth)
        if method == "basic":
            auth = BasicAuth(client, urlencode=self.client_auth_urlencoded)
        else:
            data[self.client_id_param] = client.client_id
            if method == "post":
                data[self.client_secret_param] = client.client_secret
            elif method == "assertion":
                from .client_assertion import client_assertion

                data |= client_assertion(client)
        form = self.token_request_format == "form"  # noqa: S105
        return self.call(
            "POST",
            url,
            data=data if form else None,
            json=None if form else data,
            auth=auth,
            headers=self.token_headers,
        )

    def grant(self, url: str, data: Mapping[str, str], client: ClientCredentials) -> dict[str, Any]:
        """Make a token request, and return the fields of the granted token.

        :raises ProviderError: the provider refused, failed or could not be reached.
        """
        return self._read_grant(self.token_call(url, data, client), client)

    def _grant_by_get(
        self,
        url: str,
        params: Mapping[str, str],
        fields: Mapping[str, Any],
        client: ClientCredentials,
    ) -> dict[str, Any]:
        """Request a token with the fields of another one in the query, and return its fields.

        :raises ProviderError: the provider refused, failed or could not be reached.
        """
        names = {**fields, "client_id": client.client_id, "client_secret": client.client_secret}
        query = {
            name: Secret(text.format_map(names)) if "{" in text else text
            for name, text in params.items()
        }
        return self._read_grant(self.call("GET", url, query=query), client)

    def _read_grant(self, answer: ProtocolResponse, client: ClientCredentials) -> dict[str, Any]:
        try:
            return self.token_fields(answer)
        except ProviderError as error:
            error.response = answer
            if error.refusal == "client" and client.registration_id:
                from .registrations import forget_registration

                forget_registration(client.registration_id)
            raise

    def parse(self, answer: ProtocolResponse) -> dict[str, Any]:
        """Return the fields of an answer, which has the format that the facts state.

        :raises InvalidResponse: the answer has another format.
        """
        form = self.token_format == "form"  # noqa: S105
        fields: Any = dict(answer.form()) if form else answer.json()
        found = find_field(fields, self.token_path) if self.token_path else fields
        return dict(found if isinstance(found, dict) else fields)

    def token_fields(self, answer: ProtocolResponse) -> dict[str, Any]:
        """Return the checked fields of a token endpoint's answer. A hook.

        :raises TokenRequestRefused: the answer is a refusal (RFC 6749 §5.2).
        :raises ProviderUnavailable: the answer asks to try later.
        :raises InvalidResponse: the answer has no usable token.
        """
        fields = self.parse(answer) if answer.succeeded else self._refusal_fields(answer)
        fields = without_empty(fields)
        refusal = self.refusal(answer, fields)
        if refusal is not None:
            del fields  # a traceback would print the words, which may repeat secrets
            raise self._refusal_error(answer, refusal)
        if not answer.succeeded:
            raise InvalidResponse(f"{self.label} answered {answer.status}.", status=answer.status)
        strip_internal_fields(fields)
        check_token_fields(fields, *self.token_credentials)
        if self.refresh_params:
            fields["refresh_token"] = fields["access_token"]
        if "refresh_token" in fields:
            check_token_fields(fields, "refresh_token")
        kind_of_token = fields.get("token_type", self.token_type)
        # Airtable documents "Bearer " with a space.
        if not isinstance(kind_of_token, str) or kind_of_token.strip().lower() != self.token_type:
            raise InvalidResponse(f"{self.label} granted a token of a type that is not supported.")
        scope = fields.pop("scope", None)
        if isinstance(scope, (str, list)):
            scopes = scope_list(scope)
            if not all(s.isascii() and s.isprintable() for s in scopes):
                # RFC 6749 §3.3
                raise InvalidResponse(f"{self.label} granted an invalid scope.")
            if scopes:
                fields["scope"] = scopes
        return fields

    # --- refusals -----------------------------------------------------------------------------

    def refusal(self, answer: ProtocolResponse, fields: Mapping[str, Any]) -> Refusal | None:
        """Return the refusal in an answer of the token endpoint, or ``None``. A hook.

        :param fields: the members of the answer; empty if it has another format than a grant.
        """
        return read_refusal(answer, fields)

    def _refusal_fields(self, answer: ProtocolResponse) -> dict[str, Any]:
        """Return the members of a refusal, which may have another format than a grant."""
        for read in (partial(self.parse, answer), answer.json, answer.form):
            with suppress(InvalidResponse):
                return dict(read())
        return {}

    def meaning_of(self, error: ProviderError) -> str:
        if error.refusal or not isinstance(error, TokenRequestRefused):
            return error.refusal
        return meaning(self._words, error.error, error.error_description)

    @cached_property
    def _words(self) -> tuple[tuple[str, str], ...]:
        """The words of the settings, of the class and of its base classes, with their meanings."""
        facts = (vars(cls).get("refusals") for cls in type(self).__mro__)
        return tuple(pair for words in (self.refusals, *facts) for pair in word_pairs(words))

    def _refusal_error(self, answer: ProtocolResponse, refusal: Refusal) -> ProviderError:
        """Return the error for a refusal of the token endpoint (RFC 6749 §5.2)."""
        means = meaning(self._words, refusal.code, refusal.text)
        code = clean_text(refusal.code, 40) or (refusal.text if means != UNKNOWN else "")
        text = "" if refusal.text == code else refusal.text
        kind: type[ProviderError] = TokenRequestRefused
        said = f"refused: {code}"
        if means in ("busy", "slow_down"):
            kind = ProviderUnavailable
        elif not code:
            kind = InvalidResponse
            said = "answered without an OAuth error"
            if answer.is_page or not answer.body:
                means = ""  # not an answer of the token endpoint
        error = kind(
            f"{self.label} {said} (status {answer.status})" + (f": {text}" if text else "."),
            status=answer.status,
            error=code or None,
            error_description=text or None,
            error_uri=refusal.uri,
        )
        error.refusal = means
        return error

    def _callback_error(self, params: Mapping[str, Any]) -> FlowError:
        """Return the error for an error response of the authorization endpoint."""
        # RFC 6749 §4.1.2.1
        error = clean_words(params.get("error")) or ""
        text = clean_words(params.get("error_description"))
        cancelled = meaning(self._words, error, text) == "cancelled"
        return FlowError(
            "access_denied" if cancelled else ProviderError.code,
            f"the provider answered {error or 'with an empty error'}"
            + (f": {text}" if text else ""),
            error=error,
            error_description=text,
            error_uri=https_only(params.get("error_uri")),
        )

    # --- the life of a token ------------------------------------------------------------------

    @property
    def token_credentials(self) -> tuple[str, ...]:
        return ("access_token",)

    def is_usable(self, token: Token) -> bool:
        return bool(token.get("access_token")) and (not token.expired or self.is_refreshable(token))

    def is_stale(self, token: Token) -> bool:
        ahead = self.refresh_days_ahead * 24 * 3600
        if token.lifetime is not None:
            ahead = min(ahead, token.lifetime // 2)
        return token.stale or (ahead > 0 and token.expires_within(ahead))

    def is_refreshable(self, token: Token) -> bool:
        # It has a refresh token, and the provider refreshes.
        return self.auto_refresh_url is not None and bool(token.get("refresh_token"))

    def refresh(self, owner: ResourceOwner, token: Token) -> Token:
        """Request a new token with the refresh token (RFC 6749 §6), and return it.

        Fields that are not in the answer are copied from the old token.

        :raises ProviderUnavailable: try again later.
        :raises TokenRequestRefused: the provider refused; for ever if ``error`` is
            ``invalid_grant``.
        :raises InvalidResponse: the answer has no usable token.
        """
        here = self.for_token(token)
        if here is not self:
            return here.refresh(owner, token)
        data = {
            **(self.auto_refresh_kwargs or {}),
            **self._sent_fields(token),
            "grant_type": "refresh_token",
            "refresh_token": token["refresh_token"],
        }
        if self.refresh_redirect_uri and token.get("redirect_uri"):
            data["redirect_uri"] = token["redirect_uri"]
        server = self.granting_server(token)
        client = server.get_client_credentials(owner)
        url = server.auto_refresh_url or server.endpoint("token_url")
        if self.refresh_params:
            fields = server._grant_by_get(url, self.refresh_params, token, client)
        else:
            fields = server.grant(url, data, client)
        kept = {
            name: value
            for name, value in token.fields_to_store.items()
            if name not in ("expires_in", "expires_at", *REFRESH_FAILURE_FIELDS)
        }
        if self.host_from_token in kept:
            # Its refresh token is valid at this server only.
            fields[self.host_from_token] = kept[self.host_from_token]
        new = {**kept, **fields, "refreshed_at": int(time.time())}
        if "scope" in fields:
            new["scope"] = with_proven_scopes(fields["scope"], scope_list(kept.get("scope")), new)
        return Token.granted(new)

    def keep_identity(self, token: Token, refreshed: Token) -> Token:
        """Return the refreshed token without the parts that are not checked yet. A hook.

        It is stored before :meth:`check_refreshed` is called.

        :param token: the token that was refreshed.
        """
        return refreshed

    def check_refreshed(self, owner: ResourceOwner, token: Token, refreshed: Token) -> Token:
        """Check a refreshed token, and return the token to use. A hook.

        The refresh token that it replaces may be used up, so it is stored already, and kept
        whatever is wrong with it.

        :param token: the token that was refreshed.
        :raises InvalidResponse: the refreshed token belongs to another person.
        """
        return refreshed

    def can_revoke(self) -> bool:
        discovers = self.place and type(self).discover is not OAuth2Provider.discover
        revokes = type(self).revoke is not OAuth2Provider.revoke
        return bool(self.revocation_url or discovers or revokes)

    def revoke(self, owner: ResourceOwner, token: Token) -> None:
        """Revoke the token (RFC 7009): ``revocation_token`` if it has one, else the access token.

        An access token that has expired is refreshed first: its revocation would not end the grant.

        :raises ProviderError: the provider did not revoke the token.
        """
        here = self.for_token(token).granting_server(token)
        url = here.endpoint("revocation_url")
        if not url:
            return
        revokes_access_token = here.revocation_auth == "token" or "access_token" in (
            here.revocation_params.values() or (here._revoked_field(token),)
        )
        if revokes_access_token and token.expired and here.is_refreshable(token):
            try:
                token = here.refresh(owner, token)
            except TokenRequestRefused as error:
                if here.meaning_of(error) == "dead":
                    return  # the grant has ended already
                raise
        answer = here._revocation_call(url, owner, token)
        # Some providers refuse with 200. A token that is not valid any more needs no revocation.
        refused = self.refusal(answer, self._refusal_fields(answer)) is not None
        if not answer.succeeded or (refused and not self.token_is_over(answer.status, answer.body)):
            raise ProviderError.for_answer(
                f"{self.label} did not revoke the token: it answered {answer.status}.", answer
            )

    def _revoked_field(self, token: Token) -> str:
        return self.revocation_token if token.get(self.revocation_token) else "access_token"

    def _revocation_call(self, url: str, owner: ResourceOwner, token: Token) -> ProtocolResponse:
        hint = self._revoked_field(token)
        if self.revocation_auth == "token":
            return self.call(
                self.revocation_method,
                url,
                data={self.revocation_param: token[hint]} if self.revocation_param else None,
                auth=lambda request: self.sign(request, token),
            )
        client = self.get_client_credentials(owner)
        fields = {**token, "client_id": client.client_id, "client_secret": client.client_secret}
        data = {
            param: fields.get(field, "") for param, field in self.revocation_params.items()
        } or {self.revocation_param: token[hint], "token_type_hint": hint}
        if self.revocation_auth == "client":
            return self.token_call(url, data, client)
        sent = self.revocation_request_format
        url = url.replace("{client_id}", quote(client.client_id, safe=""))
        secret = {"Authorization": f"{self.revocation_scheme} {client.client_secret}"}
        basic = BasicAuth(client, urlencode=self.client_auth_urlencoded)
        return self.call(
            self.revocation_method,
            url,
            query=data if sent == "query" else None,
            data=data if sent == "form" else None,
            json=data if sent == "json" else None,
            auth=basic if self.revocation_auth == "basic" else None,
            headers=secret if self.revocation_auth == "secret" else None,
        )

    def signer(
        self, owner: ResourceOwner, token: Token
    ) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        return lambda request: self.sign(request, token)

    def sign(self, request: requests.PreparedRequest, token: Token) -> requests.PreparedRequest:
        """Add the token to an API call, and return the call. A hook."""
        request.headers[self.token_header] = Secret(
            f"{self.authorization_scheme} {token['access_token']}".lstrip()
        )
        return request


def with_proven_scopes(
    scopes: Sequence[str], asked: Sequence[str], fields: Mapping[str, Any]
) -> list[str]:
    """Return the granted scopes with those that the fields of the answer prove.

    With a resource indicator, the answer's ``scope`` is that of the access token only (RFC 8707
    §2.2), which has neither ``openid`` nor ``offline_access``.

    :param asked: the scopes that were asked for.
    """
    proofs = {"openid": "id_token", "offline_access": "refresh_token"}
    proven = [scope for scope, field in proofs.items() if scope in asked and fields.get(field)]
    return list(dict.fromkeys([*scopes, *proven]))


def _asked_by(request: HttpRequest) -> str:
    """Return a text for the user or visitor of a request, whose discoveries are limited."""
    from ..cache import client_address

    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"user {user.pk}"
    return f"address {client_address(request)}"


#: The punctuation that means the same in a form whether it is encoded or not.
_FORM_SAFE = "".join(set(string.punctuation) - set("%&+:"))


class BasicAuth:
    """HTTP Basic for a client (RFC 6749 §2.3.1). A ``repr`` does not show the credentials.

    Many servers do not decode the credentials. So only what a server that does would misread is
    encoded: with a Base64 secret such as ``"a/b="``, both kinds of servers read the same.

    :param urlencode: whether to encode ``%``, ``&``, ``+``, ``:``, spaces and all beyond ASCII.
    """

    def __init__(self, client: ClientCredentials, *, urlencode: bool) -> None:
        encode: Callable[[str], str] = str
        if urlencode:
            encode = partial(quote_plus, safe=_FORM_SAFE)
        pair = f"{encode(client.client_id)}:{encode(str(client.client_secret))}"
        self._value = Secret("Basic " + base64.b64encode(pair.encode()).decode())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request
