"""Connection: a user's link to one account at a provider, as a value without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: The state of a connection that can be used.
ACTIVE = "active"
#: The state of a connection that has lost its grant: the user has to connect again.
NEEDS_RECONNECT = "needs_reconnect"

#: A reason to reconnect: the token endpoint says that the grant is dead. The token is wiped.
REVOKED = "revoked"
#: A reason to reconnect: the token has expired, and there is no refresh token.
EXPIRED = "expired"
#: A reason to reconnect: for a day, the provider has refused to refresh the expired token. The
#: token is wiped.
REFUSED = "refused"
#: A reason to reconnect: the token lacks scopes that the settings ask for. It is sent all the same.
SCOPES = "scopes"
#: A reason to reconnect: no configured key opens the token.
UNREADABLE = "unreadable"
#: A reason to reconnect: the API and the address of the account refuse the token. It is sent for a
#: trial from time to time.
REJECTED = "rejected"
#: A reason to reconnect: the place names another authorization server than the one that granted
#: the token. The token is wiped.
ISSUER_CHANGED = "issuer_changed"
#: The reasons why a connection needs to be reconnected.
REASONS = (REVOKED, EXPIRED, REFUSED, SCOPES, UNREADABLE, REJECTED, ISSUER_CHANGED)


@dataclass(frozen=True)
class Connection:
    """A user's link to one account at a provider. It outlives its tokens and holds no secret."""

    #: The name of the provider in ``DANCE_PROVIDERS``.
    provider: str
    #: The account's immutable id at the provider; ``""`` if it is not known.
    account: str = ""
    #: The account's name for people, as it was at the time of the dance; ``""`` if it is not known.
    label: str = ""
    #: The granted scopes; ``None`` if they are not known.
    scopes: frozenset[str] | None = None
    #: The time of the last dance; ``None`` if it is not known.
    connected_at: datetime | None = None
    #: ``"active"`` or ``"needs_reconnect"``.
    state: str = ACTIVE
    #: Why the connection needs to be reconnected, one of ``REASONS``; ``""`` if it is active.
    reason: str = ""
    #: The time of the last change of the state; ``None`` if it never changed, or is not known.
    changed_at: datetime | None = None
    #: Whether a dance with this account may log its user in.
    may_sign_in: bool = False
    #: Whether this is the user's default account at the provider.
    is_default: bool = True
    #: The primary key of the row; ``None`` if the connection is not stored in a table.
    id: Any = None
    #: The place: one server of many; ``""`` for a provider with one server.
    place: str = ""

    @property
    def active(self) -> bool:
        """Whether the connection can be used."""
        return self.state == ACTIVE
