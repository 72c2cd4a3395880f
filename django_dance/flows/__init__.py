"""Flows: dances that are begun and not finished, in cookies."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .flow import MAX_NEXT, MAX_STATE, Flow

__all__ = ["MAX_NEXT", "MAX_STATE", "Flow"]

__getattr__ = load_on_first_use(
    __name__,
    {
        "flow": ["MAX_NEXT", "MAX_STATE", "Flow"],
    },
)
