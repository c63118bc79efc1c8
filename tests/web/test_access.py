"""Who may come in: names of the page, foreign pages, and the password."""

from __future__ import annotations

import base64

import orjson
import pytest
import trio
import trio.testing

from maillab.web.access import WAITING_LIMIT_COUNT, WRONG_PASSWORD_SECONDS

from .visit import House, open_house

PASSWORD = "Gürkchen: 12"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": base64.b64encode(bytes(16)).decode(),
}


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("path", ["/", "/livez", "/api/lab/lab", "/live", "/console?server=nord.example", "/nowhere"])
@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "localhost.evil.example",
            "evil.example:8025",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f000001",
            "[::1",
        ),
        *("[nonsense]", "localhost@evil.example", "localhost:80:80", "local host", "", "localhost:999999"),
    ],
)
async def test_another_name_is_refused(host: str, path: str, autojump_clock: trio.testing.MockClock) -> None:
    """A page of the web whose name suddenly means this machine gets 403, also for a websocket."""
    async with open_house() as house:
        answer = await house.ask(path, **{**HANDSHAKE, "Host": host})
    assert answer.status == 403
    assert "is no name of this page" in answer.json["error"]


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8025", "127.0.0.1", "192.168.1.20:80", "[::1]:8025", "lab.school.example"]
)
async def test_its_own_names_are_taken(host: str, autojump_clock: trio.testing.MockClock) -> None:
    """Localhost, addresses and the names that were allowed are names of the page, with any port."""
    async with open_house(allowed_hosts=("Lab.School.example",)) as house:
        assert (await house.ask("/livez", Host=host)).status == 200


@pytest.mark.parametrize("path", ["/", "/login", "/api/lab/send", "/live", "/console?server=nord.example"])
@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "https://127.0.0.1:8025", "http://127.0.0.1", "http://127.0.0.1:8026", "null", ""),
        *("http://localhost:8025", "http://127.0.0.1:8025/", "http://127.0.0.1:8025, http://evil.example", "file://"),
    ],
)
async def test_another_origin_is_refused(origin: str, path: str, autojump_clock: trio.testing.MockClock) -> None:
    """A page from anywhere else gets 403 for whatever it asks, also for a websocket."""
    async with open_house() as house:
        for method in ("GET", "POST"):
            answer = await house.ask(path, method, **{**HANDSHAKE, "Origin": origin})
            assert (answer.status, answer.json["mend"]) == (403, "use the page at http://127.0.0.1:8025/")


async def test_its_own_origin_is_taken(autojump_clock: trio.testing.MockClock) -> None:
    """The page itself may ask; port 80 goes without saying, and behind a name that was allowed there may be TLS."""
    async with open_house(allowed_hosts=("lab.example",)) as house:
        for host, origin in (
            ("127.0.0.1:8025", "http://127.0.0.1:8025"),
            ("LOCALHOST", "http://localhost"),
            ("localhost", "http://localhost:80"),
            ("[::1]:8025", "http://[::1]:8025"),
            ("lab.example", "http://lab.example"),
            ("lab.example", "https://lab.example"),
        ):
            assert (await house.ask("/livez", Host=host, Origin=origin)).status == 200
            assert (await house.ask("/live", Host=host, Origin=origin, **HANDSHAKE)).status == 101


async def test_without_the_password_nothing_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """Programs get 401 and how to mend it, also where nothing is; only the probes and the form are for everybody."""
    async with open_house(password=PASSWORD) as house:
        for path in ("/api/lab/lab", "/api/lab/nowhere", "/metrics", "/", "/live", "/console?server=nord.example"):
            answer = await house.ask(path, **HANDSHAKE)
            assert (answer.status, answer.headers["www-authenticate"]) == (
                401,
                'Basic realm="maillab", charset="UTF-8"',
            )
            assert answer.json["error"] == "no password"
        assert (await house.ask("/api/lab/send", "POST", b"{}")).status == 401
        for path in ("/livez", "/readyz", "/login", "/static/style.css"):
            assert (await house.ask(path)).status == 200


async def test_a_browser_is_sent_to_the_form(autojump_clock: trio.testing.MockClock) -> None:
    """Who opens a page is redirected; the API answers browsers as it answers programs."""
    async with open_house(password=PASSWORD) as house:
        html = "text/html,application/xhtml+xml"
        for path in ("/", "/nowhere"):
            answer = await house.ask(path, Accept=html)
            assert (answer.status, answer.headers["location"]) == (303, "/login")
        assert (await house.ask("/api/lab/lab", Accept=html)).status == 401


async def test_the_password_opens_by_http_basic(autojump_clock: trio.testing.MockClock) -> None:
    """Any user name will do, and the password may have colons and umlauts."""
    async with open_house(password=PASSWORD) as house:
        for user in ("", "anna", "maillab"):
            assert (await house.ask("/api/lab/lab", Authorization=basic(PASSWORD, user))).status == 200
        assert (await house.ask("/live", Authorization=basic(PASSWORD), **HANDSHAKE)).status == 101
        assert (await house.ask("/nowhere", Authorization=basic(PASSWORD))).status == 404


@pytest.mark.parametrize(
    "authorization",
    [
        *map(basic, ("wrong", "", PASSWORD + "x", PASSWORD[:-1])),
        *("Basic ÿ", "Basic Og", "Basic", "Bearer x", "Basic !!!"),
    ],
)
async def test_a_wrong_password_does_not_open(authorization: str, autojump_clock: trio.testing.MockClock) -> None:
    """Whatever it is, the answer is 401."""
    async with open_house(password=PASSWORD) as house, house.visitor() as visitor:
        await visitor.say(
            b"GET /api/lab/lab HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
            + authorization.encode("latin-1")
            + b"\r\n\r\n"
        )
        assert (await visitor.hear()).status == 401


async def test_the_form_gives_a_cookie(autojump_clock: trio.testing.MockClock) -> None:
    """The right password is answered with a cookie that no script reads and no foreign page sends, and it opens."""
    async with open_house(password=PASSWORD) as house:
        body = b"password=G%C3%BCrkchen%3A+12"
        answer = await house.ask("/login", "POST", body, Content_Type="application/x-www-form-urlencoded")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        pair, *attributes = answer.headers["set-cookie"].split("; ")
        assert pair.startswith("maillab=")
        assert attributes == ["HttpOnly", "SameSite=Strict", "Path=/"]
        assert (await house.ask("/api/lab/lab", Cookie=f"a=b; {pair}; c=d")).status == 200
        assert (await house.ask("/live", Cookie=pair, **HANDSHAKE)).status == 101
        for other in ("maillab=", "maillab=x", f"xmaillab={pair[8:]}", pair[:-1], "maillab", ";;="):
            assert (await house.ask("/api/lab/lab", Cookie=other)).status == 401


async def test_a_page_with_an_old_cookie_is_not_asked_by_its_browser(autojump_clock: trio.testing.MockClock) -> None:
    """A page that was open before a new start gets 401 at once; to Basic its browser would ask in its own window."""
    async with open_house(password=PASSWORD) as house:
        answer = await house.ask("/api/lab/lab", Cookie="maillab=of-an-earlier-start")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Form realm="maillab"')
        answer = await house.ask("/api/lab/lab", Cookie="other=1")
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_wrong_password_in_the_form_leads_back(autojump_clock: trio.testing.MockClock) -> None:
    """The form says so after a second, and gives no cookie."""
    async with open_house(password=PASSWORD) as house:
        for body in (b"password=wrong", b"password=", b"other=field", b"\xff\xff=&&", b"x"):
            started = trio.current_time()
            answer = await house.ask("/login", "POST", body)
            assert (answer.status, answer.headers["location"]) == (303, "/login#wrong")
            assert "set-cookie" not in answer.headers
            assert trio.current_time() - started == pytest.approx(WRONG_PASSWORD_SECONDS)


async def test_an_open_page_has_no_use_for_the_form(autojump_clock: trio.testing.MockClock) -> None:
    """Without a password everybody is let in, whatever they say."""
    async with open_house() as house:
        assert (await house.ask("/login", "POST", b"password=x")).headers["location"] == "/"
        assert (await house.ask("/api/lab/lab", Authorization=basic("x"))).status == 200


async def test_guessing_is_slow(autojump_clock: trio.testing.MockClock) -> None:
    """A wrong password takes a second; meanwhile few more of one address are looked at, not even the right one."""
    async with open_house(password=PASSWORD) as house:
        statuses: list[int] = []
        started = trio.current_time()

        async def guess(password: str) -> None:
            statuses.append((await house.ask("/api/lab/lab", Authorization=basic(password))).status)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(guess, str(number))
            await trio.sleep(WRONG_PASSWORD_SECONDS / 2)
            assert statuses == [429] * (20 - WAITING_LIMIT_COUNT)
            await guess(PASSWORD)
            assert statuses.pop() == 429
            assert (await house.ask("/livez")).status == 200
        assert statuses[-WAITING_LIMIT_COUNT:] == [401] * WAITING_LIMIT_COUNT
        assert trio.current_time() - started == pytest.approx(WRONG_PASSWORD_SECONDS)
        await guess(PASSWORD)
        assert statuses.pop() == 200


async def test_who_leaves_while_waiting_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    """Guesses whose connection is gone make room again after their second."""
    async with open_house(password=PASSWORD) as house:
        for _ in range(3):
            for _ in range(WAITING_LIMIT_COUNT):
                async with house.visitor() as visitor:
                    await visitor.say(f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic('x')}\r\n\r\n")
            await trio.sleep(WRONG_PASSWORD_SECONDS * 2)
        assert (await house.ask("/api/lab/lab", Authorization=basic(PASSWORD))).status == 200


async def test_no_password_is_written_down(
    capfd: pytest.CaptureFixture[str], autojump_clock: trio.testing.MockClock
) -> None:
    """Neither the right password nor a wrong one is in a record or on the terminal."""
    async with open_house(password=PASSWORD) as house:
        await _knock(house)
        written = orjson.dumps([*house.lab.recorder.records]).decode()
    written += "".join(capfd.readouterr())
    for secret in (PASSWORD, "rkchen", "tomato", basic("tomato"), basic(PASSWORD)):
        assert secret not in written


async def _knock(house: House) -> None:
    await house.ask("/api/lab/lab", Authorization=basic("tomato"))
    await house.ask("/api/lab/lab?password=tomato", Authorization=basic(PASSWORD))
    await house.ask("/login", "POST", b"password=tomato")
    await house.ask("/login", "POST", b"password=G%C3%BCrkchen%3A+12")
