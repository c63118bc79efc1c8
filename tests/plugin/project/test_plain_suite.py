"""An ordinary suite that uses maillab: code that sends with smtplib, and no word of Trio."""

import smtplib
from email.message import EmailMessage

import pytest


def send_invitation(host, port, to):
    """The code under test."""
    message = EmailMessage()
    message["From"] = "anna@nord.example"
    message["To"] = to
    message["Subject"] = "Invitation"
    message.set_content("Come to my party!")
    with smtplib.SMTP(host, port) as client:
        client.send_message(message)


def test_the_invitation_arrives(maillab_on_ports):
    send_invitation(*maillab_on_ports.address, "ben@sued.example")
    message = maillab_on_ports.wait_for_message(to="ben@sued.example", subject="Invitation")
    assert b"Come to my party!" in message.octets
    maillab_on_ports.assert_path(["mail.nord.example", "relay.example", "mail.sued.example"], to="ben@sued.example")


def test_a_wrong_address_bounces(maillab_on_ports):
    send_invitation(*maillab_on_ports.address_of("nord.example"), "nobody@sued.example")
    maillab_on_ports.assert_bounced("nobody@sued.example")


@pytest.mark.maillab("gartenparty")
def test_another_lab_by_marker(maillab_on_ports):
    maillab_on_ports.send("carol@example.com", ["alice@example.com", "bob@example.com"], subject="Party")
    for guest in ("alice@example.com", "bob@example.com"):
        assert maillab_on_ports.wait_for_message(to=guest).subject == "Party"
