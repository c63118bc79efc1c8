"""How a mail server answers: who may send what to whom, and when a message is safe.

Implements `smtp.server.Host`, one object for each connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from maillab.mail.address import Address
from maillab.mail.date import mail_date
from maillab.mail.envelope import Envelope
from maillab.mail.message import Message
from maillab.mail.received import Received
from maillab.mailserver import queue
from maillab.mailserver.acceptance import Accepted, keep, record_acceptance
from maillab.mailserver.correlation import Arrival, arrival
from maillab.mailserver.routing import Refused
from maillab.mailserver.site import Site
from maillab.smtp.data import has_bare_newline
from maillab.smtp.replies import Answer, Reply
from maillab.smtp.words import Hello, MailFrom, RcptTo, Verify
from maillab.storage.errors import StorageError
from maillab.trace.identity import QueueId
from maillab.trace.recorder import RecordLog

MESSAGE_LIMIT_OCTETS: Final = 25 << 20
RECIPIENTS_LIMIT: Final = 1000  # RFC 5321 section 4.5.3.1.8 wants 100 at least
RECEIVED_LIMIT: Final = 50  # RFC 5321 section 6.3: many hops are a loop


@attrs.frozen
class Peer:
    """Who is at the other end.

    Attributes:
        address: as people see it; a server of the lab has its lab address here.
        name: the host name of a server that we believe, None for everybody else.
        believed: its `Received` lines are taken for true.
    """

    address: str
    name: str | None = None
    believed: bool = False

    @property
    def tcp_info(self) -> str:
        """RFC 5321 section 4.4: "relay.example [172.16.3.1]"."""
        literal = f"[IPv6:{self.address}]" if ":" in self.address else f"[{self.address}]"
        return f"{self.name} {literal}" if self.name else literal


@attrs.frozen
class Committed:
    """The whole result of one message's commit: nothing is `accepted` where every recipient had it before."""

    accepted: Accepted | None
    duplicates: tuple[Address, ...] = ()


class Reception:
    """One connection's answers."""

    def __init__(self, site: Site, peer: Peer, wake: Callable[[str], None]) -> None:
        """`wake` is called with each next hop that a new message waits for."""
        self.name = site.host
        self.style = site.style
        self.message_limit_octets = MESSAGE_LIMIT_OCTETS
        self._site = site
        self._peer = peer
        self._wake = wake
        self._hello = Hello("")
        self._mail = MailFrom(None)
        self._recipients: list[Address] = []

    def greeting(self) -> Reply:
        return self.style.reply(Answer.GREETING, host=self.name, domain=self._site.domain)

    async def hello(self, hello: Hello) -> Reply:
        self.reset()
        self._hello = hello
        reply = self.style.reply(Answer.HELLO, host=self.name, client=hello.client_name)
        if not hello.extended:
            return reply
        keywords = ["PIPELINING", f"SIZE {self.message_limit_octets}", "8BITMIME", "SMTPUTF8"]
        if self.style.enhanced_codes:
            keywords.insert(3, "ENHANCEDSTATUSCODES")
        return attrs.evolve(reply, lines=(*reply.lines, *keywords))

    async def mail(self, mail: MailFrom, log: RecordLog) -> Reply:
        self.reset()
        self._mail = mail
        if mail.size_octets is not None and mail.size_octets > self.message_limit_octets:
            return self.too_big(log)
        return self.style.reply(Answer.SENDER_OK)

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        recipient = rcpt.forward_path
        if len(self._recipients) >= RECIPIENTS_LIMIT:
            reason = f"more than {RECIPIENTS_LIMIT} recipients"
            return self._refuse_recipient(log, recipient, Answer.TOO_MANY_RECIPIENTS, reason)
        if not recipient.is_ascii and not self._mail.smtputf8:
            return self._refuse_recipient(log, recipient, Answer.NEEDS_SMTPUTF8, "not ASCII, and no SMTPUTF8")
        verdict = self._site.routes.judge(self._mail.reverse_path, recipient)
        if isinstance(verdict, Refused):
            if verdict.answer is Answer.RELAY_DENIED:
                log.record("policy.checked", policy="relay", result="refused", reason=verdict.reason)
            return self._refuse_recipient(log, recipient, verdict.answer, verdict.reason)
        if verdict.relay_reason:
            log.record("policy.checked", policy="relay", result="passed", reason=verdict.relay_reason)
        self._recipients.append(recipient)
        return self.style.reply(Answer.RECIPIENT_OK)

    def verify(self, verify: Verify) -> Reply:
        return self.style.reply(Answer.CANNOT_VERIFY, address=verify.who)

    def reset(self) -> None:
        self._mail = MailFrom(None)
        self._recipients = []

    def too_big(self, log: RecordLog) -> Reply:
        limit = self.message_limit_octets
        log.record("policy.checked", policy="size", result="refused", reason=f"more than {limit} octets")
        return self._refuse(log, Answer.TOO_BIG, limit=limit)

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        mail = self._mail
        envelope = Envelope(mail.reverse_path, tuple(self._recipients), mail.eight_bit, mail.smtputf8)
        message = Message(octets)
        if has_bare_newline(octets):
            return self._refuse(log, Answer.BARE_NEWLINE)
        if (hops := message.hop_count) > RECEIVED_LIMIT:
            log.record("policy.checked", policy="hops", result="refused", reason=f"{hops} Received lines")
            return self._refuse(log, Answer.LOOP, hops=hops, limit=RECEIVED_LIMIT)
        await self._site.recorder.room()
        came_from = arrival(message, self._site.neighbours) if self._peer.believed else None
        job = self._job(envelope, octets, came_from)
        try:
            committed = await self._site.database.write(job)
        except StorageError:
            return self._refuse(log, Answer.STORAGE)
        self.reset()
        if committed.duplicates:
            assert came_from is not None  # only then duplicates are looked for
            log.record(
                "delivery.duplicate",
                trace=came_from.queue_id.trace,
                recipients=[str(recipient) for recipient in committed.duplicates],
                previous_host=came_from.previous_host,
                received_from_queue_id=str(came_from.queue_id),
            )
        accepted = committed.accepted
        if accepted is None:
            assert came_from is not None
            return self.style.reply(Answer.DUPLICATE, queue_id=came_from.previous_id)
        record_acceptance(accepted, envelope, octets, log, came_from=came_from.queue_id if came_from else None)
        for next_hop in accepted.next_hops:
            self._wake(next_hop)
        return self.style.reply(Answer.QUEUED, queue_id=accepted.queue_id)

    def _job(
        self, envelope: Envelope, octets: bytes, came_from: Arrival | None
    ) -> Callable[[sqlite3.Connection], Committed]:
        """What one transaction does: drop what came before, give the queue id, keep the rest."""
        site = self._site
        at, lab_at = site.clock.time(), site.clock.lab_time()
        new_trace = "" if came_from else site.trace_ids.new()
        stamp = self._stamp(envelope, mail_date(at))

        def job(db: sqlite3.Connection) -> Committed:
            recipients = envelope.recipients
            seen: set[str] = set()
            if came_from is None:
                trace, hop = new_trace, 1
            else:
                trace, hop = came_from.queue_id.trace, came_from.hop
            if came_from is not None and came_from.previous_id:
                previous = (came_from.previous_host, came_from.previous_id)
                seen = queue.seen_before(db, site.host, *previous, [str(each) for each in recipients])
                recipients = tuple(each for each in recipients if str(each) not in seen)
                if not recipients:
                    return Committed(None, envelope.recipients)
                queue.remember(db, site.host, *previous, [str(each) for each in recipients], at)
            # Nobody else gives ids of a trace that is new.
            queue_id = queue.free_queue_id(db, site.host, trace, hop) if came_from else QueueId(trace, hop)
            accepted = keep(
                db,
                site,
                attrs.evolve(envelope, recipients=recipients),
                octets,
                queue_id=queue_id,
                stamp=stamp,
                at=at,
                lab_at=lab_at,
            )
            return Committed(accepted, tuple(each for each in envelope.recipients if str(each) in seen))

        return job

    def _stamp(self, envelope: Envelope, date: str) -> Callable[[QueueId], Received]:
        """Makes our `Received` line (RFC 5321 section 4.4); "for" only where it gives nobody else away."""
        recipients = envelope.recipients
        for_ = str(recipients[0]) if len(recipients) == 1 and recipients[0].domain else ""
        protocol = "ESMTP" if self._hello.extended else "SMTP"  # RFC 3848
        if envelope.smtputf8:
            protocol = "UTF8SMTP"  # RFC 6531 section 4.3
        client_name, tcp_info = self._hello.client_name, self._peer.tcp_info

        def stamp(queue_id: QueueId) -> Received:
            return Received(client_name, tcp_info, self.name, protocol, str(queue_id), for_, date)

        return stamp

    def _refuse(self, log: RecordLog, answer: Answer, **values: object) -> Reply:
        """Refuse the whole message; its transaction is over."""
        reply = self.style.reply(answer, **values)
        self._record_refusal(log, reply, reply.lines[0], self._recipients)
        self.reset()
        return reply

    def _refuse_recipient(self, log: RecordLog, recipient: Address, answer: Answer, reason: str) -> Reply:
        """Refuse one recipient; the transaction goes on."""
        reply = self.style.reply(
            answer, address=recipient, domain=recipient.domain, reason=reason, limit=RECIPIENTS_LIMIT
        )
        self._record_refusal(log, reply, reason, [recipient])
        return reply

    def _record_refusal(self, log: RecordLog, reply: Reply, reason: str, recipients: Iterable[Address]) -> None:
        log.record(
            "message.refused",
            code=reply.code,
            reason=reason,
            sender=Envelope(self._mail.reverse_path, ()).sender,
            recipients=[str(recipient) for recipient in recipients],
        )
