"""HTTP to providers: origins, shared connections, protocol calls, OAuth 1 signatures."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .origins import Origin, is_loopback, is_secure, origin
    from .protocol_calls import Answer, protocol_call, shared_adapter, without_frames
    from .signing import Signature

__all__ = [
    "Answer",
    "Origin",
    "Signature",
    "is_loopback",
    "is_secure",
    "origin",
    "protocol_call",
    "shared_adapter",
    "without_frames",
]

__getattr__ = load_on_first_use(
    __name__,
    {
        "origins": ["Origin", "is_loopback", "is_secure", "origin"],
        "protocol_calls": ["Answer", "protocol_call", "shared_adapter", "without_frames"],
        "signing": ["Signature"],
    },
)
