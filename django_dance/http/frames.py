"""Exceptions without the frames that hold secrets."""

from __future__ import annotations


def drop_frames(exception: BaseException) -> BaseException:
    """Remove the frames of the exception and of its causes, and return the exception.

    Frames hold headers and bodies with secrets, and error pages print the local variables of each
    frame. The messages of the exceptions stay.
    """
    seen: set[int] = set()
    pending: list[BaseException | None] = [exception]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = None
        pending += [current.__cause__, current.__context__]
    return exception
