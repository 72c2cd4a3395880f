"""The progress bars of the commands: done, total, rate and remaining time, by tqdm."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper
from tqdm import tqdm


class ProgressBar(tqdm):  # type: ignore[type-arg]
    """Draw a progress bar if the stream is a terminal, so that logs have no bars.

    :param total: the number of steps.
    :param verbosity: the option of the command; 0 draws nothing.
    """

    monitor_interval = 0  # tqdm starts no thread

    def __init__(self, total: int, stream: OutputWrapper, verbosity: int = 1) -> None:
        # The wrapper would end each piece of the line with a line break.
        terminal: Any = stream._out
        super().__init__(
            total=total,
            file=terminal,
            disable=None if verbosity > 0 and total > 0 else True,  # None asks the stream
            unit=" tokens",
            dynamic_ncols=True,
        )
