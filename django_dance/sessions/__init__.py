"""Sessions: ``requests`` sessions bound to one provider and one resource owner."""

from .base import DanceSession
from .oauth1 import OAuth1Session
from .oauth2 import OAuth2Session, OIDCSession

__all__ = ["DanceSession", "OAuth1Session", "OAuth2Session", "OIDCSession"]
