"""Records are gathered to traces, and a trace is judged by every copy of its message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.book import TraceBook
from maillab.trace.copies import State
from maillab.trace.record import Record
from tests.trace import scenes
from tests.trace.scribe import BOUNCE_TRACE, TRACE, Line, Scribe, book_of, delivery, trace_of


def lines_of(records: tuple[Record, ...]) -> list[str]:
    return [record["line"] for record in records if "line" in record]


def test_a_message_is_followed_over_all_hops() -> None:
    """Hops carry server, number, queue id and the queue id before; the path names the hosts in hop order."""
    trace = trace_of(scenes.two_schools())
    assert trace.path() == ["mail.nord.example", "relay.example", "mail.sued.example"]
    assert [(hop.server, hop.number, hop.queue_id, hop.previous_queue_id) for hop in trace.hops] == [
        ("mail.nord.example", 1, f"{TRACE}-1-00", None),
        ("relay.example", 2, f"{TRACE}-2-00", f"{TRACE}-1-00"),
        ("mail.sued.example", 3, f"{TRACE}-3-00", f"{TRACE}-2-00"),
    ]
    assert trace.state is State.DELIVERED
    assert {name: (copy.server, copy.uid) for name, copy in trace.copies.items()} == {
        "ben@sued.example": ("mail.sued.example", 1),
        "berta@sued.example": ("mail.sued.example", 1),
        "nils@nord.example": ("mail.nord.example", 1),
    }


def test_a_summary_holds_what_a_list_of_traces_shows() -> None:
    """`summary()` is made of JSON values."""
    summary = trace_of(scenes.two_schools()).summary()
    assert summary["trace"] == TRACE
    assert summary["sender"] == scenes.ANNA
    assert summary["recipients"] == [scenes.BEN, scenes.BERTA, scenes.NILS]
    assert summary["subject"] == "Einladung zur Gartenparty"
    assert summary["state"] == "delivered"
    assert type(summary["state"]) is str
    assert [hop["server"] for hop in summary["hops"]] == trace_of(scenes.two_schools()).path()
    assert summary["at"] == "2026-11-23T13:00:00.003Z"


def test_state_at_every_moment() -> None:
    """A trace is underway, deferred, underway again and delivered, as its records come in."""
    book = TraceBook()
    states: list[State] = []
    for record in scenes.two_schools().records:
        book.add(record)
        trace = book.get(TRACE)
        if trace is not None and (not states or states[-1] != trace.state):
            states.append(trace.state)
    assert states == [State.UNDERWAY, State.DEFERRED, State.UNDERWAY, State.DELIVERED]


def test_greeting_belongs_to_the_first_transaction_and_quit_of_a_client_to_the_last() -> None:
    """Of a client from outside the whole connection is kept; a server's QUIT comes long after and is not."""
    scribe = scenes.two_schools()
    connection = [said for said in trace_of(scribe).conversations if said.connection == "c1"]
    lines = lines_of(tuple(connection[0].records))
    assert lines[0] == "220 mail.nord.example ESMTP maillab"
    assert lines[-2:] == ["QUIT", "221 2.0.0 closing"]


def test_the_quit_of_a_server_belongs_to_no_message() -> None:
    """A kept connection between servers is closed long after its last mail."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.sued.example", "relay.example", opened=("client", "server"))
    line.greet("relay.example")
    line.mail(2, scenes.ANNA, [scenes.BEN], [scenes.BEN])
    line.quit()
    assert "QUIT" not in lines_of(trace_of(scribe).records)


def test_two_mails_over_one_connection_share_no_line() -> None:
    """Lines between two transactions belong to the second, the greeting only to the first."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS])
    transaction, line.transaction = line.transaction, ...
    line.asks("NOOP", "250 2.0.0 Ok")
    line.transaction = transaction
    line.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS], trace=BOUNCE_TRACE, queue_id=f"{BOUNCE_TRACE}-1-00")
    book = book_of(scribe)
    first, second = book.get(TRACE), book.get(BOUNCE_TRACE)
    assert first is not None
    assert second is not None
    assert lines_of(first.records)[0].startswith("220 ")
    assert "NOOP" not in lines_of(first.records)
    assert lines_of(second.records)[:2] == ["NOOP", "250 2.0.0 Ok"]
    assert second.conversations[0].hello == "anna-pc"


def test_a_mail_begun_anew_keeps_the_beginning_of_its_connection() -> None:
    """After RSET the greeting and HELO still show, the transaction that was dropped does not."""
    lines = lines_of(trace_of(scenes.typed_by_hand()).records)
    assert lines[0].startswith("220 ")
    assert "HELO carol" in lines
    assert "MAIL FROM:<carl@nord.example>" not in lines
    assert "RCPT TO:<nobody@nord.example>" in lines


def test_fan_out_is_judged_by_copy() -> None:
    """One copy failed, the others arrived: the trace failed, and each copy tells its own end."""
    trace = trace_of(scenes.fan_out())
    assert trace.state is State.FAILED
    assert {name: copy.state for name, copy in trace.copies.items()} == {
        "ben@sued.example": State.DELIVERED,
        "rosa@west.example": State.DELIVERED,
        "nemo@west.example": State.FAILED,
    }
    assert trace.copies["nemo@west.example"].reply == "550 5.1.1 <nemo@west.example> has no mailbox here"
    assert trace.path() == ["mail.nord.example", "relay.example", "mail.sued.example", "mail.west.example"]


def test_a_bounce_knows_its_parent_and_the_parent_its_bounce() -> None:
    """Both traces name each other; `latest` is the mail that somebody sent, the list is newest first."""
    book = book_of(scenes.fan_out())
    parent, bounce = book.get(TRACE), book.get(BOUNCE_TRACE)
    assert parent is not None
    assert bounce is not None
    assert parent.children == (BOUNCE_TRACE,)
    assert parent.parent is None
    assert bounce.parent == TRACE
    assert bounce.sender == ""
    assert bounce.state is State.DELIVERED
    assert [trace.id for trace in book.traces()] == [BOUNCE_TRACE, TRACE]
    assert book.latest is parent


def test_a_refused_transaction_is_joined_by_the_outcome_that_its_sender_recorded() -> None:
    """The next hop that accepted nothing is still part of the trace."""
    trace = trace_of(scenes.still_waiting())
    assert "451 4.7.1 greylisted, come again in 5 s" in lines_of(trace.records)
    assert trace.state is State.DEFERRED
    assert trace.ended_at is None
    copy = trace.copies["ben@sued.example"]
    assert (copy.server, copy.next_hop, copy.retry_in_seconds) == ("mail.nord.example", "mail.sued.example", 5)


def test_a_foreign_host_is_relayed_to_and_nothing_more_is_known() -> None:
    """The dialogue of the sending side is all there is, and it is shown."""
    trace = trace_of(scenes.foreign_host())
    assert trace.state is State.RELAYED
    assert trace.path() == ["mail.nord.example", "mail.postfix.example"]
    assert "220 mail.postfix.example ESMTP Postfix (Debian)" in lines_of(trace.records)


def test_a_trace_goes_on_through_a_foreign_host() -> None:
    """When the mail comes back into the lab, the copy is delivered and the foreign host stands in the path."""
    trace = trace_of(scenes.foreign_host(comes_back=True))
    assert trace.state is State.DELIVERED
    assert trace.path() == ["mail.nord.example", "mail.postfix.example", "mail.sued.example"]


@pytest.mark.parametrize("receiver_first", [False, True])
def test_logs_of_several_processes_join_in_any_order(receiver_first: bool) -> None:
    """Both ends wrote the dialogue down; it is shown once, as the receiving server heard it."""
    nord, sued = scenes.split_in_two()
    trace = trace_of(sued, nord) if receiver_first else trace_of(nord, sued)
    assert trace.path() == ["mail.nord.example", "mail.sued.example"]
    assert trace.state is State.DELIVERED
    lines = lines_of(trace.records)
    assert lines.count(f"MAIL FROM:<{scenes.ANNA}>") == len(trace.hops)
    assert {said.run for said in trace.conversations} == {"a-nord", "b-sued"}
    keys = [(record["at"], record["run"], record["seq"]) for record in trace.records]
    assert keys == sorted(keys)


@given(st.lists(st.booleans(), max_size=120))
def test_mixing_two_logs_line_by_line_changes_nothing(turns: list[bool]) -> None:
    """However the lines of two processes interleave, the trace is the same."""
    nord, sued = scenes.split_in_two()
    waiting = [list(nord.records), list(sued.records)]
    book = TraceBook()
    for turn in turns:
        if waiting[turn]:
            book.add(waiting[turn].pop(0))
    for record in waiting[0] + waiting[1]:
        book.add(record)
    mixed = book.get(TRACE)
    assert mixed is not None
    assert mixed.records == trace_of(nord, sued).records


def test_an_alias_has_no_fate_of_its_own() -> None:
    """A team of two is told by its members; the name nobody has a mailbox for is not a copy."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"], mail_sued_example=["sued.example"])
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, scenes.ANNA, ["team@nord.example"], [scenes.NILS])
    delivery(scribe, "started", "mail.nord.example", 1, [scenes.BEN], "mail.sued.example")
    trace = trace_of(scribe)
    assert trace.recipients == ("team@nord.example",)
    assert {name: copy.state for name, copy in trace.copies.items()} == {
        scenes.NILS: State.DELIVERED,
        scenes.BEN: State.UNDERWAY,
    }


def test_a_remote_recipient_is_underway_before_its_delivery_begins() -> None:
    """A stored copy does not hide the one that still stands in the queue."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"])
    line = Line(scribe, "c1", "mail.nord.example")
    line.mail(1, scenes.ANNA, [scenes.BEN, "Nils@NORD.example"], [scenes.NILS])
    trace = trace_of(scribe)
    assert trace.copies[scenes.BEN].state is State.UNDERWAY
    assert trace.copies[scenes.NILS].state is State.DELIVERED
    assert trace.state is State.UNDERWAY


@pytest.mark.parametrize(
    "lost",
    ["delivery.relayed of mail.nord.example", "delivery.relayed of relay.example", "message.accepted of relay.example"],
)
def test_a_record_that_a_killed_process_did_not_write_is_told_by_the_next_server(lost: str) -> None:
    """Where a server could not tell that it took or passed on a copy, the servers behind it say so."""
    whole = scenes.two_schools()
    killed = Scribe()
    killed.records = [record for record in whole.records if f"{record['event']} of {record.get('server')}" != lost]
    assert len(killed.records) < len(whole.records)
    assert trace_of(killed).state is State.DELIVERED
    places = [{name: copy.server for name, copy in trace_of(told).copies.items()} for told in (killed, whole)]
    assert places[0] == places[1]


def test_the_book_keeps_its_limit_and_drops_the_oldest() -> None:
    """No more than `limit` traces are kept."""
    book = TraceBook(limit=2)
    for number in range(5):
        scribe = Scribe(f"r{number}")
        scribe.pause(number)
        line = Line(scribe, "c1", "mail.nord.example")
        trace = f"1JD2V9XK3M4Q{number}"
        line.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS], trace=trace, queue_id=f"{trace}-1-00")
        for record in scribe.records:
            book.add(record)
    assert [trace.id for trace in book.traces()] == ["1JD2V9XK3M4Q4", "1JD2V9XK3M4Q3"]


def test_dialogue_that_leads_nowhere_is_dropped_when_its_connection_closes() -> None:
    """Ten thousand connections that send nothing leave nothing behind."""
    book = TraceBook()
    scribe = Scribe()
    for number in range(300):
        line = Line(scribe, f"c{number}", "mail.nord.example")
        line.greet("anna-pc")
        line.quit()
        inside = Line(scribe, f"d{number}", "relay.example", "mail.nord.example", opened=("client", "server"))
        inside.greet("mail.nord.example")
        inside.close()
    for record in scribe.records:
        book.add(record)
    assert book.traces() == []
    assert book.remembered_connections <= 64


def test_the_same_trace_is_not_built_twice() -> None:
    """Asking again without a new record gives the same object; a late reply line gives a new one."""
    scribe = scenes.garden_party()
    book = book_of(scribe)
    assert book.get(TRACE) is book.get(TRACE)
    assert book.get("0000000000000") is None
    assert TraceBook().latest is None
