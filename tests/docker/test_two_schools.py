"""The session with MAILLAB_LAB=two-schools: several servers, each at its address, and a kill under load."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator

import pytest

from tests.docker.project import Project, maillab, wait_until

ANNA, BEN = "anna@nord.example", "ben@sued.example"
SMTP = ("172.16.1.1", 25)
SENDERS_COUNT = 4
ENOUGH_COUNT = 100  # accepted before the lab is killed


@pytest.fixture(scope="module")
def session(images: None) -> Iterator[Project]:
    with Project("compose.yaml", services=("anna", "ben"), MAILLAB_LAB="two-schools").running() as session:
        yield session


def test_names_are_found_in_the_labs_dns(session: Project) -> None:
    """At anna's PC, with `dig` as with every program."""
    assert session.exec("anna", "dig", "+short", "MX", "sued.example") == "10 mail.sued.example.\n"
    assert session.exec("anna", "dig", "+short", "nord.example") == "172.16.1.1\n"
    assert session.exec("ben", "getent", "hosts", "mail.sued.example").split()[0] == "172.16.2.1"


def test_annas_mail_crosses_the_relay_to_ben(session: Project) -> None:
    """Sent with swaks over TLS, it is drawn from the log: three servers, from school to school."""
    said = session.exec("anna", "swaks", "--tls", "--to", BEN, "--header", "Subject: Einladung")
    assert "TLS started" in said
    trace = session.wait_for("lab", "message.stored", mailbox=BEN)["trace"]
    ladder = maillab("trace", trace, "--brief", "--from-log", "-", stdin=session.log("lab"))
    assert ladder.startswith("Einladung\n")
    assert ladder.count("Queued: ") == 3
    for words in ("Client anna", "Server mail.nord.example", "Server relay.example", "Server mail.sued.example"):
        assert words in ladder
    assert f"{BEN}: in the mailbox at mail.sued.example, uid 1" in ladder


def test_every_server_has_its_own_address(session: Project) -> None:
    """Where connections come from, and where they go to, is what the lab file says."""
    opened = {
        (record["server"], record["peer"].rpartition(":")[0])
        for record in session.records("lab")
        if record["event"] == "connection.opened" and record["side"] == "server"
    }
    assert ("relay.example", "172.16.1.1") in opened
    assert ("mail.sued.example", "172.16.3.1") in opened
    assert not [record for record in session.records("lab") if "crashed" in str(record.get("reason"))]


class Load:
    """Clients that send from Anna to Ben as fast as they can, until nobody answers."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self.broke_off_count = 0
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS_COUNT)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        count = 0
        try:
            with smtplib.SMTP(*SMTP, timeout=20) as client:
                while True:
                    subject = f"{number}-{count}"
                    client.sendmail(ANNA, BEN, f"Subject: {subject}\r\n\r\nHallo!\r\n")
                    self.accepted.add(subject)
                    count += 1
        except (OSError, smtplib.SMTPException):
            self.broke_off_count += 1


def test_killed_under_load_it_loses_nothing_that_it_acknowledged(session: Project) -> None:
    """What was answered with 250 is there after `docker kill` and `up`."""
    load = Load()
    load.start()
    wait_until("load", lambda: len(load.accepted) >= ENOUGH_COUNT)
    session.kill("lab")
    load.join()
    assert load.broke_off_count == SENDERS_COUNT
    assert session.inspect("lab")["State"]["ExitCode"] == 137
    session.up()
    wait_until("all that was accepted", lambda: load.accepted <= set(session.subjects(BEN)))
