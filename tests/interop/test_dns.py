"""`dig` asks the name server of a running lab, and hears what any real server would say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs
import pytest

from maillab.network.endpoint import Endpoint
from tests.interop.conftest import StartLab
from tests.interop.lab_process import LabProcess, maillab, run, with_free_ports

LAB: Final = f"""{with_free_ports("backup-mx")}
[[foreign]]
host = "mail.far.example"
domains = ["far.example"]
smtp = "127.0.0.9:2600"
"""
_STATUS: Final = re.compile(r"status: (\w+), id")
_FLAGS: Final = re.compile(r";; flags: ([a-z ]+);")


@attrs.frozen
class Heard:
    """What dig prints of an answer."""

    status: str
    flags: frozenset[str]
    sections: dict[str, list[str]]
    text: str

    @property
    def answer(self) -> list[str]:
        return self.sections.get("ANSWER", [])

    @property
    def authority(self) -> list[str]:
        return self.sections.get("AUTHORITY", [])


def heard(text: str) -> Heard:
    """Records as "name type value", without class and time to live."""
    sections: dict[str, list[str]] = {}
    section: list[str] = []
    for line in text.splitlines():
        if line.startswith(";; ") and line.endswith(" SECTION:"):
            section = sections.setdefault(line.split()[1], [])
        elif line and not line.startswith(";"):
            name, _ttl, _in, *rest = line.split()
            section.append(" ".join((name, *rest)))
        elif not line:
            section = []
    status, flags = _STATUS.search(text), _FLAGS.search(text)
    assert status is not None, text
    assert flags is not None, text
    return Heard(status[1], frozenset(flags[1].split()), sections, text)


async def ask(lab: LabProcess, dig: str, *words: str) -> Heard:
    """What dig hears, without a configuration of its own; it never asks twice."""
    ready = await lab.wait_for("lab.ready")
    where = Endpoint.parse(ready["dns"])
    outcome = await run(dig, "-r", f"@{where.host}", "-p", where.port, "+tries=1", "+timeout=30", "+norecurse", *words)
    text = outcome.stdout.decode()
    assert outcome.returncode == 0, text
    assert "malformed" not in text
    assert "extra bytes" not in text
    return heard(text)


@pytest.fixture
async def lab(start_lab: StartLab, tmp_path: Path) -> LabProcess:
    """The lab backup-mx, with a foreign host, an alias, and 1,600 octets of text."""
    texts = "".join(
        f'{{ name = "many.sued.example", type = "TXT", value = "{chr(ord("a") + n) * 200}" }},\n' for n in range(8)
    )
    alias = '{ name = "www.sued.example", type = "CNAME", value = "mail.sued.example" },\n'
    path = tmp_path / "lab.toml"
    path.write_text(LAB.replace("records = [{", f"records = [\n{alias}{texts}{{"))
    return await start_lab(path, "--web", "127.0.0.1:0")


SUED_MX: Final = ["sued.example. MX 10 mail.sued.example.", "sued.example. MX 20 backup.example."]


async def test_the_mail_hosts_of_a_domain(lab: LabProcess, dig: str) -> None:
    """`dig MX sued.example`, by every way: both hosts, and their addresses for who asks next."""
    for how in ([], ["+tcp"], ["+noedns"], ["+bufsize=512"], ["+recurse"]):
        mx = await ask(lab, dig, *how, "MX", "sued.example")
        assert mx.status == "NOERROR"
        assert mx.flags == frozenset({"qr", "aa", "rd"} if "+recurse" in how else {"qr", "aa"})
        assert mx.answer == ["sued.example. MX 10 mail.sued.example.", "sued.example. MX 20 backup.example."]
        assert set(mx.sections["ADDITIONAL"]) == {"mail.sued.example. A 172.16.2.1", "backup.example. A 172.16.3.1"}
        assert ("; EDNS: version: 0, flags:; udp: 1232" in mx.text) is ("+noedns" not in how)


async def test_every_kind_of_record_and_of_no(lab: LabProcess, dig: str) -> None:
    """What is there is said with authority; what is not, with the zone's SOA; what is not the lab's, not at all."""
    for words, answer in (
        (["A", "MAIL.sued.Example"], ["MAIL.sued.Example. A 172.16.2.1"]),
        (["A", "sued.example"], ["sued.example. A 172.16.2.1"]),
        (["NS", "sued.example"], ["sued.example. NS mail.sued.example."]),
        (["-x", "172.16.2.1"], ["1.2.16.172.in-addr.arpa. PTR mail.sued.example."]),
        (["A", "www.sued.example"], ["www.sued.example. CNAME mail.sued.example.", "mail.sued.example. A 172.16.2.1"]),
        (["MX", "far.example"], ["far.example. MX 10 mail.far.example."]),
        (["A", "mail.far.example"], ["mail.far.example. A 127.0.0.9"]),
    ):
        found = await ask(lab, dig, *words)
        assert (found.status, [line.lower() for line in found.answer]) == ("NOERROR", [line.lower() for line in answer])
        assert "aa" in found.flags

    (soa,) = (await ask(lab, dig, "SOA", "sued.example")).answer
    assert soa.startswith("sued.example. SOA mail.sued.example. ")
    for words, status in ((["A", "nowhere.sued.example"], "NXDOMAIN"), (["AAAA", "mail.sued.example"], "NOERROR")):
        no = await ask(lab, dig, *words)
        assert (no.status, no.answer, no.authority) == (status, [], [soa])
        assert "aa" in no.flags

    outside = await ask(lab, dig, "A", "example.org")
    assert (outside.status, outside.answer, outside.authority) == ("REFUSED", [], [])
    assert "aa" not in outside.flags


async def test_big_answers_and_odd_questions(lab: LabProcess, dig: str) -> None:
    """Too big for a datagram is cut and comes whole over TCP; ANY has one answer; what is not offered is refused."""
    cut = await ask(lab, dig, "+ignore", "TXT", "many.sued.example")
    assert "tc" in cut.flags
    whole = await ask(lab, dig, "TXT", "many.sued.example")  # dig comes again over TCP by itself
    assert "tc" not in whole.flags
    assert len(whole.answer) == 8

    anything = await ask(lab, dig, "+notcp", "ANY", "sued.example")
    assert (anything.status, len(anything.answer)) == ("NOERROR", 1)  # RFC 8482 section 4.1
    assert (await ask(lab, dig, "+edns=1", "+noednsneg", "MX", "sued.example")).status == "BADVERS"
    assert (await ask(lab, dig, "-c", "CH", "TXT", "version.bind")).status == "REFUSED"
    assert (await ask(lab, dig, "+opcode=notify", "SOA", "sued.example")).status == "NOTIMP"


async def test_a_changed_record_is_heard_at_once(lab: LabProcess, dig: str) -> None:
    """`maillab dns set` in one shell, `dig` in the other: the record is another, and so is the zone's number."""
    page = f"http://{(await lab.wait_for('lab.ready'))['web']}"
    (before,) = (await ask(lab, dig, "SOA", "sued.example")).answer
    done = await maillab("dns", "set", "sued.example", "MX", "5 backup.example", "--url", page)
    assert done.returncode == 0, done.stderr
    assert (await ask(lab, dig, "MX", "sued.example")).answer == ["sued.example. MX 5 backup.example."]
    (after,) = (await ask(lab, dig, "SOA", "sued.example")).answer
    assert int(after.split()[4]) > int(before.split()[4])


async def test_five_days_pass_in_a_running_lab(lab: LabProcess) -> None:
    """Mail for a host that is gone, `maillab clock +5d`, and its sender has the report."""
    page = f"http://{(await lab.wait_for('lab.ready'))['web']}"
    sent = await maillab("send", "--from", "anna@nord.example", "--to", "zoe@far.example", "--url", page)
    assert sent.returncode == 0, sent.stderr
    await lab.wait_for("delivery.deferred", next_hop="mail.far.example")
    moved = await maillab("clock", "+5d", "--url", page)
    assert moved.returncode == 0, moved.stderr
    stored = await lab.wait_for("message.stored", mailbox="anna@nord.example")
    assert stored["lab_at"][:10] > stored["at"][:10]
    (created,) = [record for record in lab.records if record["event"] == "bounce.created"]
    assert created["recipients"] == ["zoe@far.example"]
