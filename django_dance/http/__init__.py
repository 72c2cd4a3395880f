"""HTTP to providers: origins, connections, protocol calls, untrusted addresses, signatures."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .challenges import Challenge, bearer_challenge, oauth_challenge, read_challenges
    from .deadlines import TimedCall, running_call
    from .environment import EnvironmentMixin, forget_environment
    from .frames import drop_frames
    from .guard import GuardedAdapter, call_untrusted, check_url, get_guarded_adapter
    from .guarded_httpx import guarded_transport
    from .origins import Origin, is_loopback, is_secure, origin
    from .pool import get_shared_adapter, leave_unsigned
    from .protocol_calls import ProtocolResponse, limited_request, protocol_call, time_limit
    from .signing import Signature, load_private_key

__all__ = [
    "Challenge",
    "EnvironmentMixin",
    "GuardedAdapter",
    "Origin",
    "ProtocolResponse",
    "Signature",
    "TimedCall",
    "bearer_challenge",
    "call_untrusted",
    "check_url",
    "drop_frames",
    "forget_environment",
    "get_guarded_adapter",
    "get_shared_adapter",
    "guarded_transport",
    "is_loopback",
    "is_secure",
    "leave_unsigned",
    "limited_request",
    "load_private_key",
    "oauth_challenge",
    "origin",
    "protocol_call",
    "read_challenges",
    "running_call",
    "time_limit",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "challenges": ["Challenge", "bearer_challenge", "oauth_challenge", "read_challenges"],
            "deadlines": ["TimedCall", "running_call"],
            "environment": ["EnvironmentMixin", "forget_environment"],
            "frames": ["drop_frames"],
            "guard": ["GuardedAdapter", "check_url", "call_untrusted", "get_guarded_adapter"],
            "guarded_httpx": ["guarded_transport"],
            "origins": ["Origin", "is_loopback", "is_secure", "origin"],
            "pool": ["get_shared_adapter", "leave_unsigned"],
            "protocol_calls": [
                "ProtocolResponse",
                "limited_request",
                "protocol_call",
                "time_limit",
            ],
            "signing": ["Signature", "load_private_key"],
        },
    )
