"""Is every recipient of every accepted message accounted for?  What the clients know, the mailboxes and the records.

A process that dies between a COMMIT and its record leaves something done and not told.  Where only a record could
have told of an outcome, and only then, a process that died so is an excuse.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.simulation.account import Account
from tests.simulation.books import Books
from tests.simulation.client import Attempt, Verdict
from tests.simulation.evidence import Copy, Notice, UnreadableError, read
from tests.simulation.oracle import Oracle
from tests.simulation.violation import Violation
from tests.simulation.world import Run


def audit(run: Run) -> list[Violation]:
    """Everything that is wrong with a run."""
    return [*_Ledger(run).violations()]


class _Ledger:
    """One run, judged."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._oracle = Oracle(run.plan.spec)
        self._books = Books(run)
        self._letters = {letter.number: letter for letter in run.plan.letters}
        self._copies: dict[tuple[int, int], list[Copy]] = defaultdict(list)
        self._notices: dict[tuple[int, int], list[Notice]] = defaultdict(list)

    def violations(self) -> Iterator[Violation]:
        run = self._run
        if run.restless:
            yield Violation("the lab comes to rest", run.restless)
            return  # nothing can be said of what is still underway
        for wrong, count in run.rows.items():
            if count:
                yield Violation("nothing is left over", f"{count} {wrong}")
        if run.open_count:
            yield Violation("nothing is left over", f"{run.open_count} connections are open for ever")
        yield from self._read_mailboxes()
        yield from self._books.violations()
        for attempt in run.attempts:
            yield from self._client(attempt)
            yield from self._account(attempt)
        known = {(attempt.letter.number, attempt.number) for attempt in run.attempts}
        for key in [*self._copies, *self._notices]:
            if key not in known and key[1]:
                yield Violation("nothing comes from nowhere", f"mail of an attempt that was never made, {key}")

    def _read_mailboxes(self) -> Iterator[Violation]:
        queue_ids: Counter[tuple[str, str]] = Counter()
        for stored in self._run.stored:
            where = f"message {stored.uid} of {stored.mailbox}"
            try:
                found = read(stored, self._letters)
            except UnreadableError as error:
                yield Violation("bodies are equal octet for octet", f"{where}: {error}", stored.queue_id[:13])
                continue
            trace = found.postmarks[0].trace
            queue_ids[stored.mailbox, stored.queue_id] += 1
            if found.postmarks[0].queue_id != stored.queue_id or found.postmarks[0].by != stored.host:
                yield Violation("hops", f"{where}: the top Received line is not its own", trace)
            yield from self._path(found, where)
            if isinstance(found, Copy):
                self._copies[found.attempt].append(found)
                if not found.is_whole:
                    yield Violation(
                        "bodies are equal octet for octet", f"{where} is not the letter that was sent", trace
                    )
                if found.return_path != self._letters[found.attempt[0]].sender:
                    yield Violation("envelope", f"{where}: Return-Path <{found.return_path}>", trace)
            else:
                self._notices[found.attempt].append(found)
                if found.return_path or found.about_notice:
                    yield Violation("no report on a report", f"{where}", trace)
        for (mailbox, queue_id), count in queue_ids.items():
            if count > 1:
                yield Violation("no message in two places", f"{queue_id} is {count} times in {mailbox}", queue_id[:13])

    def _path(self, found: Copy | Notice, where: str) -> Iterator[Violation]:
        """`Received` count = hops = trace, and the way is one that the topology has."""
        marks = found.postmarks
        trace = marks[0].trace
        if [mark.hop for mark in marks] != [*range(len(marks), 0, -1)] or {mark.trace for mark in marks} != {trace}:
            ids = ", ".join(mark.queue_id for mark in marks)
            yield Violation("Received count = hops = trace", f"{where} came as {ids}", trace)
        for mark, before in pairwise(marks):
            passed = self._oracle.may_follow(before.by, mark.by) and mark.client == before.by in mark.comment
            if not (passed or (not mark.client and mark.by == before.by)):
                yield Violation("one path per copy", f"{where} went from {before.by} to {mark.by}", trace)
        if isinstance(found, Copy) and not marks[-1].client.startswith("client-"):
            yield Violation("one path per copy", f"{where} does not begin with its client", trace)
        for mark in marks:
            if self._books.accepted_count(mark.by, mark.queue_id) == 0 and not self._books.may_be_untold(mark.by):
                yield Violation("Received count = hops = trace", f"{where}: no record of {mark.queue_id}", trace)

    def _client(self, attempt: Attempt) -> Iterator[Violation]:
        """Replies in their order: known people are taken, unknown ones refused."""
        for wrong in attempt.wrong:
            yield Violation("one reply per command, in order", f"{attempt.name}: {wrong}")
        letter = attempt.letter
        for address, code in attempt.replies.items():
            takes = self._oracle.takes(letter.server, letter.sender.lower(), address.lower())
            if (code == 250 and not takes) or (code >= 500 and takes and code not in self._run.plan.refusals):
                told = f"{attempt.name} heard {code} for {address} at {letter.server}"
                yield Violation("one reply per command, in order", told)

    def _account(self, attempt: Attempt) -> Iterator[Violation]:
        """Every recipient is exactly one of stored, bounced, bounce undeliverable, dropped by a rule."""
        letter, key = attempt.letter, (attempt.letter.number, attempt.number)
        copies, notices = self._copies[key], self._notices[key]
        trace = self._books.trace_of(attempt.name) or next((copy.postmarks[0].trace for copy in copies), "")
        if attempt.verdict is not Verdict.ACCEPTED and not (copies or notices or trace):
            return
        if attempt.verdict is Verdict.REFUSED:
            yield Violation("what was not accepted is not kept", f"{attempt.name} was refused", trace)
            return
        # In doubt it was accepted, as we see now: for whom, the client may not have heard.
        heard = {rcpt.address.lower(): attempt.replies.get(rcpt.address) for rcpt in letter.recipients}
        sure = {address: code == 250 for address, code in heard.items() if code in (250, None)}
        account = Account(attempt, trace, copies, notices, self._oracle, self._books, self._run)
        expected = self._oracle.expected(sure, account.failed_count, account.doubt_count)
        if expected is None:
            yield from account.loop(sure)
            return
        for address, due in expected.items():
            yield from account.violations(address, due)
        for copy in copies:
            if copy.stored.mailbox not in expected:
                yield Violation("nothing comes from nowhere", f"{attempt.name} is in {copy.stored.mailbox}", trace)
        for notice in notices:
            for address in notice.actions:
                if address not in expected:
                    yield Violation("nothing comes from nowhere", f"a report on {address}, of {attempt.name}", trace)
