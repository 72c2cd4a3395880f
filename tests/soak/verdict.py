"""The verdict on a run: it tells the failures that a strike must cause from those that count.

* A worker that was killed cannot answer its requests: their connections end. So a request whose
  connection ended is accounted for if a worker of its site was killed while it was under way. A
  request that gets no answer in time counts.
* If the connection of a request to the database is cut, its next query fails, whichever app sends
  it. So an error of the database (500), or the page that says to try again (503), is accounted for
  if a cut happened while the request was under way. Any other exception counts. A cut accounts for
  no lost connection: a site can store the new token on another connection.
* A site works without Redis. So a failure counts, even if it happened while Redis was away.
* If a worker is killed in the middle of a refresh, the new token is lost, and the old refresh token
  is used up. The next refresh sends it again, and the provider ends the grant. So a lost connection
  is accounted for if the refresh that had used up its refresh token was sent by a worker that was
  killed before it answered the user, and before it reported the new token stored.

A site tells each loss of a connection once, by the signal ``connection_lost``. So there are at
least as many signals as users who ended their grant and were told at their next request, and at
most as many as grants that the provider has ended.

Everything else counts. A run is good if nothing counts, and if everything was struck as often as
was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from .journal import Answer, Journal, Loss, Struck, WorkerKill

#: The exceptions of the user's client for a connection that has ended.
CONNECTION_ENDED = ("ConnectionError", "ChunkedEncodingError")
#: The exceptions for a connection to the database that has ended: those of Django, and the one that
#: django-dance raises from them for the second connection of a request with an open transaction.
DATABASE_ERRORS = ("OperationalError", "InterfaceError", "StorageError")
#: How many answers and losses of a kind are listed.
LISTED = 10


@dataclass(frozen=True)
class Verdict:
    journal: Journal
    struck: Sequence[Struck]

    @cached_property
    def failures(self) -> list[Answer]:
        """Answers of 500 and more, and requests without an answer, that no strike accounts for."""
        return [
            answer
            for answer in self.journal.answers
            if answer.is_failure and not self._hit_by_kill(answer) and not self._hit_by_cut(answer)
        ]

    @cached_property
    def losses(self) -> list[Loss]:
        """Lost connections that no kill of a worker accounts for."""
        return [loss for loss in self.journal.losses if not self._lost_by_kill(loss)]

    @property
    def is_good(self) -> bool:
        counted = (self.journal.foreign, self.failures, self.journal.unexpected, self.losses)
        return (
            bool(self.journal.answers)
            and not any(counted)
            and self.tells_each_loss_once
            and all(part.times >= part.asked for part in self.struck)
        )

    @property
    def tells_each_loss_once(self) -> bool:
        journal = self.journal
        return len(journal.withdrawn) <= len(journal.losses_told) <= journal.ended_grants

    def lines(self) -> Iterator[str]:
        """The report: the figures, then the answers and losses that count."""
        journal = self.journal
        yield f"answers: {len([each for each in journal.answers if each.status])}"
        yield f"answers with another user's data: {len(journal.foreign)}"
        yield f"5xx or no answer, not caused by a kill or a cut: {len(self.failures)}"
        yield f"other unexpected answers: {len(journal.unexpected)}"
        yield f"connections lost, without a worker killed in that refresh: {len(self.losses)}"
        yield (
            f"grants withdrawn: {len(journal.withdrawn)}; losses told: {len(journal.losses_told)}; "
            f"grants ended: {journal.ended_grants}"
        )
        failed = [answer for answer in journal.answers if answer.is_failure]
        unanswered = [answer for answer in failed if answer.status is None]
        yield (
            f"caused by a kill or a cut, or counted above: {len(unanswered)} requests without an "
            f"answer, {len(failed) - len(unanswered)} 5xx, {len(journal.losses)} connections lost"
        )
        slowest = max((answer.ended - answer.sent for answer in journal.answers), default=0)
        yield f"dances: {len(journal.connected)}; slowest answer: {slowest:.1f} s"
        for part in self.struck:
            yield f"{part.name}: {part.times} times (asked for: {part.asked})"
        for counted in (journal.foreign, self.failures, journal.unexpected, self.losses):
            yield from (f"  counted: {each}" for each in counted[:LISTED])

    def _hit_by_kill(self, answer: Answer) -> bool:
        return any(_may_end(kill, answer) for kill in self.journal.worker_kills)

    def _hit_by_cut(self, answer: Answer) -> bool:
        return (answer.error in DATABASE_ERRORS or answer.status == 503) and any(
            answer.was_under_way(cut.began, cut.ended) for cut in self.journal.database_cuts
        )

    def _lost_by_kill(self, loss: Loss) -> bool:
        refresh = loss.reused
        return (
            refresh is not None
            and refresh.granted not in self.journal.stored
            and any(
                answer.user == loss.user
                and answer.sent <= refresh.arrived
                and _may_end(kill, answer)
                for kill in self.journal.worker_kills
                if kill.worker == refresh.worker
                for answer in self.journal.answers
            )
        )


def _may_end(kill: WorkerKill, answer: Answer) -> bool:
    """Whether the request may have ended because its worker was killed."""
    return (
        answer.error in CONNECTION_ENDED
        and answer.site == kill.site
        and answer.was_under_way(kill.at, kill.at)
    )
