"""One attempt to deliver a message: the records of which hosts it tries."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from maillab.mail.address import Address
from maillab.mailserver.queue import Work
from maillab.mailserver.result import Result, grouped
from maillab.smtp.outcome import Deferred
from maillab.trace.recorder import RecordLog


class Attempt:
    """Hears which hosts are tried."""

    def __init__(self, log: RecordLog, work: Work, number: int) -> None:
        """`number` is 1 for the first one."""
        self.log = log
        self.number = number
        entry = work.entry
        self.about = {"trace": entry.trace, "queue_id": entry.queue_id, "hop": entry.hop}
        """Which message it is, as records say it."""
        self._recipients = [recipient.address for recipient in work.recipients]
        self._host = ""

    def started(self, host: str, recipients: Collection[Address]) -> None:
        """`host` is tried now."""
        if host == self._host:  # one record, however many transactions the recipients need
            return
        names = [str(recipient) for recipient in recipients] if self._host else self._recipients
        self.log.record("delivery.started", recipients=names, next_hop=host, attempt=self.number)
        self._host = host

    def passed_over(self, results: Mapping[Address, Result]) -> None:
        """These could not be served now, and there is another place to try."""
        for result, recipients in grouped(results).items():
            assert isinstance(result.outcome, Deferred)
            reason, reply = result.outcome.reason, result.outcome.reply
            result.bound(self.log).record(
                "delivery.deferred",
                recipients=[str(recipient) for recipient in recipients],
                next_hop=result.host,
                attempt=self.number,
                code=reply.code if reply else None,
                reply=reason,
                retry_in_seconds=0,
            )
