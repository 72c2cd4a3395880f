"""The dance: what providers have in common. A preset is a page of facts on one of these."""

from .base import ClientCredentials, Provider
from .oauth1 import OAuth1Provider
from .oauth2 import OAuth2Provider

__all__ = ["ClientCredentials", "OAuth1Provider", "OAuth2Provider", "Provider"]
