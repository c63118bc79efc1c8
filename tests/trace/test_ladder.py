"""The ladder: looked at by people once, then kept as it was (tests/trace/golden)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.cells import width_of
from maillab.trace.ladder import draw_ladder
from tests.trace import scenes
from tests.trace.scribe import BOUNCE_TRACE, TRACE, Line, Scribe, book_of, delivery, trace_of

GOLDEN = Path(__file__).parent / "golden"
SCENES: dict[str, Callable[[], Scribe]] = {
    "two_schools": scenes.two_schools,
    "garden_party": scenes.garden_party,
    "typed_by_hand": scenes.typed_by_hand,
    "six_servers": scenes.six_servers,
    "fan_out": scenes.fan_out,
    "foreign_host": lambda: scenes.foreign_host(comes_back=True),
    "still_waiting": scenes.still_waiting,
    "long_names": scenes.long_names,
}


@pytest.mark.parametrize("brief", [False, True], ids=["full", "brief"])
@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("name", SCENES)
def test_ladder_is_drawn_as_it_was_approved(name: str, width: int, brief: bool) -> None:
    """Every scene in both widths, full and brief, equals its golden picture."""
    approved = GOLDEN / f"{name}-{width}{'-brief' if brief else ''}.txt"
    assert draw_ladder(trace_of(SCENES[name]()), width, brief) == approved.read_text("utf-8")


def test_a_bounce_is_drawn_from_the_server_that_wrote_it() -> None:
    """No client stands left of the first server, and the head names the mail that came back."""
    bounce = book_of(scenes.fan_out()).get(BOUNCE_TRACE)
    assert bounce is not None
    assert draw_ladder(bounce, 80) == (GOLDEN / "bounce-80.txt").read_text("utf-8")


@given(width=st.integers(1, 200), brief=st.booleans(), name=st.sampled_from(sorted(SCENES)))
def test_no_line_is_wider_than_the_paper(width: int, brief: bool, name: str) -> None:
    """Whatever the width (from 40 on), lines fit and the sides are named in words."""
    picture = draw_ladder(trace_of(SCENES[name]()), width, brief)
    assert max(map(width_of, picture.splitlines())) <= max(width, 40)
    assert "Client" in picture
    assert "Server" in picture


@given(
    width=st.sampled_from([80, 160]),
    subject=st.text(max_size=60),
    line=st.text(max_size=600).map(lambda text: f"NOOP {text}"),
)
def test_nothing_that_a_client_says_breaks_the_picture(width: int, subject: str, line: str) -> None:
    """Control, wide and combining characters neither move the lanes nor reach the terminal."""
    scribe = Scribe()
    talk = Line(scribe, "c1", "mail.nord.example")
    talk.greet("anna-pc")
    talk.asks(line, "250 2.0.0 Ok")
    talk.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS], subject=subject)
    picture = draw_ladder(trace_of(scribe), width)
    rows = picture.split("\n")
    assert all(row.isprintable() for row in rows)
    assert max(map(width_of, rows)) <= width


@pytest.mark.parametrize("width", [80, 160])
def test_names_are_never_cut(width: int) -> None:
    """The longest host and mailbox stand whole in the picture."""
    rows = draw_ladder(trace_of(scenes.long_names()), width).splitlines()
    for name in (scenes.LONG_HOST, scenes.LONG_USER):
        assert any(name in row for row in rows)
    assert sum(f"<{scenes.LONG_USER}>" in row for row in rows) == 3


def test_a_pause_of_the_client_does_not_hide_what_happened_meanwhile() -> None:
    """A QUIT typed long after is drawn after the hops that came before it."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, scenes.ANNA, [scenes.BEN])
    sued = Line(scribe, "c2", "mail.sued.example", "mail.nord.example", opened=("client", "server"))
    sued.greet("mail.nord.example")
    sued.mail(2, scenes.ANNA, [scenes.BEN], [scenes.BEN])
    scribe.pause(20)
    line.quit()
    picture = draw_ladder(trace_of(scribe), 80)
    assert picture.index("QUIT") > picture.index("1JD2V9XK3M4QZ-2-00")


@pytest.mark.parametrize("lab_at", [{}, {"lab_at": "2026-11-23T13:00:00.000Z"}])
def test_waits_of_the_labs_clock_are_named_by_it(lab_at: dict[str, str]) -> None:
    """When the teacher moves the clock, before or during a wait, it is as long as the lab's clock says."""
    scribe = scenes.still_waiting()
    scribe.records[-1] |= lab_at
    delivery(
        scribe, "started", "mail.nord.example", 1, [scenes.BEN], "mail.sued.example",
        attempt=2, lab_at="2026-11-23T14:00:00.000Z",
    )  # fmt: skip
    picture = draw_ladder(trace_of(scribe), 160)
    assert "waits 60 min of lab time in the queue of mail.nord.example, attempt 2" in picture


def test_after_a_restart_with_another_clock_a_wait_is_told_as_it_was() -> None:
    """A clock that was moved in an earlier run says nothing about a later one."""
    scribe, later = scenes.still_waiting(), Scribe("r2")
    scribe.records[-1]["lab_at"] = "2026-11-25T13:00:00.000Z"
    later.pause(scribe.now + 2)
    delivery(later, "started", "mail.nord.example", 1, [scenes.BEN], "mail.sued.example", attempt=2)
    assert "waits 2.0 s in the queue of mail.nord.example, attempt 2" in draw_ladder(trace_of(scribe, later), 160)


def test_the_next_mail_host_is_tried_without_a_wait() -> None:
    """Where the mail goes to the next host of its domain at once, no wait is drawn."""
    scribe = Scribe()
    Line(scribe, "c1", "mail.nord.example").mail(1, scenes.ANNA, [scenes.BEN])
    keys = {"code": None, "reply": "connection refused", "retry_in_seconds": 0}
    delivery(scribe, "deferred", "mail.nord.example", 1, [scenes.BEN], "mail.sued.example", **keys)
    delivery(scribe, "started", "mail.nord.example", 1, [scenes.BEN], "backup.example")
    picture = draw_ladder(trace_of(scribe), 80)
    assert "connection refused" in picture
    assert "waits" not in picture


@pytest.mark.parametrize("brief", [False, True])
def test_a_dialogue_tells_from_where_on_it_is_encrypted(brief: bool) -> None:
    """After STARTTLS the picture names TLS and its version; one arrow for each hop does not."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.asks("STARTTLS", "220 2.0.0 Ready to start TLS")
    place = {"server": "mail.nord.example", "connection": "c1"}
    scribe.write("tls.started", **place, side="server", peer_name=None, version="TLSv1.3 TLS_AES_256_GCM_SHA384")
    line.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS])
    picture = draw_ladder(trace_of(scribe), 100, brief=brief)
    assert ("TLS: encrypted from here on (TLSv1.3)" in picture) is not brief


def test_many_recipients_are_counted() -> None:
    """A list of a thousand is named in part and counted, and its picture stays readable."""
    scribe = Scribe()
    names = [f"user{number}@nord.example" for number in range(1000)]
    Line(scribe, "c1", "mail.nord.example").mail(1, scenes.ANNA, names, names[:2])
    head = draw_ladder(trace_of(scribe), 80).partition("trace ")[0]
    assert "user19@nord.example and 980 more" in " ".join(head.split())


def test_brief_tells_what_was_refused_however_it_was_typed() -> None:
    """Commands in lower case and pipelined ones are matched with their replies; typing mistakes are no refusals."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.asks("mail from:<anna@nord.example>", "250 2.1.0 Ok")
    line.asks("recpt to:<nils@nord.example>", "500 5.5.2 did you mean RCPT?")
    line.asks("rcpt to:<nobody@nord.example>")
    line.asks("rcpt to:<nils@nord.example>")
    line.asks("data", "550 5.1.1 no such mailbox", "250 2.1.5 Ok", "354 End data with <CR><LF>.<CR><LF>")
    line.accepted(1, scenes.ANNA, [scenes.NILS])
    line.says("250 2.0.0 Ok")
    picture = draw_ladder(trace_of(scribe), 160, brief=True)
    assert "550 5.1.1 no such mailbox (rcpt to:<nobody@nord.example>)" in picture
    assert "did you mean" not in picture


def test_brief_leaves_out_what_follows_from_a_refusal() -> None:
    """DATA sent ahead is refused because no recipient stood: only the refusal of the recipient is told."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.sued.example", "mail.nord.example", opened=("client", "server"))
    line.asks("MAIL FROM:<anna@nord.example>")
    line.asks("RCPT TO:<nobody@sued.example>")
    line.asks("DATA", "250 2.1.0 Ok", "550 5.1.1 no such user", "503 5.5.1 out of order")
    keys = {"connection": "c1", "transaction": 1, "code": 550, "reply": "550 5.1.1 no such user"}
    delivery(scribe, "failed", "mail.nord.example", 1, ["nobody@sued.example"], "mail.sued.example", **keys)
    picture = draw_ladder(trace_of(scribe), 160, brief=True)
    assert "550 5.1.1 no such user (RCPT TO:<nobody@sued.example>)" in picture
    assert "503" not in picture
    assert "503" in draw_ladder(trace_of(scribe), 160)


@pytest.mark.parametrize(("outcome", "word"), [("deferred", "Notice"), ("failed", "Bounce")])
def test_a_report_is_a_bounce_only_when_something_failed(outcome: str, word: str) -> None:
    """A warning that mail is late is told as a notice; what comes back for good is a bounce."""
    scribe = Scribe()
    Line(scribe, "c1", "mail.nord.example").mail(1, scenes.ANNA, [scenes.BEN])
    delivery(scribe, outcome, "mail.nord.example", 1, [scenes.BEN], "mail.sued.example", code=None, reply="refused")
    report = {"trace": BOUNCE_TRACE, "queue_id": f"{BOUNCE_TRACE}-1-00", "hop": 1, "server": "mail.nord.example"}
    about = {"for_queue_id": f"{TRACE}-1-00", "for_trace": TRACE, "recipients": [scenes.BEN]}
    scribe.write("bounce.created", **report, **about)
    assert f"{word}: trace {BOUNCE_TRACE}" in draw_ladder(trace_of(scribe), 80)


def test_an_attempt_without_a_next_hop_is_drawn_at_its_server() -> None:
    """When no host is found to send to, there is no arrow, but the reason and the end are told."""
    scribe = Scribe()
    Line(scribe, "c1", "mail.nord.example").mail(1, scenes.ANNA, ["x@nowhere.example"])
    keys = {"code": 556, "reply": "556 5.1.10 nowhere.example takes no mail"}
    delivery(scribe, "failed", "mail.nord.example", 1, ["x@nowhere.example"], "", **keys)
    picture = draw_ladder(trace_of(scribe), 80)
    assert "✕" in picture
    assert "556 5.1.10 nowhere.example takes no mail" in picture
    assert "Failed: x@nowhere.example" in picture
