"""How a mail server answers: who may send what to whom, and when a message is safe.

Implements `smtp.server.Host`, one object for each connection.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import attrs

from maillab.mail.address import Address
from maillab.mail.date import mail_date
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.mail.message import Message
from maillab.mail.received import Received
from maillab.mailserver.acceptance import job_for, record_acceptance
from maillab.mailserver.choices import BareNewlines, Role, Tls
from maillab.mailserver.completion import completed
from maillab.mailserver.correlation import arrival
from maillab.mailserver.directory import expanded, verified
from maillab.mailserver.greylist import Triple
from maillab.mailserver.peer import Peer
from maillab.mailserver.reporting import report_delivered
from maillab.mailserver.routing import Refused
from maillab.mailserver.site import Site
from maillab.smtp.answers import Answer
from maillab.smtp.data import has_bare_newline, with_whole_newlines
from maillab.smtp.replies import Reply
from maillab.smtp.sasl import MECHANISMS, Credentials
from maillab.smtp.words import Hello, MailFrom, RcptTo
from maillab.storage.errors import Damaged, StorageError
from maillab.trace.identity import QueueId
from maillab.trace.recorder import RecordLog

RECEIVED_LIMIT: Final = 50  # RFC 5321 section 6.3: many hops are a loop
_BARE_NEWLINE_RESULTS: Final[Mapping[BareNewlines, str]] = {
    BareNewlines.REJECT: "refused",
    BareNewlines.NORMALIZE: "mended",
    BareNewlines.LAX: "passed",
}


class Reception:
    """One connection's answers."""

    def __init__(
        self,
        site: Site,
        peer: Peer,
        log: RecordLog,
        wake: Callable[[str], None],
        *,
        role: Role = Role.SMTP,
        in_tls: bool = False,
    ) -> None:
        """`wake` is called with each next hop that a new message waits for."""
        self.name = site.host
        self.style = site.style
        self.limits = site.policy.limits
        self.lax = site.policy.bare_newlines is BareNewlines.LAX
        self._policy = site.policy
        self._role = role
        self._in_tls = in_tls
        self._user: str | None = None
        self._log = log
        self._site = site
        self._peer = peer
        self._wake = wake
        self._hello = Hello("")
        self._mail = MailFrom(None)
        self._recipients: list[Address] = []
        self._notices: dict[Address, Notice] = {}
        self._refused_count = 0

    def greeting(self) -> Reply:
        return self.style.reply(Answer.GREETING, host=self.name, domain=self._site.domain)

    async def hello(self, hello: Hello) -> Reply:
        await self._site.recorder.room()  # who talks faster than is written down waits, at any verb of a mail
        self.reset()
        self._hello = hello
        reply = self.style.reply(Answer.HELLO, host=self.name, client=hello.client_name)
        if not hello.extended:
            return reply
        return attrs.evolve(reply, lines=(*reply.lines, *self._keywords()))

    def _keywords(self) -> Iterator[str]:
        """The extensions that are offered now (RFC 5321 section 4.1.1.1)."""
        yield "PIPELINING"
        yield f"SIZE {self.limits.message_octets}"
        yield "8BITMIME"
        if self.style.enhanced_codes:
            yield "ENHANCEDSTATUSCODES"
        yield "SMTPUTF8"
        yield "CHUNKING"
        yield "DSN"
        if self._policy.tls is not Tls.OFF and not self._in_tls:
            yield "STARTTLS"
        if self._user is None and self._login_refusal() is None:
            yield f"AUTH {' '.join(MECHANISMS)}"

    def start_tls(self) -> Reply:
        if self._in_tls:
            return self.style.reply(Answer.TLS_IS_ON)
        if self._policy.tls is Tls.OFF:
            return self.style.reply(Answer.NOT_IMPLEMENTED, verb="STARTTLS")
        return self.style.reply(Answer.START_TLS)

    @property
    def tls_context(self) -> ssl.SSLContext:
        return self._policy.server_context()

    def tls_started(self, description: str) -> None:
        self._in_tls = True
        self._user = None
        self._hello = Hello("")
        self.reset()
        self._log.record("tls.started", side="server", peer_name=self._peer.name, version=description)

    def may_log_in(self) -> Reply | None:
        if self._user is not None:
            return self.style.reply(Answer.LOGGED_IN_BEFORE, user=self._user)
        return self._login_refusal()

    def _login_refusal(self) -> Reply | None:
        if not (self._role.is_submission or self._policy.login_everywhere) or not self._policy.passwords:
            return self.style.reply(Answer.NOT_IMPLEMENTED, verb="AUTH")
        if not self._in_tls and not self._policy.login_without_tls:
            return self.style.reply(Answer.LOGIN_NEEDS_TLS)
        return None

    async def log_in(self, credentials: Credentials, mechanism: str, log: RecordLog) -> Reply:
        self._user = self._policy.user(credentials.user, credentials.password)
        about = {"user": credentials.user, "mechanism": mechanism}
        if self._user is None:
            log.record("auth.failed", **about, error="user name or password is wrong")
            return self.style.reply(Answer.WRONG_LOGIN)
        log.record("auth.succeeded", **about)
        return self.style.reply(Answer.LOGGED_IN, user=self._user)

    async def mail(self, mail: MailFrom, log: RecordLog) -> Reply:
        await self._site.recorder.room()
        self.reset()
        self._mail = mail
        if self._policy.tls is Tls.REQUIRED and not self._in_tls:
            return self._refuse(log, Answer.TLS_FIRST)
        if self._role.is_submission and self._user is None:
            return self._refuse(log, Answer.LOGIN_FIRST)
        if mail.size_octets is not None and mail.size_octets > self.limits.message_octets:
            return self.too_big(log)
        return self.style.reply(Answer.SENDER_OK)

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        await self._site.recorder.room()
        recipient = rcpt.forward_path
        if self._refused_count >= self.limits.recipients:
            # Nobody who sends mail is told no so often: it is a search for users, or a flood.
            return self.style.reply(Answer.TOO_MANY_ERRORS, host=self.name)
        if len(self._recipients) >= self.limits.recipients:
            reason = f"more than {self.limits.recipients} recipients"
            return self._refuse_recipient(log, recipient, Answer.TOO_MANY_RECIPIENTS, reason)
        if not recipient.is_ascii and not self._mail.smtputf8:
            return self._refuse_recipient(log, recipient, Answer.NEEDS_SMTPUTF8, "not ASCII, and no SMTPUTF8")
        verdict = self._site.routes.judge(self._mail.reverse_path, recipient, logged_in=self._user is not None)
        if isinstance(verdict, Refused):
            if verdict.answer is Answer.RELAY_DENIED:
                log.record("policy.checked", policy="relay", result="refused", reason=verdict.reason)
            return self._refuse_recipient(log, recipient, verdict.answer, verdict.reason)
        if not verdict.relay_reason and (seconds := self._greylisted_seconds(recipient)):
            reason = f"new here; come again in {seconds:.0f} s"
            log.record("policy.checked", policy="greylist", result="deferred", reason=reason)
            return self._refuse_recipient(log, recipient, Answer.GREYLISTED, reason)
        if verdict.relay_reason:
            log.record("policy.checked", policy="relay", result="passed", reason=verdict.relay_reason)
            if self._site.routes.smarthost is None:
                null_mx = await self._site.resolver.null_mx(recipient.domain_key, log=log)
                if null_mx is not None:  # RFC 7505 section 4.1: what is known to be in vain is not taken
                    return self._refuse_recipient(log, recipient, Answer.NULL_MX, null_mx.reason)
        self._recipients.append(recipient)
        if rcpt.notice != NO_NOTICE:
            self._notices[recipient] = rcpt.notice
        return self.style.reply(Answer.RECIPIENT_OK)

    def verify(self, who: str) -> Reply:
        return verified(self._site, who)

    def expand(self, list_name: str) -> Reply:
        return expanded(self._site, list_name)

    def reset(self) -> None:
        self._mail = MailFrom(None)
        self._recipients = []
        self._notices = {}

    def too_big(self, log: RecordLog) -> Reply:
        limit = self.limits.message_octets
        log.record("policy.checked", policy="size", result="refused", reason=f"more than {limit} octets")
        return self._refuse(log, Answer.TOO_BIG, limit=limit)

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        mail = self._mail
        envelope = Envelope(
            mail.reverse_path,
            tuple(self._recipients),
            mail.eight_bit,
            mail.smtputf8,
            mail.ret,
            mail.envid,
            self._notices,
        )
        came = octets
        if has_bare_newline(octets):
            bare_newlines = self._policy.bare_newlines
            result = _BARE_NEWLINE_RESULTS[bare_newlines]
            log.record("policy.checked", policy="bare-newlines", result=result, reason="a CR or LF on its own")
            if bare_newlines is BareNewlines.REJECT:
                return self._refuse(log, Answer.BARE_NEWLINE)
            if bare_newlines is BareNewlines.NORMALIZE:
                octets = with_whole_newlines(octets)
                if len(octets) > self.limits.message_octets:
                    return self.too_big(log)
        message = Message(octets)
        if (hops := message.hop_count) > RECEIVED_LIMIT:
            log.record("policy.checked", policy="hops", result="refused", reason=f"{hops} Received lines")
            return self._refuse(log, Answer.LOOP, hops=hops, limit=RECEIVED_LIMIT)
        await self._site.recorder.room()
        came_from = arrival(message, self._site.neighbours, self.name) if self._peer.believed else None
        trace = came_from.queue_id.trace if came_from else self._site.trace_ids.new()
        at = self._site.clock.time()
        date = mail_date(at)
        if self._role.is_submission:
            octets = completed(message, date=date, message_id=f"{trace}@{self.name}")
        job = job_for(
            self._site, envelope, octets, trace=trace, came_from=came_from, stamp=self._received(envelope, date), at=at
        )
        try:
            committed = await self._site.database.write(job)
        except StorageError as error:
            log.record("storage.failed", error=str(error))
            return self._refuse(log, Answer.DAMAGED if isinstance(error, Damaged) else Answer.STORAGE)
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
        record_acceptance(accepted, envelope, came, log, came_from=came_from.queue_id if came_from else None)
        next_hops = accepted.next_hops
        with contextlib.suppress(StorageError):  # the mail is safe; a report that nobody needs is not worth a refusal
            next_hops |= await report_delivered(self._site, envelope, accepted, octets)
        for next_hop in sorted(next_hops):  # a set has another order in each process
            self._wake(next_hop)
        return self.style.reply(Answer.QUEUED, queue_id=accepted.queue_id)

    def _received(self, envelope: Envelope, date: str) -> Callable[[QueueId], Received]:
        """Makes our `Received` line (RFC 5321 section 4.4); "for" only where it gives nobody else away."""
        recipients = envelope.recipients
        for_ = str(recipients[0]) if len(recipients) == 1 and recipients[0].domain else ""
        protocol = "ESMTP" if self._hello.extended else "SMTP"
        if envelope.smtputf8:
            protocol = "UTF8SMTP"  # RFC 6531 section 4.3
        # RFC 3848: S for TLS, A for a login.
        protocol += "S" * self._in_tls + "A" * (self._user is not None)
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

    def _greylisted_seconds(self, recipient: Address) -> float:
        """How long this peer has to wait before its mail for `recipient` is taken; who has logged in never does."""
        if self._user is not None:
            return 0.0
        triple = Triple(self._peer.address, Envelope(self._mail.reverse_path, ()).sender.lower(), recipient.key)
        return self._site.greylist.seconds_left(triple, self._site.clock.lab_time())

    def _refuse_recipient(self, log: RecordLog, recipient: Address, answer: Answer, reason: str) -> Reply:
        """Refuse one recipient; the transaction goes on."""
        self._refused_count += 1
        reply = self.style.reply(
            answer, address=recipient, domain=recipient.domain, reason=reason, limit=self.limits.recipients
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
