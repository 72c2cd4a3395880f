"""The answers to oauthlib's questions, got by the functions that a server has registered."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils.crypto import constant_time_compare
from oauthlib.common import Request
from oauthlib.oauth2 import RequestValidator
from oauthlib.oauth2.rfc6749 import errors

from .access_tokens import is_active, moment
from .hashing import new_family
from .redirects import unfit
from .token_cache import forget

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

#: What a client may do whose class does not say.
_USUAL_GRANTS = ("authorization_code", "refresh_token")


class Validator(RequestValidator):
    def __init__(self, server: AuthorizationServer) -> None:
        self.server = server

    # --- the client (RFC 6749 §2.3) -------------------------------------------------------------

    def client_authentication_required(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        client = self._client(request)
        return client is None or is_confidential(client)

    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        client, secret = self._client(request), request.client_secret
        if client is None:
            make_password(secret)  # as slow as a wrong secret, or names could be tried
            return False
        if not secret or not is_confidential(client) or not self._secret_is(client, secret):
            return False
        request.client = client
        return True

    def authenticate_client_id(
        self, client_id: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        client = self._client(request)
        if client is None or is_confidential(client) or request.client_secret:
            return False
        request.client = client
        return True

    def validate_client_id(
        self, client_id: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        request.client = self._client(request)
        return request.client is not None

    def _client(self, request: Request) -> Any:
        """The active client that the request names, asked for once."""
        if "known_client" not in vars(request):
            name = request.client_id
            client = self.server.getter("clientgetter")(name) if name else None
            vars(request)["known_client"] = client if is_active(client) else None
        return vars(request)["known_client"]

    def _secret_is(self, client: Any, secret: str) -> bool:
        if hasattr(client, "check_client_secret"):
            return bool(client.check_client_secret(secret))
        known = client.client_secret
        return bool(known) and constant_time_compare(known, secret)

    # --- the authorization request (RFC 6749 §4.1.1) --------------------------------------------

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        client: Any = request.client
        if unfit(redirect_uri):
            return False
        registered = _several(client, "redirect_uris")
        if hasattr(client, "validate_redirect_uri"):
            return bool(client.validate_redirect_uri(redirect_uri))
        # RFC 9700 §2.1: compared as strings.
        return redirect_uri in registered

    def get_default_redirect_uri(
        self, client_id: str, request: Request, *args: Any, **kwargs: Any
    ) -> Any:
        # RFC 6749 §3.1.2.3: only if there is no choice.
        client: Any = request.client
        uris = _several(client, "redirect_uris", None)
        if uris is None:
            only = getattr(client, "default_redirect_uri", None)
        else:
            only = uris[0] if len(uris) == 1 else None
        return None if only is None or unfit(only) else only

    def validate_response_type(
        self,
        client_id: str,
        response_type: str,
        client: Any,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        return response_type in _several(
            client, "allowed_response_types", ("code",)
        ) and "authorization_code" in _several(client, "allowed_grant_types", _USUAL_GRANTS)

    def get_default_scopes(
        self, client_id: str, request: Request, *args: Any, **kwargs: Any
    ) -> list[str]:
        client: Any = request.client
        return list(_several(client, "default_scopes"))

    def validate_scopes(
        self,
        client_id: str,
        scopes: list[str],
        client: Any,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        known = self.server.scopes
        if known and not set(scopes) <= set(known):
            return False
        if hasattr(client, "validate_scopes"):
            return bool(client.validate_scopes(scopes))
        return set(scopes) <= set(_several(client, "default_scopes"))

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        return True  # RFC 9700 §2.1.1

    def save_authorization_code(
        self, client_id: str, code: Any, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        self.server.getter("grantsetter")(client_id, code, request)

    # --- the code (RFC 6749 §4.1.3) -------------------------------------------------------------

    def validate_grant_type(
        self,
        client_id: str,
        grant_type: str,
        client: Any,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        return grant_type in _several(client, "allowed_grant_types", _USUAL_GRANTS)

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        grant = self.server.getter("grantgetter")(client.client_id, code)
        if grant is None or not is_active(grant.user):
            return False
        if hasattr(grant, "in_force_for"):
            if not grant.in_force_for(client):
                return False
        elif (expires := moment(grant, "expires")) and expires <= datetime.now(UTC):
            return False
        vars(request)["grant"] = grant
        request.user = grant.user
        request.scopes = list(grant.scopes)
        return True

    def get_code_challenge(self, code: str, request: Request) -> Any:
        return getattr(vars(request)["grant"], "code_challenge", None) or None

    def get_code_challenge_method(self, code: str, request: Request) -> Any:
        return getattr(vars(request)["grant"], "code_challenge_method", None)

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Any,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        grant: Any = vars(request)["grant"]
        omitted = bool(vars(request).get("using_default_redirect_uri"))
        if hasattr(grant, "validate_redirect_uri"):
            same = grant.validate_redirect_uri(redirect_uri)
        elif grant.redirect_uri:
            # RFC 6749 §4.1.3: named in the first request, so named in this one, and the same.
            same = not omitted and constant_time_compare(grant.redirect_uri, redirect_uri)
        else:
            same = omitted or redirect_uri == self.get_default_redirect_uri(client_id, request)
        if not same:
            # RFC 6749 §5.2 has this for it; oauthlib's own is invalid_request.
            raise errors.InvalidGrantError(request=request)
        return True

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """It is used up already, with the tokens stored."""

    # --- other grants ---------------------------------------------------------------------------

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        token = self.server.getter("tokengetter")(refresh_token=refresh_token)
        if (
            token is None
            or token.client_id != client.client_id
            or getattr(token, "server", self.server.name) != self.server.name
            or not is_active(token.user)
        ):
            return False
        until = moment(token, "refresh_expires")
        if until is not None and until <= datetime.now(UTC):
            return False
        if hasattr(token, "refreshable_for") and not token.refreshable_for(client):
            return False
        vars(request)["old_token"] = token
        request.user = token.user
        return True

    def get_original_scopes(
        self, refresh_token: str, request: Request, *args: Any, **kwargs: Any
    ) -> list[str]:
        granted = _granted(vars(request)["old_token"])
        client: Any = request.client
        # RFC 6749 §1.5: the same or less; and less if the client may ask for less by now.
        left = [s for s in granted if self.validate_scopes(client.client_id, [s], client, request)]
        if granted and not left:
            raise errors.InvalidScopeError(request=request)
        return left

    def rotate_refresh_token(self, request: Request) -> bool:
        return True  # RFC 9700 §4.14.2

    def validate_user(
        self,
        username: str,
        password: str,
        client: Any,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        user = self.server.getter("usergetter")(username, password, client, request)
        if not is_active(user):
            return False
        request.user = user
        return True

    # --- storing (RFC 6749 §4.1.2, §10.4) -------------------------------------------------------

    def save_token(self, token: Any, request: Request, *args: Any, **kwargs: Any) -> None:
        """Use up what the token is given for, and store it; both or neither.

        :raises InvalidGrantError: it was used up before.
        """
        if token["access_token"] == token.get("refresh_token"):
            raise ImproperlyConfigured(
                "DANCE_SERVER_TOKEN_GENERATOR made the same token twice: it must be random, or "
                "DANCE_SERVER_REFRESH_TOKEN_GENERATOR another function."
            )
        state = vars(request)
        source = state.get("grant") or state.get("old_token")
        state["family"] = getattr(source, "family", None) or new_family()
        state["refresh_expires"] = getattr(state.get("old_token"), "refresh_expires", None)
        state["granted_scopes"] = (
            _granted(state["old_token"]) if "old_token" in state else request.scopes
        )
        client: Any = request.client
        if "refresh_token" not in _several(client, "allowed_grant_types", _USUAL_GRANTS):
            token.pop("refresh_token", None)
        with transaction.atomic(using=self.server.database):
            first = source is None or _use_up(source)
            if first:
                self.server.getter("tokensetter")(token, request)
        if not first:
            self._used_before(request, source)
            raise errors.InvalidGrantError(request=request)
        if "old_token" in state:
            forget(family=state["family"], using=self.server.database)
        # Whoever comes second before the tokens can be seen finds none to revoke.
        transaction.on_commit(lambda: self._revoke_if_replayed(source), using=self.server.database)

    def _used_before(self, request: Request, source: Any) -> None:
        """A code or refresh token that comes again is somebody's copy: end all that came of it."""
        if "old_token" in vars(request) and getattr(source, "just_spent", False):
            logger.warning(
                "%s: a refresh token came twice within moments; the second is refused",
                request.client_id,
            )
            return
        logger.warning(
            "%s: a code or refresh token was used again; all that came of it is revoked",
            request.client_id,
        )
        self._revoke_family(source)

    def _revoke_if_replayed(self, source: Any) -> None:
        if getattr(source, "replayed", False):
            self._revoke_family(source)

    def _revoke_family(self, source: Any) -> None:
        revoke = self.server.optional("tokenrevoker")
        if revoke is not None and getattr(source, "family", None):
            revoke(family=source.family)
            forget(family=source.family, using=self.server.database)

    # --- what was issued (RFC 7009, RFC 7662) ---------------------------------------------------

    def revoke_token(
        self, token: str, token_type_hint: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        found, _ = self._issued(token)
        if found is None:
            return
        client: Any = request.client
        if found.client_id != client.client_id:
            # RFC 7009 §2.1: refused, and the client is told.
            raise errors.InvalidGrantError("The token is another client's.", request=request)
        if getattr(found, "family", None) and self.server.optional("tokenrevoker"):
            self._revoke_family(found)
        else:
            found.delete()
            if getattr(found, "family", None):
                forget(family=found.family, using=self.server.database)

    def introspect_token(
        self, token: str, token_type_hint: str, request: Request, *args: Any, **kwargs: Any
    ) -> dict[str, Any] | None:
        client: Any = request.client
        if not is_confidential(client):
            # RFC 7662 §2.1: or anybody could try tokens.
            raise errors.InvalidClientError(request=request)
        found, refresh = self._issued(token)
        if found is None or not self.server.may_introspect(client, found):
            return None
        owner = self.server.client_of(found)
        expires = moment(found, "refresh_expires" if refresh else "expires")
        if (
            not is_active(owner)
            or not (found.user is None or is_active(found.user))
            or (expires is not None and expires <= datetime.now(UTC))
            or not getattr(found, "in_force_for", is_active)(owner)
        ):
            return None
        claims: dict[str, Any] = {
            "scope": " ".join(
                getattr(found, "granted_scopes", found.scopes) if refresh else found.scopes
            ),
            "client_id": owner.client_id,
            "iss": self.server.issuer,
        }
        if not refresh:
            claims["token_type"] = "Bearer"  # noqa: S105
        if expires is not None:
            claims["exp"] = int(expires.timestamp())
        created = moment(found, "created_at")
        if created is not None:
            claims["iat"] = int(created.timestamp())
        if found.user is not None:
            # RFC 7662 §2.2. A client's own token has none: a client's name is no user's key.
            claims["sub"] = str(found.user.pk)
        return claims

    def _issued(self, token: str) -> tuple[Any, bool]:
        """A token of this server, and whether it is a refresh token.

        Both are looked for: RFC 7009 §2.1 lets a hint be wrong.
        """
        get = self.server.getter("tokengetter")
        found, refresh = get(access_token=token), False
        if found is None:
            found, refresh = get(refresh_token=token), True
        if found is None or getattr(found, "server", self.server.name) != self.server.name:
            return None, False
        return found, refresh


def _granted(token: Any) -> list[str]:
    """What the user agreed to, though a refresh may have asked for less."""
    return list(getattr(token, "granted_scopes", None) or token.scopes)


def is_confidential(client: Any) -> bool:
    """RFC 6749 §2.1. A client that does not say has a secret to keep."""
    if hasattr(client, "is_confidential"):
        return bool(client.is_confidential)
    return bool(getattr(client, "client_type", "confidential") != "public")


def _several(client: Any, name: str, default: Any = ()) -> Any:
    values = getattr(client, name, default)
    if isinstance(values, str):
        raise ImproperlyConfigured(
            f"The {name} of {type(client).__name__} is a string, and a part of it would do as well "
            "as the whole: it must be a list of strings. Split it."
        )
    return values


def _use_up(source: Any) -> bool:
    """Whether this was the first use. Without a method for it, the one that deletes it is."""
    if hasattr(source, "redeem"):
        return bool(source.redeem())
    if hasattr(source, "spend"):
        return bool(source.spend())
    deleted = source.delete()
    # Django's delete() says how many; what says nothing is believed.
    return not isinstance(deleted, tuple) or bool(deleted[0])
