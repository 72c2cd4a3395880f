"""Connections: the result of a dance is stored, a token is refreshed."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .connect import POLICIES, adopt

__all__ = ["POLICIES", "adopt"]

__getattr__ = load_on_first_use(
    __name__,
    {
        "connect": ["POLICIES", "adopt"],
    },
)
