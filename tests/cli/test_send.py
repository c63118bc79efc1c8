"""`maillab send`: one mail by real SMTP, and what the server said."""

from __future__ import annotations

from pathlib import Path

import pytest

from maillab.lab.mailbox import MailboxMessage
from tests.cli.page import Asked, maillab

ANNA_TO_BEN = ("send", "--from", "anna@nord.example", "--to", "ben@sued.example")


async def arrived(asked: Asked) -> MailboxMessage:
    return await asked.lab.mailbox("ben@sued.example").wait_for_message()


async def test_it_tells_what_became_of_each_recipient_and_how_to_see_more(asked: Asked) -> None:
    """Who was taken and who was not, in the server's words; then the trace."""
    result = await asked.maillab(*ANNA_TO_BEN, "--to", "nobody@nord.example", "--subject", "Hallo", "--body", "Hallo!")
    assert result.exit_code == 0
    trace = asked.lab.traces[0].id
    *answers, hint = result.stdout.splitlines()
    assert sorted(answers) == [
        f"ben@sued.example: accepted: 250 2.0.0 Ok: queued as {trace}-1-00",
        "nobody@nord.example: refused: 550 5.1.1 <nobody@nord.example>: no such user at nord.example",
    ]
    assert hint == f"trace {trace}; see it with: maillab trace {trace}"
    assert (await arrived(asked)).subject == "Hallo"


async def test_the_hint_can_be_typed_as_it_stands(asked: Asked) -> None:
    """Where the lab was named by hand, the hint names it too."""
    result = await asked.maillab(*ANNA_TO_BEN, "--url", asked.url)
    assert result.stdout.endswith(f" --url {asked.url}\n")


async def test_nobody_was_taken(asked: Asked) -> None:
    """Then the task failed, and the server's words are the error."""
    result = await asked.maillab("send", "--from", "anna@nord.example", "--to", "nobody@nord.example")
    assert result.exit_code == 1
    assert "550 5.1.1 <nobody@nord.example>: no such user" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_the_text_comes_from_standard_input(asked: Asked) -> None:
    """`--body -` reads it to its end, whatever is in it."""
    await asked.maillab(*ANNA_TO_BEN, "--body", "-", said="Grüße\n.\n".encode() + b"\xff\n")
    assert "Grüße\r\n.\r\n\ufffd" in (await arrived(asked)).octets.decode()


@pytest.mark.parametrize("how", ["file", "standard input"])
async def test_a_whole_message_is_sent_octet_by_octet(asked: Asked, tmp_path: Path, how: str) -> None:
    """`--file` changes nothing: no line end, no header, no octet that is no text."""
    octets = b"X: \xe9\r\n\r\n.\r\n..\r\n\xff\r\n"
    path = tmp_path / "mail.eml"
    path.write_bytes(octets)
    result = await asked.maillab(*ANNA_TO_BEN, "--file", str(path) if how == "file" else "-", said=octets)
    assert result.exit_code == 0, result.output
    assert (await arrived(asked)).octets.endswith(b"+0000\r\n" + octets)


@pytest.mark.parametrize("server", ["relay.example", "sued.example", "172.16.2.1:25"])
async def test_the_server_may_be_chosen(asked: Asked, server: str) -> None:
    """It is handed to the server that is named, and not to the sender's own."""
    assert (await asked.maillab(*ANNA_TO_BEN, "--server", server)).exit_code == 0
    await arrived(asked)
    assert "mail.nord.example" not in asked.lab.traces[0].path()


async def test_mail_goes_to_servers_of_the_lab_only(asked: Asked) -> None:
    """An address that the lab does not know is refused, and named."""
    result = await asked.maillab(*ANNA_TO_BEN, "--server", "127.0.0.1:25")
    assert result.exit_code == 1
    assert "127.0.0.1:25 is no server of this lab" in result.stderr


async def test_the_null_path_is_a_sender(asked: Asked) -> None:
    """`--from ""` sends as a bounce does."""
    result = await asked.maillab("send", "--from", "", "--to", "ben@sued.example", "--server", "sued.example")
    assert result.exit_code == 0
    assert (await arrived(asked)).entry.return_path == ""


@pytest.mark.parametrize("options", [("--subject", "Hallo"), ("--body", "Hallo")])
async def test_a_whole_message_has_its_own_subject_and_text(options: tuple[str, str]) -> None:
    """Both at once is wrong use."""
    result = await maillab(*ANNA_TO_BEN, "--file", "-", *options, said=b"")
    assert result.exit_code == 2
    assert "give --file, or --subject and --body" in result.stderr


async def test_what_is_no_text_is_told(asked: Asked) -> None:
    """An option in another encoding than UTF-8 (Python makes lone surrogates of it) is one line, no traceback."""
    result = await asked.maillab(*ANNA_TO_BEN, "--subject", "Gr\udcfc\udcdfe")
    assert result.exit_code == 1
    assert "no UTF-8" in result.stderr
