"""Real clients over real sockets: dnspython's own, and dig."""

from __future__ import annotations

from collections.abc import AsyncIterator

import dns.asyncquery
import dns.message
import pytest
import trio
from dns.rcode import Rcode

from maillab.dns.server import DnsServer, listen
from maillab.network.endpoint import Endpoint
from maillab.network.network import TcpNetwork
from maillab.trace.recorder import Recorder
from tests.dns.village import village
from tests.network.test_tcp import has_ipv6_loopback

PATIENCE_SECONDS = 30.0
ZONES = village("\n".join(f"big.west.example A 10.0.{n // 256}.{n % 256}" for n in range(600)))
HOSTS = ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6_loopback(), reason="no IPv6 here"))]


@pytest.fixture(params=HOSTS)
async def name_server(request: pytest.FixtureRequest, recorder: Recorder) -> AsyncIterator[Endpoint]:
    server = DnsServer(ZONES, recorder.bind(), crash_ends_all=True)
    async with await listen(TcpNetwork(), Endpoint(request.param, 0)) as listener, trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, listener)
        yield listener.local
        nursery.cancel_scope.cancel()


async def run_dig(dig: str, name_server: Endpoint, *arguments: str) -> str:
    command = [dig, f"@{name_server.host}", "-p", str(name_server.port), "+tries=1", *arguments]
    with trio.fail_after(PATIENCE_SECONDS):
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    return bytes(done.stdout + done.stderr).decode()


async def test_a_client_falls_back_to_tcp(name_server: Endpoint) -> None:
    """A strict client takes the truncated answer by UDP and the whole one by TCP."""
    query = dns.message.make_query("big.west.example", "A", use_edns=0)
    response, used_tcp = await dns.asyncquery.udp_with_fallback(
        query, name_server.host, PATIENCE_SECONDS, name_server.port
    )
    assert used_tcp
    assert len(response.answer[0]) == 600


async def test_a_client_gets_a_denial(name_server: Endpoint) -> None:
    """NXDOMAIN comes with the SOA by which a resolver knows how long to believe it."""
    query = dns.message.make_query("nowhere.sued.example", "MX")
    response = await dns.asyncquery.udp(query, name_server.host, PATIENCE_SECONDS, name_server.port)
    assert response.rcode() == Rcode.NXDOMAIN
    assert response.authority[0].to_text().startswith("sued.example. 60 IN SOA")


async def test_dig_shows_the_mail_hosts(dig: str, name_server: Endpoint) -> None:
    """Two hosts and their addresses, said with authority and EDNS, and dig has nothing to complain of."""
    shown = await run_dig(dig, name_server, "MX", "sued.example", "+norecurse")
    assert "status: NOERROR" in shown
    assert ";; flags: qr aa; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 4" in shown
    assert "; EDNS: version: 0, flags:; udp: 1232" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["sued.example.", "60", "IN", "MX", "10", "mail.sued.example."] in lines
    assert ["mail.sued.example.", "60", "IN", "AAAA", "fd00::2"] in lines
    assert "WARNING" not in shown


DIG = [
    (["+short", "MX", "SUED.example"], ["10 mail.SUED.example.", "20 relay.example."]),
    (["+short", "-x", "172.16.2.1"], ["mail.sued.example."]),
    (["+short", "+tcp", "TXT", "sued.example"], ['"v=spf1 mx -all"']),
    (["+noall", "+comments", "A", "elsewhere.example"], ["status: REFUSED", "flags: qr rd;"]),
    (["+noall", "+comments", "A", "nowhere.sued.example"], ["status: NXDOMAIN", "flags: qr aa rd;", "AUTHORITY: 1"]),
    (["+noall", "+comments", "A", "sued.example"], ["status: NOERROR", "ANSWER: 0, AUTHORITY: 1"]),
    (["+noall", "+comments", "ANY", "sued.example", "+notcp"], ["status: NOERROR", "ANSWER: 1"]),
    (["+noall", "+comments", "+ignore", "big.west.example"], ["flags: qr aa tc rd;", "ANSWER: 0"]),
    (["+noall", "+comments", "+ignore", "+noedns", "big.west.example"], ["flags: qr aa tc rd;", "ADDITIONAL: 0"]),
    (["+noall", "+comments", "CH", "TXT", "version.bind"], ["status: REFUSED"]),
    (["+noall", "+comments", "+opcode=NOTIFY", "sued.example"], ["opcode: NOTIFY, status: NOTIMP"]),
    (["+noall", "+comments", "+edns=1", "+noednsneg", "sued.example"], ["status: BADVERS", "EDNS: version: 0"]),
    (["AXFR", "sued.example"], ["; Transfer failed."]),
]


@pytest.mark.parametrize(("arguments", "expected"), DIG, ids=lambda each: " ".join(each)[:40])
async def test_dig_understands_every_answer(
    dig: str, name_server: Endpoint, arguments: list[str], expected: list[str]
) -> None:
    """What dig prints for it is what it would print for any authoritative server."""
    shown = await run_dig(dig, name_server, *arguments)
    assert [line for line in expected if line not in shown] == [], shown
    assert "malformed" not in shown
