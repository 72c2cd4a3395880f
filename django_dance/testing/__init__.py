"""Tests of a site that uses django-dance: connections, requests and providers without a network.

A site that writes a storage tests it with :class:`StorageContract`.
"""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import FakeProvider, UnexpectedCall
    from .connecting import OAuthRequestFactory, connect
    from .factory import fake_provider
    from .messages import Received
    from .oauth1 import FakeOAuth1Provider
    from .oauth2 import FakeOAuth2Provider
    from .settings import override_providers
    from .storage_contract import StorageContract

__all__ = [
    "FakeOAuth1Provider",
    "FakeOAuth2Provider",
    "FakeProvider",
    "OAuthRequestFactory",
    "Received",
    "StorageContract",
    "UnexpectedCall",
    "connect",
    "fake_provider",
    "override_providers",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "base": ["FakeProvider", "UnexpectedCall"],
            "connecting": ["OAuthRequestFactory", "connect"],
            "factory": ["fake_provider"],
            "messages": ["Received"],
            "oauth1": ["FakeOAuth1Provider"],
            "oauth2": ["FakeOAuth2Provider"],
            "settings": ["override_providers"],
            "storage_contract": ["StorageContract"],
        },
    )
