"""Providers: the registry, and the classes that presets are made from."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import AccountInfo, ClientCredentials, Provider, UnusableAccountId
    from .client_assertion import signing_key
    from .client_metadata import (
        CLIENT_DESCRIPTIONS,
        client_document,
        client_document_url,
        is_document_url,
    )
    from .oauth1 import OAuth1Provider
    from .oauth2 import BasicAuth, OAuth2Provider
    from .oidc import IdentityChanged, OIDCProvider
    from .options import Problem, fact
    from .places import ANY_PATH, HostPlace, PlaceKind, UrlPlace
    from .refusals import Refusal
    from .registrations import (
        credentials_of,
        find_or_register,
        forget_registration,
        owner_tenant,
        registered_credentials,
        try_registration,
    )
    from .registry import providers
    from .server_metadata import (
        ResourceMetadata,
        ServerMetadata,
        count_discovery,
        discover_authorization_server,
        discover_resource,
    )

__all__ = [
    "ANY_PATH",
    "CLIENT_DESCRIPTIONS",
    "AccountInfo",
    "BasicAuth",
    "ClientCredentials",
    "HostPlace",
    "IdentityChanged",
    "OAuth1Provider",
    "OAuth2Provider",
    "OIDCProvider",
    "PlaceKind",
    "Problem",
    "Provider",
    "Refusal",
    "ResourceMetadata",
    "ServerMetadata",
    "UnusableAccountId",
    "UrlPlace",
    "client_document",
    "client_document_url",
    "count_discovery",
    "credentials_of",
    "discover_authorization_server",
    "discover_resource",
    "fact",
    "find_or_register",
    "forget_registration",
    "is_document_url",
    "owner_tenant",
    "providers",
    "registered_credentials",
    "signing_key",
    "try_registration",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "base": ["AccountInfo", "ClientCredentials", "Provider", "UnusableAccountId"],
            "client_assertion": ["signing_key"],
            "client_metadata": [
                "CLIENT_DESCRIPTIONS",
                "client_document",
                "client_document_url",
                "is_document_url",
            ],
            "oauth1": ["OAuth1Provider"],
            "oauth2": ["BasicAuth", "OAuth2Provider"],
            "oidc": ["IdentityChanged", "OIDCProvider"],
            "options": ["Problem", "fact"],
            "places": ["ANY_PATH", "HostPlace", "PlaceKind", "UrlPlace"],
            "refusals": ["Refusal"],
            "registrations": [
                "credentials_of",
                "find_or_register",
                "forget_registration",
                "owner_tenant",
                "registered_credentials",
                "try_registration",
            ],
            "registry": ["providers"],
            "server_metadata": [
                "ResourceMetadata",
                "ServerMetadata",
                "count_discovery",
                "discover_authorization_server",
                "discover_resource",
            ],
        },
    )
