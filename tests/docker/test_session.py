"""The session of docker/compose.yaml with the garden party, as in the lesson."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import trio

from tests.docker.conftest import Measure
from tests.docker.project import PAGE_PORT, WAIT_SECONDS, Project, maillab
from tests.interop.test_lesson import CONVERSATION, GREETING, TYPED, Conversation

BOB = "bob@example.com"
PORTS = {"25/tcp", "53/tcp", "53/udp", "465/tcp", "587/tcp"}


@pytest.fixture(scope="module")
def session(images: None) -> Iterator[Project]:
    """`docker compose up`, with nothing said about which lab."""
    with Project("compose.yaml", "workstations").running() as session:
        yield session


def test_from_nothing_it_is_healthy(session: Project, measure: Measure) -> None:
    """Networks, volumes, five containers: then the engine has asked the lab, and it was ready."""
    measure("session, from `up` to healthy", f"{session.up_seconds:.1f} s")
    assert session.inspect("lab")["State"]["Health"]["Status"] == "healthy"
    assert session.exec("lab", "maillab", "health") == "ready\n"


def test_the_lab_may_do_nothing_but_its_work(session: Project) -> None:
    """No root, no capability, no way to get one, nothing to write to; and yet it listens at ports 25 and 53."""
    (host,) = (found["HostConfig"] for found in [session.inspect("lab")])
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    status = session.exec("lab", "sh", "-c", "cat /proc/[0-9]*/status")
    said = {line for line in status.splitlines() if line.startswith(("Uid", "Cap", "NoNewPrivs"))}
    assert said == {"Uid:\t10001\t10001\t10001\t10001", "NoNewPrivs:\t1"} | {
        f"Cap{kind}:\t0000000000000000" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")
    }
    (ready,) = [record for record in session.records("lab") if record["event"] == "lab.ready"]
    (server,) = ready["servers"]
    assert (server["host"], server["smtp"]) == ("mail.example.com", "172.16.1.1:25")
    assert ready["dns"] == "172.16.1.1:53"


async def test_a_mail_typed_with_nc_reaches_bob(session: Project) -> None:
    """Carol types the lesson at her PC, and each command gets the lesson's reply; the ladder is drawn from the log."""
    with trio.fail_after(WAIT_SECONDS):
        process = await trio.lowlevel.open_process(
            [*session.words("exec", "--no-TTY", "carol", "nc", "-C", "-N", "example.com", "25")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        carol = Conversation(process)
        assert await carol.read(len(GREETING)) == GREETING
        for typed, reply in CONVERSATION:
            await carol.type(typed)
            assert await carol.read(len(reply)) == reply
        assert await carol.end() == b""
    (mail,) = session.ask(f"mailboxes/{BOB}/messages")
    raw = session.exec("lab", "maillab", "mailbox", BOB, "--raw", str(mail["uid"]))
    assert raw.replace("\r\n", "\n").endswith(TYPED)
    ladder = maillab("trace", mail["trace"], "--from-log", "-", stdin=session.log("lab"))
    assert "HELO carol" in ladder
    assert f"{BOB}: in the mailbox at mail.example.com, uid 1" in ladder


def test_a_shell_at_a_pc_has_nc_that_ends_lines_as_smtp_does(session: Project) -> None:
    """Who opens one and types `nc example.com 25` is understood."""
    said = session.exec("alice", "bash", "-i", "-c", "printf 'HELO alice\nQUIT\n' | nc -N example.com 25")
    assert (
        said.replace("\r\n", "\n")
        == "220 Willkommen bei example.com\n250 Hello alice\n221 Server beendet Verbindung.\n"
    )


def test_s_nail_sends(session: Project) -> None:
    """A mail program knows who sits there, and which server takes the mail."""
    session.exec("alice", "s-nail", "--subject=Kuchen", BOB, stdin=b"Ich bringe Kuchen mit.\n")
    stored = session.wait_for("lab", "message.accepted", subject="Kuchen")
    assert (stored["sender"], stored["recipients"]) == ("alice@example.com", [BOB])


def test_the_page_is_on_this_machine_only(session: Project) -> None:
    """Published on 127.0.0.1, it asks for no password; nothing else is published."""
    ports = session.inspect("lab")["NetworkSettings"]["Ports"]
    assert ports.pop(f"{PAGE_PORT}/tcp") == [{"HostIp": "127.0.0.1", "HostPort": str(PAGE_PORT)}]
    assert ports == dict.fromkeys(PORTS)
    assert session.ask("lab")["lab"] == "gartenparty"


def test_no_way_leads_out_of_a_pc(session: Project) -> None:
    """It has the network of its server, and no default route."""
    routes = session.exec("carol", "cat", "/proc/net/route").splitlines()[1:]
    assert [route.split()[1] for route in routes] == ["000110AC"]  # 172.16.1.0, as the kernel writes it
