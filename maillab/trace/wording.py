"""The words that a picture of a trace says besides those of the mail: in English, and in German for schools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from maillab.trace.copies import State
from maillab.trace.steps import Role, duration


@attrs.frozen
class Wording:
    """All words of one language; what stands in braces is filled in by `str.format`."""

    decimal_point: str
    days: str
    roles: Mapping[Role, str]
    states: Mapping[State, str]
    speakers: Mapping[str, str]
    """Who says it; of what is not said, what it is."""

    way_of: str
    no_subject: str
    sender: str
    recipients: str
    more: str
    trace: str
    after: str
    notice_about: str
    in_words: str
    step_count: str
    seconds: str
    time: str
    later: str

    conversation: str
    message: str
    message_of: str
    written_here: str
    stored: str
    encrypted: str
    duplicate: str
    queued_in: str
    taken_by_in: str
    refused_after: str
    sent_again_in: str
    no_reply: str
    many_lines: str
    waits: str
    waits_lab_time: str
    waits_until: str
    waits_on: str

    delivered: str
    failed: str
    deferred: str
    relayed: str
    underway: str
    said: str

    def duration(self, seconds: float) -> str:
        """Seconds as people say them."""
        return self.number(duration(seconds)).replace("days", self.days)

    def number(self, text: str) -> str:
        """A number as the language writes it, from how Python does."""
        return text.replace(".", self.decimal_point)


ENGLISH: Final = Wording(
    decimal_point=".",
    days="days",
    roles={role: role.value for role in Role},
    states={state: state.value for state in State},
    speakers={},
    way_of="The way of “{subject}”",
    no_subject="(no subject)",
    sender="from {names}",
    recipients="to {names}",
    more="{names} and {count} more",
    trace="trace {trace}",
    after="after {time}",
    notice_about="a notice about trace {trace}",
    in_words="Trace {trace}, {state}, from {sender} to {recipients}.",
    step_count="{count} steps between {hosts}.",
    seconds="seconds",
    time="time",
    later="{time} later",
    conversation="Client {client} to Server {server}",
    message="message",
    message_of="message, {octets} octets",
    written_here="{queue_id}, written here",
    stored="{mailbox}, uid {uid}",
    encrypted="encrypted from here on ({version})",
    duplicate="accepted before; this copy is dropped",
    queued_in="{queue_id} in {time}",
    taken_by_in="by {server} in {time}",
    refused_after="after {time}",
    sent_again_in="in {time}",
    no_reply="no reply",
    many_lines="{code} … ({count} lines)",
    waits="waits {time} in the queue of {server}{reason}, attempt {attempt}",
    waits_lab_time="waits {time} of lab time in the queue of {server}{reason}, attempt {attempt}",
    waits_until="waits in the queue of {server}{reason}, attempt {attempt} due {time} later",
    waits_on="waits in the queue of {server}{reason}, attempt {attempt} to come",
    delivered="in the mailbox at {server}, uid {uid}",
    failed="failed at {server}{reply}",
    deferred="waits at {server}{reply}",
    relayed="handed to {next_hop} outside the lab",
    underway="underway at {server}",
    said=", {next_hop} said",
)

GERMAN: Final = Wording(
    decimal_point=",",
    days="Tage",
    roles={Role.CLIENT: "Client", Role.SERVER: "Server", Role.MAILBOXES: "Postfächer", Role.DNS: "DNS"},
    states={
        State.DEFERRED: "wartet",
        State.UNDERWAY: "unterwegs",
        State.FAILED: "gescheitert",
        State.RELAYED: "weitergegeben",
        State.DELIVERED: "zugestellt",
    },
    speakers={
        Role.MAILBOXES: "Postfächer",
        "Queued": "Angenommen",
        "Stored": "Abgelegt",
        "Refused": "Abgelehnt",
        "Deferred": "Aufgeschoben",
        "Failed": "Gescheitert",
        "Bounce": "Rückläufer",
        "Notice": "Meldung",
        "Fault": "Störung",
        "Sent again": "Noch einmal gesendet",
    },
    way_of="Der Weg von „{subject}“",
    no_subject="(kein Betreff)",
    sender="von {names}",
    recipients="an {names}",
    more="{names} und {count} weitere",
    trace="Spur {trace}",
    after="nach {time}",
    notice_about="eine Meldung zur Spur {trace}",
    in_words="Spur {trace}, {state}, von {sender} an {recipients}.",
    step_count="{count} Schritte zwischen {hosts}.",
    seconds="Sekunden",
    time="Zeit",
    later="{time} später",
    conversation="Client {client} an Server {server}",
    message="Nachricht",
    message_of="Nachricht, {octets} Byte",
    written_here="{queue_id}, hier geschrieben",
    stored="{mailbox}, Nummer {uid}",
    encrypted="von hier an verschlüsselt ({version})",
    duplicate="schon angenommen; diese Kopie entfällt",
    queued_in="{queue_id} in {time}",
    taken_by_in="von {server} in {time}",
    refused_after="nach {time}",
    sent_again_in="in {time}",
    no_reply="keine Antwort",
    many_lines="{code} … ({count} Zeilen)",
    waits="wartet {time} in der Warteschlange von {server}{reason}, Versuch {attempt}",
    waits_lab_time="wartet {time} Laborzeit in der Warteschlange von {server}{reason}, Versuch {attempt}",
    waits_until="wartet in der Warteschlange von {server}{reason}, Versuch {attempt} in {time}",
    waits_on="wartet in der Warteschlange von {server}{reason}, Versuch {attempt} steht aus",
    delivered="im Postfach bei {server}, Nummer {uid}",
    failed="gescheitert bei {server}{reply}",
    deferred="wartet bei {server}{reply}",
    relayed="an {next_hop} außerhalb des Labors übergeben",
    underway="unterwegs bei {server}",
    said=", {next_hop} sagte",
)

WORDINGS: Final[Mapping[str, Wording]] = {"en": ENGLISH, "de": GERMAN}
"""By language (RFC 5646)."""
