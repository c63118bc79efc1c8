"""The session: one table for both sides, in step after everything that a client may say."""

from __future__ import annotations

import pytest

from maillab.mail.address import Address
from maillab.smtp.client_session import ClientSession
from maillab.smtp.replies import Reply, ReplyStyle
from maillab.smtp.session import ProtocolError, ServerSession
from maillab.smtp.table import (
    GOES_ON,
    NEED_DATA,
    SESSION_TABLE,
    EndOfChunk,
    EndOfData,
    Event,
    MessageChunk,
    Session,
    expected_now,
)
from maillab.smtp.words import (
    Auth,
    AuthResponse,
    Bdat,
    Command,
    DataStart,
    Expand,
    Hello,
    Help,
    MailFrom,
    Noop,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    Verify,
    command_line,
)

ANNA = Address("anna", "nord.example")
COMMANDS: dict[str, Command] = {
    "EHLO": Hello("client.example"),
    "MAIL": MailFrom(ANNA),
    "RCPT": RcptTo(ANNA),
    "DATA": DataStart(),
    "STARTTLS": StartTls(),
    "AUTH": Auth("PLAIN"),
    "RSET": Reset(),
    "NOOP": Noop(),
    "VRFY": Verify("anna"),
    "EXPN": Expand("team"),
    "HELP": Help(),
    "QUIT": Quit(),
}
# Where each command leads when it is accepted; a dash: it is out of order. NOOP stands for VRFY, EXPN and HELP too.
GRID = """
              EHLO   MAIL        RCPT        DATA       STARTTLS      AUTH   RSET       NOOP          QUIT
CONNECTED     READY  -           -           -          STARTING_TLS  -      CONNECTED  CONNECTED     CLOSED
READY         READY  MAIL_GIVEN  -           -          STARTING_TLS  READY  READY      READY         CLOSED
MAIL_GIVEN    READY  -           RCPT_GIVEN  -          -             -      READY      MAIL_GIVEN    CLOSED
RCPT_GIVEN    READY  -           RCPT_GIVEN  RECEIVING  -             -      READY      RCPT_GIVEN    CLOSED
CHUNKS_GIVEN  READY  -           -           -          -             -      READY      CHUNKS_GIVEN  CLOSED
"""
LIKE_NOOP = ("VRFY", "EXPN", "HELP")
# What is no line of its own, or not answered as one: chunks and logins have tests of their own.
INSIDE: dict[tuple[Session, type[Event]], Session] = {
    (Session.RECEIVING, MessageChunk): Session.RECEIVING,
    (Session.RECEIVING, EndOfData): Session.READY,
    (Session.RCPT_GIVEN, Bdat): Session.CHUNK,
    (Session.CHUNKS_GIVEN, Bdat): Session.CHUNK,
    (Session.CHUNK, MessageChunk): Session.CHUNK,
    (Session.CHUNK, EndOfChunk): Session.CHUNKS_GIVEN,
    (Session.CHUNK, EndOfData): Session.READY,
    (Session.AUTHENTICATING, AuthResponse): Session.READY,
}
WAY_TO = {
    Session.CONNECTED: "",
    Session.READY: "EHLO",
    Session.MAIL_GIVEN: "EHLO MAIL",
    Session.RCPT_GIVEN: "EHLO MAIL RCPT",
    Session.RECEIVING: "EHLO MAIL RCPT DATA",
    Session.CHUNKS_GIVEN: "EHLO MAIL RCPT BDAT",
    Session.AUTHENTICATING: "EHLO AUTH",
    Session.STARTING_TLS: "STARTTLS",
    Session.CLOSED: "QUIT",
}


def rows_of(grid: str) -> list[tuple[Session, str, Session | None]]:
    verbs, *rows = (line.split() for line in grid.strip().splitlines())
    return [
        (Session[name], each, None if cell == "-" else Session[cell])
        for name, *cells in rows
        for verb, cell in zip(verbs, cells, strict=True)
        for each in ((verb, *LIKE_NOOP) if verb == "NOOP" else (verb,))
    ]


ROWS = rows_of(GRID)
ALLOWED_ROWS = [(state, verb, then) for state, verb, then in ROWS if then is not None]
CLIENT_ROWS = [row for row in ROWS if row[0] is not Session.CHUNKS_GIVEN]  # our client sends no chunks


def accepting(event: Event) -> Reply:
    """The best that can be said to `event`."""
    return Reply(354 if type(event) is DataStart else 250)


def octets_of(verb: str) -> bytes:
    return b"BDAT 0\r\n" if verb == "BDAT" else command_line(COMMANDS[verb]).encode() + b"\r\n"


def server_in(state: Session, style: ReplyStyle = ReplyStyle.REALISTIC, *, lax: bool = False) -> ServerSession:
    """A server's session that has been brought to `state` by accepting commands."""
    session = ServerSession(style, "mail.nord.example", lax=lax)
    for verb in WAY_TO[state].split():
        session.receive_data(octets_of(verb))
        event = session.next_event()
        assert event is not NEED_DATA
        session.send_reply(Reply(334) if state is Session.AUTHENTICATING and verb == "AUTH" else accepting(event))
    assert session.state is state
    return session


def client_in(state: Session) -> ClientSession:
    """A client's session that has been brought to `state` by commands that were accepted."""
    session = ClientSession()
    session.receive_data(b"220 hi\r\n")
    assert session.next_reply() == Reply(220, ("hi",))
    for verb in WAY_TO[state].split():
        command = COMMANDS[verb]
        session.send(command)
        session.receive_data(b"%d\r\n" % accepting(command).code)
        session.next_reply()
    assert session.state is state
    return session


def refusals(session: ServerSession, octets: bytes) -> list[str]:
    """What a server's session answers of its own accord; what it leaves to others is accepted."""
    session.receive_data(octets)
    texts = []
    while True:
        try:
            event = session.next_event()
        except ProtocolError as error:
            texts.append(error.reply.text)
            session.send_reply(error.reply)
            continue
        if event is NEED_DATA:
            return texts
        if type(event) is not MessageChunk:
            session.send_reply(accepting(event))


def in_sync(session: ServerSession) -> bool:
    """True if the next NOOP is seen as a NOOP."""
    session.receive_data(b"NOOP\r\n")
    event = session.next_event()
    if event == Noop():
        session.send_reply(Reply(250))
    return event == Noop()


@pytest.mark.parametrize(("state", "verb", "then"), ROWS)
def test_the_table_judges_the_server(state: Session, verb: str, then: Session | None) -> None:
    """A command of the table leads on; any other is 503, says what is expected, and changes nothing."""
    session = server_in(state)
    session.receive_data(octets_of(verb))
    if then is None:
        with pytest.raises(ProtocolError) as caught:
            session.next_event()
        session.send_reply(caught.value.reply)
        assert caught.value.reply.code == 503
        assert caught.value.reply.lines == (f"{verb} is out of order; expected now: {expected_now(state)}",)
        assert session.state is state
        assert in_sync(session)
    else:
        event = session.next_event()
        assert event == COMMANDS[verb]
        session.send_reply(accepting(COMMANDS[verb]))
        assert session.state is then


@pytest.mark.parametrize(("state", "verb", "then"), CLIENT_ROWS)
def test_the_table_judges_the_client(state: Session, verb: str, then: Session | None) -> None:
    """The client's side refuses to send what its server would call out of order."""
    session = client_in(state)
    command = COMMANDS[verb]
    if then is None:
        with pytest.raises(ValueError, match="not allowed"):
            session.send(command)
        assert session.outstanding_count == 0
    else:
        assert session.send(command) == octets_of(verb)
        session.receive_data(b"%d\r\n" % accepting(command).code)
        session.next_reply()
        assert session.state is then


@pytest.mark.parametrize("code", [450, 550])
@pytest.mark.parametrize(("state", "verb", "then"), ALLOWED_ROWS)
def test_a_refused_command_changes_nothing(state: Session, verb: str, then: Session, code: int) -> None:
    """4yz and 5yz leave both sides where they were: a refused recipient leaves the transaction open."""
    server = server_in(state)
    server.receive_data(octets_of(verb))
    server.next_event()
    octets = server.send_reply(Reply(code, ("no",)))
    assert server.state is state
    assert in_sync(server)
    if state is Session.CHUNKS_GIVEN:  # our client sends no chunks
        return
    client = client_in(state)
    client.send(COMMANDS[verb])
    client.receive_data(octets)
    assert client.next_reply() == Reply(code, ("no",))
    assert client.state is state


def test_the_grid_is_the_whole_table() -> None:
    """Nothing is allowed that the grid does not show."""
    allowed = {(state, type(COMMANDS[verb])): then for state, verb, then in ALLOWED_ROWS} | INSIDE
    table = {(state, event): then for state, row in SESSION_TABLE.items() for event, then in row.items()}
    assert table == allowed


@pytest.mark.parametrize("verb", COMMANDS)
def test_while_data_are_received_commands_are_text(verb: str) -> None:
    """Between DATA and the end of data no line is a command."""
    session = server_in(Session.RECEIVING)
    session.receive_data(octets_of(verb) + b"text")
    assert session.next_event() == MessageChunk(octets_of(verb) + b"text")
    with pytest.raises(ValueError, match="not allowed"):
        client_in(Session.RECEIVING).send(COMMANDS[verb])


@pytest.mark.parametrize("code", [250, 451, 554])
def test_the_end_of_data_ends_the_transaction_whatever_is_said(code: int) -> None:
    """RFC 5321 section 4.1.1.4: afterwards, accepted or not, the next MAIL may come, on both sides."""
    server, client = server_in(Session.RECEIVING), client_in(Session.RECEIVING)
    server.receive_data(b"".join(client.send_message(b"text")))
    assert server.next_event() == MessageChunk(b"text\r\n")
    assert server.next_event() == EndOfData()
    client.receive_data(server.send_reply(Reply(code)))
    assert client.next_reply() == Reply(code)
    assert (server.state, client.state) == (Session.READY, Session.READY)


@pytest.mark.parametrize("event", [DataStart, Auth, AuthResponse])
def test_only_what_goes_on_is_answered_with_3yz(event: type[Event]) -> None:
    """RFC 5321 section 4.3.2 and RFC 4954 section 4: 354 to DATA, 334 in a login, to nothing else."""
    assert GOES_ON[event] in (Session.RECEIVING, Session.AUTHENTICATING)
    assert len(GOES_ON) == 3


def test_what_is_pipelined_behind_quit_is_dropped() -> None:
    """After 221 nothing is answered any more."""
    session = server_in(Session.CLOSED)
    session.receive_data(b"NOOP\r\nMAIL FROM:<>\r\n")
    assert session.next_event() is NEED_DATA


def test_a_second_ehlo_forgets_the_transaction() -> None:
    """RFC 5321 section 4.1.4: RCPT is out of order then."""
    assert [text[:3] for text in refusals(server_in(Session.RCPT_GIVEN), b"EHLO again\r\nRCPT TO:<a@b>\r\n")] == ["503"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Session.CONNECTED, "HELO computername / EHLO computername"),
        (Session.READY, "MAIL FROM:<sender@domain>"),
        (Session.MAIL_GIVEN, "RCPT TO:<recipient@domain>"),
        (Session.RCPT_GIVEN, "RCPT TO:<recipient@domain> / DATA"),
        (Session.CHUNKS_GIVEN, "BDAT octets [LAST]"),
    ],
)
def test_a_learner_is_told_what_leads_on(state: Session, expected: str) -> None:
    """The way to a mail, as it is typed."""
    assert expected_now(state) == expected
