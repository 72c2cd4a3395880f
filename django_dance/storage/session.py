"""SessionStorage: in the visitor's Django session."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from ..crypto import seal, unseal
from ..exceptions import OwnerRequired, SealBroken, TokenTooLarge
from ..owner import ResourceOwner
from .base import BaseStorage

logger = logging.getLogger("django_dance")

#: What browsers keep of a cookie, its name and attributes included (RFC 6265 §6.1).
MAX_COOKIE = 4096


class SessionStorage(BaseStorage):
    """Keeps tokens, sealed, in ``request.session``: they go when the session goes.

    :param key: the session key, formatted with ``provider``.
    """

    def __init__(self, key: str = "{provider.name}_oauth_token") -> None:
        self.key = key

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        session = getattr(owner.request, "session", None)
        sealed = None if session is None else session.get(self._key(owner))
        if sealed is None:
            return None
        try:
            token: dict[str, Any] = json.loads(
                unseal(str(sealed), purpose="session", identity=self._identity(owner))
            )
        except (SealBroken, ValueError):
            # Also the token of an anonymous visitor who has logged in since: it is not carried
            # over unless the site says so.
            logger.debug("%s: the session's token does not open here", owner.provider.name)
            return None
        return token

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        session = self._session(owner)
        key, before = self._key(owner), session.get(self._key(owner))
        session[key] = seal(
            json.dumps(token).encode(), purpose="session", identity=self._identity(owner)
        )
        if _in_a_cookie(session) and len(session._get_session_key()) > MAX_COOKIE - 200:
            if before is None:
                del session[key]
            else:
                session[key] = before
            raise TokenTooLarge(
                f"{owner.provider.label}'s token does not fit into a cookie: choose another "
                "SESSION_ENGINE than signed_cookies, or another DANCE_STORAGE."
            )

    def delete(self, owner: ResourceOwner) -> None:
        session = getattr(owner.request, "session", None)
        if session is not None:
            session.pop(self._key(owner), None)

    def _session(self, owner: ResourceOwner) -> Any:
        session = getattr(owner.request, "session", None)
        if session is None:
            raise OwnerRequired(
                "SessionStorage needs a request with a session: add "
                "django.contrib.sessions.middleware.SessionMiddleware to MIDDLEWARE, or use "
                "ModelStorage for work without a request."
            )
        return session

    def _key(self, owner: ResourceOwner) -> str:
        return self.key.format(provider=owner.provider) + (
            f":{owner.account}" * bool(owner.account)
        )

    def _identity(self, owner: ResourceOwner) -> str:
        who = "" if owner.user_id is None else str(owner.user_id)
        return json.dumps([owner.provider.name, who, owner.account])


def _in_a_cookie(session: Any) -> bool:
    return type(session).__module__ == "django.contrib.sessions.backends.signed_cookies"
