"""A progress bar for terminals."""

from __future__ import annotations

from types import TracebackType

from django.core.management.base import OutputWrapper

_WIDTH = 40


class Progress:
    """Draw a progress bar if the stream is a terminal, so that logs have no bars.

    :param total: the number of steps.
    :param verbosity: the option of the command; 0 draws nothing.
    """

    def __init__(self, total: int, stream: OutputWrapper, verbosity: int = 1) -> None:
        self._total, self._stream, self._done = total, stream, 0
        self._shown = verbosity > 0 and total > 0 and stream.isatty()
        self._percent = -1

    def step(self, count: int = 1) -> None:
        self._done += count
        # Rows that were added after the count must not lead to more than 100 %.
        self._draw(min(100, 100 * self._done // max(self._total, 1)))

    def _draw(self, percent: int, ending: str = "") -> None:
        if self._shown and (percent != self._percent or ending):
            self._percent = percent
            bar = ("#" * (percent * _WIDTH // 100)).ljust(_WIDTH)
            line = f"\r[{bar}] {percent:3} %  {self._done} of {self._total}"
            self._stream.write(line, style_func=str, ending=ending)
            self._stream.flush()

    def __enter__(self) -> Progress:
        self._draw(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._draw(max(self._percent, 0), ending="\n")
