"""Sessions: ``requests`` sessions, each bound to one provider and one resource owner."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import DanceSession
    from .container import OAuth
    from .httpx_auth import HttpxAuth
    from .mcp import MCPSession
    from .oauth1 import OAuth1Session
    from .oauth2 import OAuth2Session, OIDCSession

__all__ = [
    "DanceSession",
    "HttpxAuth",
    "MCPSession",
    "OAuth",
    "OAuth1Session",
    "OAuth2Session",
    "OIDCSession",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "base": ["DanceSession"],
            "container": ["OAuth"],
            "httpx_auth": ["HttpxAuth"],
            "mcp": ["MCPSession"],
            "oauth1": ["OAuth1Session"],
            "oauth2": ["OAuth2Session", "OIDCSession"],
        },
    )
