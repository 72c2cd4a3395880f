"""Answers the questions of oauthlib with the functions that a site has registered."""

# oauthlib declares *args and **kwargs in each method, and never passes any.
# mypy: disable-error-code="override"

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest
from oauthlib.common import Request
from oauthlib.oauth2 import RequestValidator
from oauthlib.oauth2.rfc6749 import errors

from . import client_documents, client_secrets, limits, resources, revocation, token_cache
from .bindings import TokenBinding
from .hashing import new_family
from .refusals import keep_reason
from .rows import ClientRow, CredentialRow, GrantRow, TokenRow, is_active
from .signals import access_token_issued, send_after_commit

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

_REFUSED_ROW = (
    "The {1} of the server {0!r} stored no row that the server accepts. The digest, server, "
    "bound_to and resource of the row must be those that the function of bind_models() sets: call "
    "it and change the row that it returns, bound = bind_models(…), bound.{1}(…)."
)


class Validator(RequestValidator):
    """oauthlib's request validator for one server.

    The methods are those of ``oauthlib.oauth2.RequestValidator``, which documents them. A site can
    pass a subclass: ``AuthorizationServer(validator_class=…)``.
    """

    #: Django's request, if the server answers one.
    http_request: HttpRequest | None = None

    def __init__(self, server: AuthorizationServer) -> None:
        self.server = server

    # --- the client (RFC 6749 §2.3) -------------------------------------------------------------

    def client_authentication_required(self, request: Request) -> bool:
        client = self._client(request)
        return client is None or ClientRow(client).is_confidential

    def authenticate_client(self, request: Request) -> bool:
        client, secret = self._client(request), request.client_secret
        if not secret:
            return self._refuse("the client sent no secret")
        name = "" if client is None else client.client_id
        limit = limits.SecretLimit(self.server, name, self.http_request)
        if not self._is_right(secret, client, limit):
            if limit.is_reached or limit.count() > limits.WRONG_SECRETS:
                raise limit.error()
            return False
        request.client = client
        return True

    def _refuse(self, reason: str) -> bool:
        """Keep the reason for the log; the result is ``False``."""
        return keep_reason(self.http_request, reason)

    def _is_right(self, secret: str, client: Any, limit: limits.SecretLimit) -> bool:
        """:raises TooManyWrongSecrets: the secret needs a slow hash, and the limit is reached."""
        if client is None:
            # The time does not tell which clients exist.
            client_secrets.refuse(secret)
            return self._refuse("the client is unknown or deactivated")
        row = ClientRow(client)
        if not row.is_confidential:
            return self._refuse("a public client sent a secret")
        if row.has_fast_secret and client_secrets.is_generated(secret):
            return row.has_secret(secret) or self._refuse("the client's secret is wrong")
        if limit.is_reached and not limit.recalls(secret):
            raise limit.error()
        right = row.has_secret(secret)
        if limit.is_reached and not limit.recalls(secret):
            # Wrong secrets were checked at the same time. One guess too many gets the same answer
            # whether it is right or wrong.
            raise limit.error()
        if right:
            limit.remember(secret)
        return right or self._refuse("the client's secret is wrong")

    def authenticate_client_id(self, client_id: str, request: Request) -> bool:
        client = self._client(request)
        if client is None:
            return self._refuse("the client is unknown or deactivated")
        if ClientRow(client).is_confidential:
            return self._refuse("the client sent no secret")
        if request.client_secret:
            return self._refuse("a public client sent a secret")
        request.client = client
        return True

    def validate_client_id(self, client_id: str, request: Request) -> bool:
        if client_documents.is_document_id(client_id):
            vars(request).setdefault("http_request", self.http_request)
            request.client = client_documents.find(self.server, client_id, self.http_request)
        else:
            request.client = self._client(request)
        if self.http_request is not None:
            vars(self.http_request)["_oauth_client"] = request.client
        return request.client is not None

    def _client(self, request: Request) -> Any:
        """The active client that the request names. It is looked up once for each request."""
        if "known_client" not in vars(request):
            # For the functions of the site.
            vars(request).setdefault("http_request", self.http_request)
            name = request.client_id
            client = self.server.callbacks.required("clientgetter")(name) if name else None
            vars(request)["known_client"] = client if is_active(client) else None
            if self.http_request is not None:
                # For the headers of the response.
                vars(self.http_request)["_oauth_client"] = vars(request)["known_client"]
        return vars(request)["known_client"]

    # --- the authorization request (RFC 6749 §4.1.1) --------------------------------------------

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, request: Request) -> bool:
        return _client_row(request).has_redirect_uri(redirect_uri)

    def get_default_redirect_uri(self, client_id: str, request: Request) -> str | None:
        return _client_row(request).default_redirect_uri

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Request
    ) -> bool:
        row = ClientRow(client)
        return response_type in row.response_types and "authorization_code" in row.grant_types

    def get_default_scopes(self, client_id: str, request: Request) -> list[str]:
        client: Any = request.client
        scopes = ClientRow(client).default_scopes
        return [scope for scope in scopes if self.server.may_request(client, [scope])]

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Any, request: Request
    ) -> bool:
        if self.server.may_request(client, scopes):
            return True
        # RFC 6749 §3.3: the scopes are narrowed. The token response names those that are granted.
        left = [scope for scope in scopes if self.server.may_request(client, [scope])]
        if left:
            request.scopes = left
        return bool(left)

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        return True  # RFC 9700 §2.1.1

    def save_authorization_code(self, client_id: str, code: Any, request: Request) -> None:
        callbacks = self.server.callbacks
        if _client_row(request).registration == client_documents.DOCUMENT:
            client_documents.store(request.client)
        callbacks.required("grantsetter")(client_id, code, request)
        if callbacks.is_bound("grantgetter") and not callbacks.is_bound("grantsetter"):
            grant = callbacks.required("grantgetter")(client_id, code["code"])
            client: Any = request.client
            if (
                grant is None
                or not GrantRow(grant).is_valid_for(client)
                or set(GrantRow(grant).resources) != set(vars(request).get("resources", ()))
            ):
                raise ImproperlyConfigured(_REFUSED_ROW.format(self.server.name, "grantsetter"))

    # --- the code (RFC 6749 §4.1.3) -------------------------------------------------------------

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Request
    ) -> bool:
        return grant_type in ClientRow(client).grant_types

    def validate_code(self, client_id: str, code: str, client: Any, request: Request) -> bool:
        grant = self.server.callbacks.required("grantgetter")(client.client_id, code)
        if grant is None:
            return self._refuse("the code is unknown, expired, or another client's")
        if not GrantRow(grant).is_valid_for(client):
            return self._refuse("the code is expired, or the user or client has changed")
        vars(request)["grant"] = grant
        request.user = grant.user
        request.scopes = list(grant.scopes)
        return True

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        return GrantRow(vars(request)["grant"]).code_challenge

    def get_code_challenge_method(self, code: str, request: Request) -> str | None:
        return GrantRow(vars(request)["grant"]).code_challenge_method

    def count_wrong_verifier(self, request: Request) -> None:
        """Use the code up after some wrong verifiers."""
        if limits.count_wrong_verifier(self.server, request.code or ""):
            logger.warning(
                "%s: a code is used up by wrong verifiers",
                request.client_id,
                extra={"code": "invalid_grant", "server": self.server.name},
            )
            GrantRow(vars(request)["grant"]).use_up()

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Any, request: Request
    ) -> bool:
        same = GrantRow(vars(request)["grant"]).has_redirect_uri(
            redirect_uri,
            omitted=bool(vars(request).get("using_default_redirect_uri")),
            default=self.get_default_redirect_uri(client_id, request),
        )
        if not same:
            # RFC 6749 §5.2; oauthlib would answer invalid_request.
            raise errors.InvalidGrantError(
                "The redirect_uri must be repeated as it was in the authorization request "
                "(RFC 6749 section 4.1.3).",
                request=request,
            )
        return True

    def invalidate_authorization_code(self, client_id: str, code: str, request: Request) -> None:
        """The code is already marked as used: :meth:`save_token` does it."""

    # --- other grants ---------------------------------------------------------------------------

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Request) -> bool:
        token = self._get_token(client, refresh_token=refresh_token)
        if token is None:
            return self._refuse("the refresh token is unknown")
        row = TokenRow(token)
        if not row.is_issued_by(self.server):
            return self._refuse("another server issued the refresh token")
        if not row.is_refreshable_for(client):
            return self._refuse(
                "the refresh token is expired, revoked or another client's, or the user or client "
                "has changed"
            )
        vars(request)["old_token"] = token
        request.user = token.user
        return True

    def get_original_scopes(self, refresh_token: str, request: Request) -> list[str]:
        granted = TokenRow(vars(request)["old_token"]).granted_scopes
        client: Any = request.client
        # RFC 6749 §1.5: no other scopes than before, and only those the client may still request.
        left = [s for s in granted if self.validate_scopes(client.client_id, [s], client, request)]
        if granted and not left:
            raise errors.InvalidScopeError(
                "The client may no longer request any of the granted scopes.", request=request
            )
        return left

    def rotate_refresh_token(self, request: Request) -> bool:
        return True  # RFC 9700 §4.14.2

    def validate_user(self, username: str, password: str, client: Any, request: Request) -> bool:
        user = self.server.callbacks.required("usergetter")(username, password, client, request)
        if not is_active(user):
            return self._refuse("the user is unknown or deactivated, or the password is wrong")
        request.user = user
        return True

    # --- storing (RFC 6749 §4.1.2, §10.4) -------------------------------------------------------

    def save_token(self, token: Any, request: Request) -> None:
        """Mark the code or refresh token as used, and store the new token, in one transaction.

        :raises InvalidGrantError: the code or refresh token was used before.
        :raises ImproperlyConfigured: the token generator made the same token twice.
        """
        if token["access_token"] == token.get("refresh_token"):
            raise ImproperlyConfigured(
                "DANCE_SERVER_TOKEN_GENERATOR made the same token twice: its tokens must be "
                "random. Or set DANCE_SERVER_REFRESH_TOKEN_GENERATOR to another function."
            )
        state = vars(request)
        old_token = TokenRow(state["old_token"]) if "old_token" in state else None
        source = CredentialRow(state["grant"]) if state.get("grant") else old_token
        state["family"] = (source and source.family) or new_family()
        state["refresh_expires"] = old_token and old_token.refresh_expires
        state["granted_scopes"] = old_token.granted_scopes if old_token else request.scopes
        # RFC 8707 §2.2: a token request may narrow the resources, and never widen them.
        wanted = state.get("resources") or resources.read_requested(self.server, request)
        state["granted_resources"] = wanted if source is None else source.granted_resources
        state["resources"] = resources.narrow(wanted, state["granted_resources"], request)
        if "refresh_token" not in _client_row(request).grant_types:
            token.pop("refresh_token", None)
        with transaction.atomic(using=self.server.database):
            first = source is None or source.use_up() or self._is_retry(old_token)
            if first:
                self._store(token, request)
        if not first:
            self._handle_second_use(request, source)
            self._refuse("the code or refresh token was used before")
            raise errors.InvalidGrantError(request=request)
        if old_token:
            token_cache.invalidate(family=state["family"], using=self.server.database)
        send_after_commit(
            access_token_issued,
            self.server,
            client=request.client,
            user=request.user,
            scopes=list(request.scopes or ()),
            grant_type=request.grant_type or "",
            family=state["family"],
            request=state.get("http_request"),
        )
        # A second use before the commit finds no tokens to revoke: check for it after the commit.
        transaction.on_commit(lambda: self._revoke_if_replayed(source), using=self.server.database)

    def _is_retry(self, old_token: TokenRow | None) -> bool:
        """Whether the client may repeat a refresh, because the response was lost."""
        seconds = self.server.option("refresh_retry")
        return bool(seconds and old_token and old_token.use_again(seconds))

    def _store(self, token: Any, request: Request) -> None:
        """:raises ImproperlyConfigured: the server would refuse the token that is stored."""
        callbacks, client = self.server.callbacks, vars(request)["client"]
        callbacks.required("tokensetter")(token, request)
        if callbacks.is_bound("tokengetter") and not callbacks.is_bound("tokensetter"):
            found = callbacks.required("tokengetter")(access_token=token["access_token"])
            if (
                found is None
                or not TokenRow(found).is_issued_by(self.server)
                or not TokenRow(found).is_in_force_for(client)
                or set(TokenRow(found).resources) != set(vars(request).get("resources", ()))
            ):
                raise ImproperlyConfigured(_REFUSED_ROW.format(self.server.name, "tokensetter"))

    def _handle_second_use(self, request: Request, source: Any) -> None:
        """Revoke the family: the second use of a code or refresh token may be an attacker's."""
        if isinstance(source, TokenRow) and source.is_just_spent:
            logger.warning(
                "%s: a refresh token was used twice within seconds; the second use is refused",
                request.client_id,
                extra={"code": "invalid_grant", "server": self.server.name},
            )
            return
        logger.warning(
            "%s: a code or refresh token was used again; all tokens of its family are revoked",
            request.client_id,
            extra={"code": "invalid_grant", "server": self.server.name},
        )
        revocation.revoke_family(self.server, source.family, reason="replayed")

    def _revoke_if_replayed(self, source: CredentialRow | None) -> None:
        if source is not None and source.is_replayed:
            revocation.revoke_family(self.server, source.family, reason="replayed")

    # --- what was issued (RFC 7009, RFC 7662) ---------------------------------------------------

    def revoke_token(self, token: str, token_type_hint: str, request: Request) -> None:
        client: Any = request.client
        found, _ = self._find_token(token, client)
        if found is None:
            return
        if found.client_id != client.client_id:
            # RFC 7009 §2.1: the error is reported to the client.
            raise errors.InvalidGrantError("The token belongs to another client.", request=request)
        family = TokenRow(found).family
        if not revocation.revoke_family(self.server, family, reason="revoked"):
            found.delete()
            if family:
                token_cache.invalidate(family=family, using=self.server.database)
            revocation.send(self.server, reason="revoked", family=family)

    def introspect_token(
        self, token: str, token_type_hint: str, request: Request
    ) -> dict[str, Any] | None:
        client: Any = request.client
        if not ClientRow(client).is_confidential:
            # RFC 7662 §2.1: the client must authenticate, or an attacker could try tokens.
            raise errors.InvalidClientError(request=request)
        found, refresh = self._find_token(token, client)
        if found is None or not self.server.may_introspect(client, found):
            return None
        owner = self.server.client_of(found)
        row, end = TokenRow(found), "refresh_expires" if refresh else "expires"
        if (
            not row.has_active_owners(owner)
            or row.is_expired(end)
            or not row.is_in_force_for(owner)
        ):
            return None
        claims: dict[str, Any] = {
            "scope": " ".join(row.granted_scopes if refresh else found.scopes),
            "client_id": owner.client_id,
            "iss": self.server.issuer,
        }
        if audience := row.granted_resources if refresh else row.resources:
            claims["aud"] = audience
        if not refresh:
            claims["token_type"] = "Bearer"  # noqa: S105
        for claim, name in (("exp", end), ("iat", "created_at")):
            if time := row.time(name):
                claims[claim] = int(time.timestamp())
        if found.user is not None:
            # RFC 7662 §2.2. A token of the client itself has no user: a client_id is no user's key.
            claims["sub"] = str(found.user.pk)
        return claims

    def _find_token(self, token: str, client: Any) -> tuple[Any, bool]:
        """A token of this server, and whether it is a refresh token.

        Both kinds are looked up, because token_type_hint may be wrong (RFC 7009 §2.1).
        """
        found, refresh = self._get_token(client, access_token=token), False
        if found is None:
            found, refresh = self._get_token(client, refresh_token=token), True
        if found is None or not TokenRow(found).is_issued_by(self.server):
            return None, False
        return found, refresh

    def _get_token(self, client: Any, **token: str) -> Any:
        """A token that a client has sent, as the site's function finds it."""
        get = self.server.callbacks.required("tokengetter")
        if isinstance(getattr(get, "__self__", None), TokenBinding):
            return get(**token, client=client)
        return get(**token)


def _client_row(request: Request) -> ClientRow:
    client: Any = request.client
    return ClientRow(client)
