"""The dance: what providers have in common. A preset is a page of facts on one of these."""

from .base import AccountInfo, ClientCredentials, Provider
from .oauth1 import OAuth1Provider
from .oauth2 import OAuth2Provider
from .oidc import OIDCProvider

__all__ = [
    "AccountInfo",
    "ClientCredentials",
    "OAuth1Provider",
    "OAuth2Provider",
    "OIDCProvider",
    "Provider",
]
