"""The records of a run: written by the users, the provider and the strikes, read by the verdict.

All times are of ``time.monotonic()`` in the process of the soak, where everything that writes runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """A request of a user to a site, and how it ended."""

    user: str
    site: str
    request: str
    sent: float
    ended: float
    #: ``None`` if there was no answer: the connection ended, or the user has waited too long.
    status: int | None
    #: The name of the exception: on Django's page for errors, or in the user's own client. Of an
    #: unexpected answer it is the title of the page.
    error: str = ""

    def __str__(self) -> str:
        result = f"{self.status or 'no answer'} {self.error}".strip()
        duration = f"{self.ended - self.sent:.1f} s"
        return f"{self.user}: {self.request} at {self.site}, after {duration}: {result}"

    @property
    def is_failure(self) -> bool:
        return self.status is None or self.status >= 500

    def was_under_way(self, since: float, until: float) -> bool:
        """Whether the request was under way at some moment of this period."""
        return self.sent <= until and since <= self.ended


@dataclass(frozen=True)
class Refresh:
    """A request to the provider's token endpoint that used up a refresh token."""

    account: str
    #: The process id of the worker that sent it.
    worker: int
    arrived: float
    #: The digest of the refresh token that the provider granted instead.
    granted: str


@dataclass(frozen=True)
class Loss:
    """A site asked a connected user to connect again."""

    user: str
    at: float
    answer: Answer
    #: The refresh whose refresh token was sent a second time, which ended the grant; ``None`` if
    #: the provider did not end it.
    reused: Refresh | None

    def __str__(self) -> str:
        if self.reused is None:
            return f"{self.answer}; the provider has not ended the grant"
        age = f"{self.at - self.reused.arrived:.1f} s"
        worker = self.reused.worker
        return f"{self.answer}; worker {worker} had used the same refresh token {age} before"


@dataclass(frozen=True)
class WorkerKill:
    """:param worker: its process id."""

    site: str
    worker: int
    at: float


@dataclass(frozen=True)
class DatabaseCut:
    began: float
    ended: float


@dataclass(frozen=True)
class Struck:
    """How often a part was struck."""

    name: str
    times: int
    asked: int


@dataclass
class Journal:
    """The records of a run, each list in the order of time. Threads only append to them."""

    answers: list[Answer] = field(default_factory=list)
    #: Answers with the data of another user.
    foreign: list[Answer] = field(default_factory=list)
    #: Answers below 500 that the user should not get, such as a page of data after a disconnection.
    unexpected: list[Answer] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    worker_kills: list[WorkerKill] = field(default_factory=list)
    database_cuts: list[DatabaseCut] = field(default_factory=list)
    #: The users of the dances that ended well.
    connected: list[str] = field(default_factory=list)
    #: The users who ended their grant at the provider, and were then asked to connect again.
    withdrawn: list[str] = field(default_factory=list)
    #: The marks of the signals ``connection_lost`` that the workers sent.
    losses_told: set[str] = field(default_factory=set)
    #: How many grants the provider has ended.
    ended_grants: int = 0
    #: The digests of the refresh tokens that a worker has stored.
    stored: set[str] = field(default_factory=set)
