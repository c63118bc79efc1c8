"""AUTH (RFC 4954): PLAIN and LOGIN, every way to fail, and no record that holds a secret."""

from __future__ import annotations

import base64

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from maillab.smtp.limits import Limits
from maillab.smtp.sasl import RESPONSE_LIMIT_OCTETS, Challenge, Credentials, Login, Plain, SaslError, decode_response
from maillab.smtp.table import Session
from maillab.trace.recorder import Recorder
from tests.smtp.list_host import ListHost, called
from tests.smtp.test_session import in_sync, refusals, server_in

HELLO = "EHLO client.example"
MAIL = "MAIL FROM:<anna@nord.example>"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = encoded("\0anna\0secret")
WRONG = encoded("\0anna\0wrong")
USER, PASSWORD = encoded("anna"), encoded("secret")
WELCOME = "235 2.7.0 Welcome anna"
WRONG_LOGIN = "535 5.7.8 User name or password is wrong"
NO_BASE64 = "501 5.5.2 a response is base64 (RFC 4648 section 4)"
GAVE_UP = "501 5.7.0 You gave up logging in"


async def replies_to(*lines: str, host: ListHost | None = None) -> list[str]:
    """What is said to `lines`, one after the other, behind EHLO."""
    async with called(host or ListHost(wants_tls=False)) as caller:
        await caller.hear()
        await caller.ask(HELLO)
        return [(await caller.ask(line))[0] for line in lines]


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        ([f"AUTH PLAIN {PLAIN}"], [WELCOME]),
        ([f"auth plain {encoded('anna' + chr(0) + 'anna' + chr(0) + 'secret')}"], [WELCOME]),
        (["AUTH PLAIN", PLAIN], ["334", WELCOME]),
        (["AUTH LOGIN", USER, PASSWORD], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", WELCOME]),
        ([f"AUTH LOGIN {USER}", PASSWORD], ["334 UGFzc3dvcmQ6", WELCOME]),
        ([f"AUTH PLAIN {WRONG}", f"AUTH PLAIN {PLAIN}"], [WRONG_LOGIN, WELCOME]),
        (["AUTH LOGIN", USER, USER, "NOOP"], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", WRONG_LOGIN, "250 2.0.0 Ok"]),
        (["AUTH LOGIN", "", ""], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", WRONG_LOGIN]),
        (["AUTH LOGIN =", ""], ["334 UGFzc3dvcmQ6", WRONG_LOGIN]),
        (["AUTH PLAIN", "*", "NOOP"], ["334", GAVE_UP, "250 2.0.0 Ok"]),
        (["AUTH LOGIN", USER, "*", "NOOP"], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", GAVE_UP, "250 2.0.0 Ok"]),
        (["AUTH PLAIN *", "NOOP"], [GAVE_UP, "250 2.0.0 Ok"]),
        (["AUTH PLAIN c2V", "NOOP"], [NO_BASE64, "250 2.0.0 Ok"]),
        (["AUTH PLAIN", "c2V jcmV0", "NOOP"], ["334", NO_BASE64, "250 2.0.0 Ok"]),
        (["AUTH LOGIN", "=", "NOOP"], ["334 VXNlcm5hbWU6", NO_BASE64, "250 2.0.0 Ok"]),
        (["AUTH LOGIN", "geheim!", "NOOP"], ["334 VXNlcm5hbWU6", NO_BASE64, "250 2.0.0 Ok"]),
        (["AUTH PLAIN x y", "NOOP"], [NO_BASE64, "250 2.0.0 Ok"]),
        (["AUTH PLAIN =", "NOOP"], ["501 5.5.2 a PLAIN response is base64 of NUL user NUL password", "250 2.0.0 Ok"]),
        (["AUTH CRAM-MD5"], ["504 5.5.4 This mechanism is not offered; use PLAIN LOGIN"]),
        (["AUTH"], ["501 5.5.4 AUTH is used like this: AUTH PLAIN or AUTH LOGIN"]),
        (
            [f"AUTH PLAIN {PLAIN}", "AUTH LOGIN", HELLO, "AUTH LOGIN"],
            [
                WELCOME,
                "503 5.5.1 You are logged in as anna already",
                "250 mail.nord.example greets client.example PIPELINING CHUNKING DSN STARTTLS",
                "503 5.5.1 You are logged in as anna already",
            ],
        ),
        (
            [MAIL, "AUTH PLAIN", "RCPT TO:<ben@x>"],
            [
                "250 2.1.0 Ok",
                "503 5.5.1 AUTH is out of order; expected now: RCPT TO:<recipient@domain>",
                "250 2.1.5 Ok",
            ],
        ),
    ],
)
async def test_a_login(lines: list[str], replies: list[str]) -> None:
    """Each line has its reply, and when the exchange is over, well or not, commands are commands again."""
    assert [reply.strip() for reply in await replies_to(*lines)] == replies


@pytest.mark.parametrize(
    "response",
    [encoded("\0anna"), encoded("anna\0secret"), encoded("\0anna\0secret\0"), base64.b64encode(b"\0\xff\0x").decode()],
)
async def test_a_plain_response_of_another_form(response: str) -> None:
    """RFC 4616 section 2: three parts of UTF-8, parted by NUL."""
    assert [reply[:9] for reply in await replies_to(f"AUTH PLAIN {response}", "NOOP")] == ["501 5.5.2", "250 2.0.0"]


async def test_nobody_acts_for_somebody_else() -> None:
    """An authorization identity that is not the user's own is refused before the password is looked at."""
    (reply,) = await replies_to(f"AUTH PLAIN {encoded('ben' + chr(0) + 'anna' + chr(0) + 'secret')}")
    assert reply.startswith("501 5.5.2 nobody may act for somebody else here")


async def test_a_password_is_not_said_in_clear() -> None:
    """538 5.7.11 before TLS, whether or not the password was said already; inside TLS it is heard."""
    lines = ("AUTH PLAIN", f"AUTH PLAIN {PLAIN}")
    assert [reply[:10] for reply in await replies_to(*lines, host=ListHost())] == ["538 5.7.11"] * 2
    async with called(ListHost()) as caller:
        await caller.start_tls()
        assert (await caller.ask(HELLO, f"AUTH PLAIN {PLAIN}"))[1] == WELCOME


async def test_auth_wants_ehlo_first() -> None:
    """Whoever has not asked what is offered has no login to make."""
    async with called(ListHost(wants_tls=False)) as caller:
        await caller.hear()
        assert (await caller.ask(f"AUTH PLAIN {PLAIN}"))[0].startswith("503 5.5.1 ")


@pytest.mark.parametrize("line", [f"AUTH PLAIN {WRONG}", "AUTH PLAIN !", "AUTH X"])
async def test_several_failures_end_the_session(line: str) -> None:
    """RFC 4954 section 4 against guessing: the last error that is borne is answered with 421."""
    host = ListHost(Limits(errors=3), wants_tls=False)
    replies = await replies_to(line, line, line, host=host)
    assert replies[0] == replies[1]
    assert replies[2] == "421 4.7.0 mail.nord.example met too many errors; closing"


@pytest.mark.parametrize("octets", [b"x" * RESPONSE_LIMIT_OCTETS + b"\r\n", b"c2VjcmV0\n", b"\xff\r\n"])
def test_a_response_that_is_no_line_ends_the_login(octets: bytes) -> None:
    """Over-long, without CR, or no text: refused once, and the next line is a command."""
    session = server_in(Session.AUTHENTICATING)
    (text,) = refusals(session, octets)
    assert text[:9] in ("500 5.5.2", "501 5.5.2")
    assert "c2VjcmV0" not in text + session.line
    assert session.state is Session.READY
    assert in_sync(session)


def test_the_longest_response_is_heard() -> None:
    """RFC 4954 section 4: 12,288 octets with CRLF, in a line of its own or behind AUTH."""
    assert refusals(server_in(Session.AUTHENTICATING), b"x" * (RESPONSE_LIMIT_OCTETS - 2) + b"\r\n") == []
    assert refusals(server_in(Session.READY), b"AUTH PLAIN ".ljust(RESPONSE_LIMIT_OCTETS - 2, b"x") + b"\r\n") == []
    (text,) = refusals(server_in(Session.READY), b"AUTH PLAIN ".ljust(RESPONSE_LIMIT_OCTETS - 1, b"x") + b"\r\n")
    assert text == f"500 5.5.2 Line too long; a command line has at most {RESPONSE_LIMIT_OCTETS} octets, CR LF included"


@pytest.mark.parametrize("wants_tls", [True, False])
@pytest.mark.parametrize(
    "octets",
    [
        b"AUTH PLAIN SECRET\r\n",
        b"AUTH PLAIN\r\nSECRET\r\n",
        b"AUTH LOGIN\r\nSECRET\r\nSECRET\r\n",
        b"AUTH LOGIN SECRET\r\nSECRET\r\n",
        b"AUTH SECRET\r\n",
        b"AUTH PLAINSECRET\r\n",
        b"AUTHPLAIN SECRET\r\n",
        b"AUTH:SECRET\r\n",
        b" AUTH PLAIN SECRET\r\n",
        b"AUTH\tPLAIN\tSECRET\r\n",
        b"AUTH PLAIN SECRET\n",
        b"AUTH PLAIN SECRET\xff\r\n",
        b"AUTH LOGIN\r\nSECRET\n",
        b"AUTH LOGIN\r\nSECRET\xff\r\n",
        b"AUTH CRAM-MD5\r\nSECRET\r\n",
        b"AUTH LOGIN\r\nSECRET" + b"x" * RESPONSE_LIMIT_OCTETS + b"\r\n",
        b"MAIL FROM:<a@b>\r\nAUTH LOGIN\r\nSECRET\r\nSECRET\r\n",
    ],
)
async def test_no_record_holds_a_secret(octets: bytes, wants_tls: bool) -> None:
    """Accepted, refused, mistyped, pipelined or cut: neither a password nor its base64 is recorded or quoted."""
    secret = encoded("\0anna\0secret").rstrip("=").encode()
    recorder = Recorder("test", "r1", trio.current_time)
    host = ListHost(wants_tls=wants_tls)
    async with called(host, recorder.bind()) as caller:
        await caller.hear()
        await caller.ask(HELLO)
        await caller.stream.send_all(octets.replace(b"SECRET", secret))
        await caller.stream.send_eof()
        while reply := await caller.hear():
            assert secret.decode() not in reply
    assert len(recorder.records) > 6
    assert secret.decode() not in repr(list(recorder.records))


async def test_a_mistyped_command_behind_a_login_is_explained() -> None:
    """Once the login is over, a typo is a typo."""
    replies = await replies_to(f"AUTH PLAIN {PLAIN}", "NOPO", f"AUTH PLAIN {WRONG}", "NOOP", "NOPO")
    assert "did you mean NOOP?" in replies[1]
    assert "did you mean NOOP?" in replies[4]


@given(st.lists(st.none() | st.binary(max_size=30), max_size=4), st.sampled_from([Plain, Login]))
def test_any_response_is_a_step_or_an_error(responses: list[bytes | None], make: type[Plain | Login]) -> None:
    """Nothing that is said breaks an exchange."""
    exchange = make()
    for response in responses:
        try:
            step = exchange.respond(response)
        except SaslError:
            return
        assert isinstance(step, Challenge | Credentials)


@given(st.text(st.sampled_from("aZ09+/=*-_ \n\x00") | st.characters(), max_size=12))
def test_any_line_is_base64_or_an_error(text: str) -> None:
    """What is decoded is the one text that has this base64, padding and all."""
    try:
        octets = decode_response(text)
    except SaslError:
        return
    assert len(base64.b64encode(octets)) == len(text)
