"""Providers: the registry, and the classes that presets are made from."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import AccountInfo, ClientCredentials, Provider, UnusableAccountId
    from .oauth1 import OAuth1Provider
    from .oauth2 import BasicAuth, OAuth2Provider
    from .oidc import IdentityChanged, OIDCProvider
    from .options import Problem
    from .refusals import Refusal
    from .registry import providers
    from .server_metadata import (
        ResourceMetadata,
        ServerMetadata,
        discover_authorization_server,
        discover_resource,
    )

__all__ = [
    "AccountInfo",
    "BasicAuth",
    "ClientCredentials",
    "IdentityChanged",
    "OAuth1Provider",
    "OAuth2Provider",
    "OIDCProvider",
    "Problem",
    "Provider",
    "Refusal",
    "ResourceMetadata",
    "ServerMetadata",
    "UnusableAccountId",
    "discover_authorization_server",
    "discover_resource",
    "providers",
]

__getattr__ = load_on_first_use(
    __name__,
    {
        "base": ["AccountInfo", "ClientCredentials", "Provider", "UnusableAccountId"],
        "oauth1": ["OAuth1Provider"],
        "oauth2": ["BasicAuth", "OAuth2Provider"],
        "oidc": ["IdentityChanged", "OIDCProvider"],
        "options": ["Problem"],
        "refusals": ["Refusal"],
        "registry": ["providers"],
        "server_metadata": [
            "ResourceMetadata",
            "ServerMetadata",
            "discover_authorization_server",
            "discover_resource",
        ],
    },
)
