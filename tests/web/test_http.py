"""The door, over streams in memory and under a clock that jumps: limits of size and time, and broken HTTP."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from maillab.network.memory import MemoryNetwork
from maillab.web import http, site
from maillab.web.messages import Request, Response
from maillab.web.routes import SMALL_BODY_OCTETS
from maillab.web.sending import SEND_LIMIT_OCTETS

from .visit import MEMORY_PAGE, Visitor, open_house

HEAD = "GET /livez HTTP/1.1\r\nHost: localhost\r\n"


async def test_a_connection_is_kept_for_many_requests(autojump_clock: trio.testing.MockClock) -> None:
    """Requests follow one another on one connection, also after a refusal."""
    async with open_house() as house, house.visitor() as visitor:
        statuses = [(await visitor.ask(path)).status for path in ("/livez", "/nowhere", "/api/lab/lab")]
        assert statuses == [200, 404, 200]


async def test_pipelined_requests_are_answered_in_order(autojump_clock: trio.testing.MockClock) -> None:
    """Requests that arrive in one piece are answered one after the other."""
    async with open_house() as house, house.visitor() as visitor:
        await visitor.say(f"{HEAD}\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n{HEAD}\r\n")
        assert [(await visitor.hear()).body for _ in range(3)] == [b"ok", b"ready", b"ok"]


async def test_any_cutting_of_a_request_is_the_same_request(autojump_clock: trio.testing.MockClock) -> None:
    """A request that comes octet by octet is answered as one that comes whole."""
    async with open_house() as house, house.visitor() as visitor:
        for octet in f"POST /login HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\n\r\na=b{HEAD}\r\n".encode():
            await visitor.say(bytes((octet,)))
        assert [(await visitor.hear()).status for _ in range(2)] == [303, 200]


async def test_head_is_get_without_the_body(autojump_clock: trio.testing.MockClock) -> None:
    """HEAD tells the length of what GET would bring, and the connection goes on behind it."""
    async with open_house() as house, house.visitor() as visitor:
        said = await visitor.ask("/", "HEAD")
        page = await visitor.ask("/")
        assert said.headers == page.headers
        assert int(said.headers["content-length"]) == len(page.body) > 500
        assert (await visitor.ask("/api/lab/traces", "HEAD")).status == 200
        assert (await visitor.ask("/livez")).body == b"ok"


async def test_a_wrong_path_says_what_exists(autojump_clock: trio.testing.MockClock) -> None:
    """404 is JSON and names the paths there are."""
    async with open_house() as house:
        answer = await house.ask("/api/lab/trace")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json["error"] == "nothing is at /api/lab/trace"
    assert "/api/lab/traces/{trace}" in answer.json["mend"]


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/api/lab/lab", "GET, HEAD"),
        ("DELETE", "/api/lab/send", "POST"),
        ("GET", "/api/lab/send", "POST"),
        ("PUT", "/login", "GET, POST, HEAD"),
        ("POST", "/live", "GET, HEAD"),
        ("WS", "/live", "GET, HEAD"),
        ("OPTIONS", "/livez", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_says_what_is_possible(
    method: str, target: str, allowed: str, autojump_clock: trio.testing.MockClock
) -> None:
    """405 carries Allow, and says the same in words."""
    async with open_house() as house:
        answer = await house.ask(target, method)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert answer.json["mend"] == f"use {allowed}"


@pytest.mark.parametrize("octets", [http.HEADER_LIMIT_OCTETS, 10 * http.HEADER_LIMIT_OCTETS])
async def test_a_head_that_is_too_long_gets_431(octets: int, autojump_clock: trio.testing.MockClock) -> None:
    """One field of 16 KiB is too much, however it comes; the connection ends."""
    async with open_house() as house, house.visitor() as visitor, trio.open_nursery() as nursery:
        nursery.start_soon(_say_anyway, visitor, f"{HEAD}X: {'x' * octets}\r\n\r\n")
        answer = await visitor.hear()
        assert (answer.status, answer.headers["connection"]) == (431, "close")
        await visitor.hear_end()


async def test_a_body_that_is_too_long_gets_413_before_it_is_sent(autojump_clock: trio.testing.MockClock) -> None:
    """The announced length decides, each route has its own limit, and what waits for 100 (Continue) is not asked."""
    async with open_house() as house:
        for path, limit in (("/api/lab/send", SEND_LIMIT_OCTETS), ("/login", SMALL_BODY_OCTETS)):
            for expect in ("", "Expect: 100-continue\r\n"):
                async with house.visitor() as visitor:
                    await visitor.say(
                        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{expect}Content-Length: {limit + 1}\r\n\r\n"
                    )
                    answer = await visitor.hear()
                    assert (answer.status, answer.headers["connection"]) == (413, "close")
                    assert str(limit) in answer.json["mend"]


async def test_a_chunked_body_is_counted(autojump_clock: trio.testing.MockClock) -> None:
    """A body without a length is refused as soon as it is too long, while its sender goes on."""
    async with open_house() as house, house.visitor() as visitor:
        chunk = "1000\r\n" + "x" * 0x1000 + "\r\n"
        head = "POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_say_anyway, visitor, head + 100 * chunk)
            assert (await visitor.hear()).status == 413
            await visitor.hear_end()


async def test_a_chunked_body_is_read(autojump_clock: trio.testing.MockClock) -> None:
    """A small body may come in chunks."""
    async with open_house() as house, house.visitor() as visitor:
        await visitor.say("POST /api/lab/send HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        await visitor.say('2\r\n["\r\n2\r\n"]\r\n0\r\n\r\n')
        assert "an object is expected" in (await visitor.hear()).json["error"]


async def test_who_waits_for_100_continue_is_asked_to_go_on(autojump_clock: trio.testing.MockClock) -> None:
    """Expect: 100-continue is answered once the request is let in, and the connection is kept."""
    async with open_house() as house, house.visitor() as visitor:
        await visitor.say(
            "POST /api/lab/send HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert (await visitor.hear()).status == 100
        await visitor.say("{}")
        assert (await visitor.hear()).status == 400
        assert (await visitor.ask("/livez")).status == 200


async def test_a_body_that_nobody_wants_ends_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    """A refused request is answered, its body is not taken for a request, and the connection ends."""
    async with open_house() as house, house.visitor() as visitor:
        await visitor.say(f"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n{HEAD}\r\n")
        assert (await visitor.hear()).status == 404
        assert await visitor.hear_end() == b""


@pytest.mark.parametrize("part", ["G", HEAD, f"{HEAD}X: y", "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"])
async def test_half_a_request_is_given_up(part: str, autojump_clock: trio.testing.MockClock) -> None:
    """A request that does not arrive in 30 seconds is answered with 408; one that breaks off, not at all."""
    async with open_house() as house:
        async with house.visitor() as visitor:
            started = trio.current_time()
            await visitor.say(part)
            assert (await visitor.hear()).status == 408
            assert trio.current_time() - started == pytest.approx(http.REQUEST_SECONDS, abs=0.1)
        async with house.visitor() as visitor:
            await visitor.say(part)
        assert (await house.ask("/livez")).status == 200


async def test_a_slow_body_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    """An octet now and then does not hold a connection: the whole request has 30 seconds."""
    async with open_house() as house, house.visitor() as visitor:
        await visitor.say("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drip, visitor)
            started = trio.current_time()
            assert (await visitor.hear()).status == 408
            assert trio.current_time() - started == pytest.approx(http.REQUEST_SECONDS, abs=0.1)
            nursery.cancel_scope.cancel()


async def test_an_idle_connection_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    """A connection that asks nothing is closed without a word, at once or between requests."""
    async with open_house() as house, house.visitor() as silent, house.visitor() as kept:
        assert (await kept.ask("/livez")).status == 200
        started = trio.current_time()
        assert await silent.hear_end() == b""
        assert await kept.hear_end() == b""
        assert trio.current_time() - started == pytest.approx(http.IDLE_SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),  # TLS ClientHello
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"EHLO mail.example\r\n\r\n", 400),
        (b"\r\n\r\n\r\n", 400),
        (b"GET /livez\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nBad header\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400),
        (b"GET livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"CONNECT mail.example:25 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /api/lab/records?after=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /api/lab/records?" + b"a=b&" * 30 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(
    octets: bytes, status: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Other protocols and broken HTTP get one answer, and cost nobody else anything."""
    async with open_house() as house:
        async with house.visitor() as visitor:
            await visitor.say(octets)
            answer = await visitor.hear()
            assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
            assert answer.json["error"]
        assert (await house.ask("/livez")).status == 200


async def test_http_1_0_is_spoken(autojump_clock: trio.testing.MockClock) -> None:
    """An old client gets its answer, long lists too, and then the end of the connection."""
    async with open_house() as house:
        for path, body in (("/livez", b"ok"), ("/api/lab/traces", b"[]")):
            async with house.visitor() as visitor:
                await visitor.say(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")
                assert (await visitor.hear_end()).endswith(b"\r\n\r\n" + body)


async def test_a_whole_url_may_be_the_target(autojump_clock: trio.testing.MockClock) -> None:
    """A request as a proxy gets it is answered, and the host in it counts, not the Host field."""
    async with open_house() as house:
        assert (await house.ask("http://localhost/livez")).status == 200
        assert (await house.ask("http://localhost?x=y")).status == 400
        assert (await house.ask("http://evil.example/livez")).status == 403
        assert (await house.ask("http://localhost/livez", Host="evil.example")).status == 200


async def test_another_protocol_is_not_switched_to(autojump_clock: trio.testing.MockClock) -> None:
    """An upgrade that is not meant for websockets is answered as plain HTTP (curl --http2 offers h2c)."""
    async with open_house() as house, house.visitor() as visitor:
        answer = await visitor.ask("/livez", Connection="Upgrade, HTTP2-Settings", Upgrade="h2c")
        assert (answer.status, answer.body) == (200, b"ok")
        assert (await visitor.ask("/livez")).status == 200


async def test_who_never_reads_a_long_answer_is_left(autojump_clock: trio.testing.MockClock) -> None:
    """An answer that is not taken is given up, and the connection with it."""
    async with open_house() as house, house.visitor() as visitor:
        await house.lab.send(
            "anna@nord.example", ["nils@nord.example"], octets=b"Subject: big\r\n\r\n" + b"x" * 400_000
        )
        started = trio.current_time()
        await visitor.say("GET /api/lab/mailboxes/nils@nord.example/messages/1/raw HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with trio.fail_after(100):
            while True:
                try:
                    await visitor.say("x")
                    await trio.sleep(1)
                except trio.BrokenResourceError:
                    break
        waited = trio.current_time() - started
        assert http.RESPONSE_SECONDS < waited < http.RESPONSE_SECONDS + 15


async def test_too_many_connections_are_turned_away(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Beyond the limit the answer is 503, and there is room again when somebody leaves."""
    monkeypatch.setattr(site, "CONNECTION_LIMIT", 3)
    async with open_house() as house:
        streams = [await house.connect() for _ in range(3)]
        async with house.visitor() as visitor:
            answer = await visitor.hear()
            assert (answer.status, answer.headers["connection"]) == (503, "close")
        await streams.pop().aclose()
        await house.quiet()
        assert (await house.ask("/livez")).status == 200
        for stream in streams:
            await stream.aclose()


class _Crashing:
    """Behind this door everything fails."""

    def __init__(self) -> None:
        self.crashes: list[Exception] = []

    async def admit(self, request: Request) -> http.Admission:
        return http.Admission(request, 0, self._fail)

    def time(self) -> float:
        return 0.0

    def crashed(self, error: Exception) -> None:
        self.crashes.append(error)

    async def _fail(self, request: Request) -> Response:
        raise LookupError(request.path)


async def test_a_fault_of_ours_ends_one_request(autojump_clock: trio.testing.MockClock) -> None:
    """The visitor gets 500 and may go on; the fault is handed to the house, and not shown to visitors."""
    network, house = MemoryNetwork(), _Crashing()
    listener = await network.listen(MEMORY_PAGE)
    stream = await network.connect(MEMORY_PAGE, None, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(http.serve, await listener.accept(), house)
        visitor = Visitor(stream)
        for path in ("/one", "/two"):
            answer = await visitor.ask(path)
            assert answer.status == 500
            assert path not in answer.body.decode()
        await stream.aclose()
    await listener.aclose()
    assert [str(error) for error in house.crashes] == ["/one", "/two"]


async def _say_anyway(visitor: Visitor, text: str) -> None:
    try:
        await visitor.say(text)
    except trio.BrokenResourceError:
        return


async def _drip(visitor: Visitor) -> None:
    while True:
        await visitor.say("x")
        await trio.sleep(1)
