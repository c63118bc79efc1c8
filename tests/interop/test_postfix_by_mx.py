"""`hosts` addressing in a network of its own: a real Postfix asks the lab for names, and delivers into it by MX."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

from maillab.network.endpoint import Endpoint
from tests.interop.conftest import StartLab
from tests.interop.lab_process import WAIT_SECONDS, run
from tests.interop.namespaces import Namespace, NamespacesRefusedError, two_namespaces
from tests.interop.postfix import Postfix, postfix_folder

NORD, SUED, FAR = "mail.nord.example", "mail.sued.example", "mail.postfix.example"
ANNA, BEN, FRITZ = "anna@nord.example", "ben@sued.example", "fritz@postfix.example"
FAR_ADDRESS: Final = "172.20.0.1"
LAB: Final = f"""
[lab]
name = "by-mx"
[[domain]]
name = "nord.example"
users = ["anna"]
[[domain]]
name = "sued.example"
users = ["ben"]
[[foreign]]
host = "{FAR}"
domains = ["postfix.example"]
smtp = "{FAR_ADDRESS}:25"
[dns]
records = [
    {{ name = "null.sued.example", type = "MX", value = "0 ." }},
    {{ name = "class.sued.example", type = "MX", value = "10 mail.sued.example" }},
]
"""
SEND: Final = """
import smtplib, sys
host, sender, *recipients = sys.argv[1:]
with smtplib.SMTP(host, 25, local_hostname="a-pc") as client:
    client.sendmail(sender, recipients, b"Subject: Hello\\r\\n\\r\\nHello\\r\\n")
"""


@pytest.fixture
def network(postfix: str, ip: str) -> Iterator[tuple[Namespace, Namespace]]:
    """Where the lab is, and where Postfix is."""
    try:
        with two_namespaces(["172.16.1.1", "172.16.2.1"], [FAR_ADDRESS], resolver="172.16.1.1") as both:
            yield both
    except NamespacesRefusedError as error:
        pytest.skip(f"no network namespaces here: {error}")


@pytest.fixture
def far(network: tuple[Namespace, Namespace]) -> Iterator[Postfix]:
    """A Postfix that is configured as most are: it finds its way by DNS."""
    with postfix_folder() as folder:
        far = Postfix(folder, FAR, "postfix.example", within=network[1].within)
        far.smtp = Endpoint(FAR_ADDRESS, 25)
        far.configure(
            {},
            inet_interfaces="all",
            smtp_bind_address="",
            smtp_host_lookup="dns",
            mynetworks="172.20.0.0/16",
            smtpd_relay_restrictions="permit_mynetworks, reject_unauth_destination",
        )
        yield far


async def send(place: Namespace, host: str, sender: str, *recipients: str) -> None:
    """Hand a mail to the server at `host`, from a machine in `place`."""
    done = await run(*place.within, sys.executable, "-c", SEND, host, sender, *recipients)
    assert done.returncode == 0, done.stderr


async def delivered(far: Postfix, *texts: str) -> None:
    """Until Postfix has a mail in its mailboxes that says all of `texts`; it tells nobody when one comes."""
    with trio.fail_after(WAIT_SECONDS):
        while not any(all(text.encode() in mail for text in texts) for mail in far.mails()):  # noqa: ASYNC110
            await trio.sleep(0.05)


async def test_postfix_finds_its_way_by_the_labs_dns(
    start_lab: StartLab, network: tuple[Namespace, Namespace], far: Postfix, tmp_path: Path
) -> None:
    """By MX it delivers to the right server; no host, no name and a null MX come back; and the lab finds it by MX."""
    lab_side, far_side = network
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    lab = await start_lab(path, "--addressing", "hosts", within=lab_side.within)
    with far.running():
        await send(far_side, FAR_ADDRESS, FRITZ, BEN)
        stored = await lab.wait_for("message.stored", mailbox=BEN)
        assert stored["server"] == SUED
        opened = await lab.wait_for("connection.opened", server=SUED, connection=stored["connection"])
        assert (opened["peer_name"], opened["peer"].partition(":")[0]) == (FAR, FAR_ADDRESS)

        # Each comes back to Fritz: from the lab's server, from DNS, and without anybody being asked (RFC 7505).
        await send(far_side, FAR_ADDRESS, FRITZ, "nobody@sued.example", "x@gone.sued.example", "x@null.sued.example")
        await delivered(far, "nobody@sued.example", "550 5.1.1", "Host or domain name not found", "nullMX")

        # An MX leads to the server, which does not take mail for everybody that it is named for.
        await send(far_side, FAR_ADDRESS, FRITZ, "x@class.sued.example")
        await lab.wait_for("message.refused", server=SUED, recipients=["x@class.sued.example"])

        await send(lab_side, "172.16.1.1", ANNA, FRITZ)
        relayed = await lab.wait_for("delivery.relayed", next_hop=FAR)
        await delivered(far, f"id {relayed['queue_id']}\n")
        answered = await lab.wait_for("dns.answered", question="MX postfix.example")
        assert answered["answers"] == [f"10 {FAR}"]
