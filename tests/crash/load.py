"""SMTP clients that send while servers die, and a ledger of what each mail was answered."""

from __future__ import annotations

import contextlib
import smtplib
import threading
from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

import attrs

from tests.crash.lab_file import NOBODY, NORD, SUED, USERS, WEST

CLIENT_TIMEOUT_SECONDS: Final = 20.0  # to a server that was killed before it said a word
PAUSE_SECONDS: Final = 0.02  # before a client that lost its server tries again
MAILS_PER_CONNECTION: Final = 20
RECIPIENTS_COUNT: Final = 3
NOBODY_SHARE: Final = 0.15
LARGE_SHARE: Final = 0.05
SMALL_OCTETS, LARGE_OCTETS = 300, 60_000
_HOSTS: Final = (NORD, SUED, WEST)


@attrs.frozen
class Mail:
    """One mail that a client has sent; its subject is its key."""

    key: str
    sender: str
    recipients: tuple[str, ...]
    octets: bytes


@attrs.define
class Ledger:
    """What became of each mail as far as its client knows.

    Attributes:
        acknowledged: 250 after the data, with the recipients that were accepted.
        refused: 452 or 451 instead, or no recipient accepted.
        unsure: the connection was lost before the reply; nobody sends it again.
        replies: how often each code came after the data.
    """

    acknowledged: dict[str, Mail] = attrs.field(factory=dict)
    refused: dict[str, Mail] = attrs.field(factory=dict)
    unsure: dict[str, Mail] = attrs.field(factory=dict)
    replies: dict[int, int] = attrs.field(factory=dict)

    def answered(self, mail: Mail, code: int) -> None:
        self.replies[code] = self.replies.get(code, 0) + 1
        (self.acknowledged if code == 250 else self.refused)[mail.key] = mail


def send(client: smtplib.SMTP, mail: Mail, ledger: Ledger) -> str:
    """Send one mail, enter its answer and give it; a lost connection is raised after it was entered."""
    try:
        client.mail(mail.sender)
        accepted = tuple(each for each in mail.recipients if client.rcpt(each)[0] == 250)
        if not accepted:
            ledger.refused[mail.key] = mail
            client.rset()
            return "no recipient was accepted"
        mail = attrs.evolve(mail, recipients=accepted)
        code, text = client.data(mail.octets)
        ledger.answered(mail, code)
        return f"{code} {text.decode()}"
    except (smtplib.SMTPException, OSError):
        ledger.unsure[mail.key] = mail
        raise


@contextlib.contextmanager
def clients(ports: Mapping[str, int], ledger: Ledger, count: int, seed: int) -> Iterator[None]:
    """So many clients send while the context lasts; who loses its server comes again, with other mail."""
    ended = threading.Event()
    threads = [
        threading.Thread(target=_client, args=(ports, ledger, f"{seed}-{number}", ended)) for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _client(ports: Mapping[str, int], ledger: Ledger, name: str, ended: threading.Event) -> None:
    chance = Random(name)
    number = 0
    while not ended.is_set():
        host = chance.choice(_HOSTS)
        try:
            with smtplib.SMTP("127.0.0.1", ports[host], timeout=CLIENT_TIMEOUT_SECONDS) as client:
                client.ehlo("a-client.example")
                for _ in range(MAILS_PER_CONNECTION):
                    if ended.is_set():
                        break
                    number += 1
                    send(client, new_mail(host, f"{name}-{number}", chance), ledger)
        except (smtplib.SMTPException, OSError):
            ended.wait(PAUSE_SECONDS)


def new_mail(host: str, key: str, chance: Random) -> Mail:
    """A mail of a user of `host` to up to three people, some of whom nobody knows, with a body like no other."""
    domain = host.removeprefix("mail.")
    somebody = [user for users in USERS.values() for user in users]
    nobody = [each for each in NOBODY if not each.endswith(domain)]  # its own server would not take those at all
    sender = chance.choice(USERS[host])
    recipients = tuple(
        dict.fromkeys(
            chance.choice(nobody if chance.random() < NOBODY_SHARE else somebody)
            for _ in range(chance.randint(1, RECIPIENTS_COUNT))
        )
    )
    body_octets = LARGE_OCTETS if chance.random() < LARGE_SHARE else SMALL_OCTETS
    body = "".join(f"{chance.randbytes(32).hex()}\r\n" for _ in range(chance.randint(1, body_octets // 66)))
    head = f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: {key}\r\n\r\n"
    return Mail(key, sender, recipients, (head + body).encode())
