"""A real Postfix as a neighbour: the profile postfix, and the lab with-postfix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from maillab.mail.message import Message
from tests.docker.project import Project, maillab, wait_until

NORD, SUED, RELAY, FAR = "mail.nord.example", "mail.sued.example", "relay.example", "mail.postfix.example"
ANNA, BEN, FRITZ, CLUB = "anna@nord.example", "ben@sued.example", "fritz@postfix.example", "club@postfix.example"


@pytest.fixture(scope="module")
def session(images: None) -> Iterator[Project]:
    with Project("compose.yaml", "postfix", MAILLAB_LAB="with-postfix").running() as session:
        yield session


def send(session: Project, recipient: str, subject: str) -> str:
    """A mail from Anna; gives its trace."""
    sent = session.ask("send", {"from": ANNA, "to": [recipient], "subject": subject, "body": "Hallo!"})
    assert isinstance(sent["trace"], str)
    return sent["trace"]


def mail_of_fritz(session: Project, subject: str) -> Message:
    """As Postfix keeps it."""

    def come() -> str:
        script = f"grep -rl '^Subject: {subject}$' /var/mail/postfix.example/fritz/new | xargs -r cat"
        return session.exec("postfix", "sh", "-c", script)

    found: str = wait_until(f"{subject} at Postfix", come)
    return Message(found.encode())


def test_postfix_takes_mail_from_the_lab(session: Project) -> None:
    """Fritz has it below the lines of three servers, and the lab knows under which name Postfix queued it."""
    trace = send(session, FRITZ, "Hinweg")
    mail = mail_of_fritz(session, "Hinweg")
    assert [line.by for line in mail.received if line is not None] == [FAR, RELAY, NORD]
    relayed = session.wait_for("lab", "delivery.relayed", trace=trace, next_hop=FAR)
    assert relayed["reply"].startswith("250 2.0.0 Ok: queued as ")


def test_the_lab_takes_mail_from_postfix(session: Project) -> None:
    """Fritz writes to Anna; the lab believes Postfix, and the connection is encrypted."""
    session.exec("postfix", "sendmail", "-f", FRITZ, ANNA, stdin=b"Subject: Herweg\n\nHallo Anna!\n")
    accepted = session.wait_for("lab", "message.accepted", server=NORD, subject="Herweg")
    session.wait_for("lab", "message.stored", mailbox=ANNA, trace=accepted["trace"])
    arrived = session.wait_for("lab", "message.accepted", server=RELAY, trace=accepted["trace"])
    opened = session.wait_for("lab", "connection.opened", server=RELAY, connection=arrived["connection"])
    assert opened["peer_name"] == FAR
    assert session.wait_for("lab", "tls.started", server=RELAY, connection=arrived["connection"])


def test_the_trace_runs_through_postfix(session: Project) -> None:
    """Postfix sends Ben's copy of a mail to the club back into the lab: one trace of five hops, Postfix the third."""
    trace = send(session, CLUB, "Training")
    session.wait_for("lab", "message.stored", mailbox=BEN, trace=trace)
    hops = [
        (record["hop"], record["server"])
        for record in session.records("lab")
        if record["event"] == "message.accepted" and record["trace"] == trace
    ]
    assert hops == [(1, NORD), (2, RELAY), (4, RELAY), (5, SUED)]
    ladder = maillab("trace", trace, "--brief", "--from-log", "-", stdin=session.log("lab"))
    assert f"Server {FAR}" in ladder
    assert f"{BEN}: in the mailbox at {SUED}" in ladder
    assert mail_of_fritz(session, "Training")


def test_postfix_may_do_little(session: Project) -> None:
    """Its root file system is read-only, and of all capabilities it has those that changing to its own users takes."""
    host = session.inspect("postfix")["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert "SYS_ADMIN" not in str(host["CapAdd"])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
