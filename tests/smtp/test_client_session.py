"""The client's side of a session: a reply must fit what was said, or it is none."""

from __future__ import annotations

import pytest

from maillab.smtp.replies import Reply
from maillab.smtp.reply_reader import BadReplyError
from maillab.smtp.table import NEED_DATA, Session
from maillab.smtp.words import DataStart, MailFrom, RcptTo
from tests.smtp.test_session import ALLOWED_ROWS, ANNA, COMMANDS, client_in


@pytest.mark.parametrize(
    ("verb", "octets"),
    [("MAIL", b"354 go on\r\n"), ("EHLO", b"334 what\r\n"), ("DATA", b"250 thanks\r\n"), ("QUIT", b"300\r\n")],
)
def test_a_reply_that_answers_something_else_is_none(verb: str, octets: bytes) -> None:
    """Only DATA is answered with 3yz, and never with 2yz (RFC 5321 section 4.3.2)."""
    state = next(state for state, each, _ in ALLOWED_ROWS if each == verb)
    session = client_in(state)
    session.send(COMMANDS[verb])
    session.receive_data(octets)
    with pytest.raises(BadReplyError):
        session.next_reply()


def test_a_354_to_the_end_of_data_is_no_acceptance() -> None:
    """A server that is out of step must not make its client believe that the message is safe."""
    session = client_in(Session.RECEIVING)
    b"".join(session.send_message(b"text"))
    session.receive_data(b"354 go on\r\n")
    with pytest.raises(BadReplyError):
        session.next_reply()


def test_a_354_for_nobody_still_wants_an_end_of_data() -> None:
    """RFC 2920 section 3.1: pipelined DATA may be accepted although every recipient was refused."""
    session = client_in(Session.READY)
    for command in (MailFrom(ANNA), RcptTo(ANNA), DataStart()):
        session.send(command)
    session.receive_data(b"250\r\n550\r\n354\r\n")
    codes = [reply.code for reply in iter(session.next_reply, NEED_DATA) if isinstance(reply, Reply)]
    assert codes == [250, 550, 354]
    assert b"".join(session.send_message(b"")) == b".\r\n"
