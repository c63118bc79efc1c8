"""What the simple client says is allowed now, held against the server's own session in every golden dialogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from maillab.smtp.replies import Reply, ReplyStyle
from maillab.smtp.session import ProtocolError, ServerSession
from maillab.smtp.table import MessageChunk, NeedData, Session
from tests.dialogues.dialogue import PATHS, Dialogue

from .conftest import OpenPage, StartLab

STATES: Final = {
    Session.CONNECTED: "connected",
    Session.READY: "ready",
    Session.MAIL_GIVEN: "mail",
    Session.RCPT_GIVEN: "rcpt",
    Session.RECEIVING: "text",
    Session.CHUNKS_GIVEN: "chunks",
    Session.AUTHENTICATING: "login",
    Session.STARTING_TLS: "tls",
    Session.CLOSED: "closing",
}
FINAL_LINE: Final = re.compile(r"[0-9]{3}(?!-)")
WATCHING: Final = """
async (lines) => {
  const { Dialogue } = await import("/static/client-dialogue.js");
  const dialogue = new Dialogue();
  const states = [];
  for (const line of lines) {
    if (line.startsWith("C:")) {
      dialogue.said({ text: line.slice(3) });
    } else {
      dialogue.heard(line.slice(3));
      if (/^S: \\d{3}(?!-)/.test(line)) {
        states.push(dialogue.state);
      }
    }
  }
  return states;
}
"""


def typed_lines(dialogue: Dialogue) -> list[str] | None:
    """What is said, if somebody can type it and read it; None for octets, TLS, and lines without an end."""
    said = [line for line in dialogue.lines if line[:2] in ("C:", "C=", "S:") or line == "(TLS begins)"]
    lines = [line.replace("{queue_id}", "1M84F7XH9VMPM-1-00") for line in said]
    return None if any(line[0] == "(" or line[:2] == "C=" or "{" in line for line in lines) else lines


def states_of_the_server(lines: list[str]) -> Iterator[str]:
    """Where the server's session stands after each reply, the greeting first."""
    session = ServerSession(ReplyStyle.REALISTIC, "mail.nord.example")
    greeted = False
    for line in lines:
        if line.startswith("C:"):
            session.receive_data(line[3:].encode() + b"\r\n")
            continue
        if not FINAL_LINE.match(line[3:]):
            continue
        code = int(line[3:6])
        if greeted and code != 421:
            event: object = MessageChunk(b"")
            while isinstance(event, MessageChunk):
                try:
                    event = session.next_event()
                except ProtocolError:
                    event = None
            assert not isinstance(event, NeedData), f"{line} answers nothing"
            session.send_reply(Reply(code))
        closed = code == 421 or (not greeted and code != 220)
        yield "closing" if closed else STATES[session.state]
        greeted = True


def test_the_client_knows_where_the_server_stands(lab_process: StartLab, browser_page: OpenPage) -> None:
    """After every reply of every dialogue that can be typed, both are in the same state."""
    page = browser_page()
    page.goto(f"{lab_process('gartenparty').url}#/desktop/carol@example.com")
    page.get_by_role("heading", level=1).wait_for()
    dialogues = {path.name: lines for path in PATHS if (lines := typed_lines(Dialogue.read(path))) is not None}
    assert len(dialogues) >= 30
    watched: Any = {name: page.evaluate(WATCHING, lines) for name, lines in dialogues.items()}
    assert watched == {name: [*states_of_the_server(lines)] for name, lines in dialogues.items()}


@pytest.mark.parametrize(
    ("greeting", "state"), [("+OK POP3 ready", "other"), ("* OK IMAP4rev2", "other"), ("554 No service", "closing")]
)
def test_other_greetings_are_told_apart(
    greeting: str, state: str, lab_process: StartLab, browser_page: OpenPage
) -> None:
    """A server that speaks something else, or nothing, is not taken for one that waits for HELO."""
    page = browser_page()
    page.goto(f"{lab_process('gartenparty').url}#/desktop/carol@example.com")
    heard = page.evaluate(
        """async (greeting) => {
          const { Dialogue } = await import("/static/client-dialogue.js");
          const dialogue = new Dialogue();
          dialogue.heard(greeting);
          return [dialogue.state, dialogue.onward, dialogue.besides];
        }""",
        greeting,
    )
    assert heard == [state, [], []]
