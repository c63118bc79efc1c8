"""The envelope."""

from __future__ import annotations

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope

BEN = Address("ben", "sued.example")


def test_the_sender_is_the_reverse_path() -> None:
    """Records show the reverse path without brackets."""
    assert Envelope(Address("anna", "nord.example"), (BEN,)).sender == "anna@nord.example"


def test_the_null_path_is_the_empty_sender() -> None:
    """The sender of a bounce is the empty text, which is a legal sender."""
    assert Envelope(None, (BEN,)).sender == ""
