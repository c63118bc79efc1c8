from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.identity import CROCKFORD, TRACE_ID_LENGTH, QueueId, TraceIds, base32

TRACE = "1JD2V9XK3M4QZ"
traces = st.text(CROCKFORD, min_size=TRACE_ID_LENGTH, max_size=TRACE_ID_LENGTH)


@given(traces, st.integers(1, 9999), st.integers(0, 999_999))
def test_what_a_queue_id_shows_it_reads(trace: str, hop: int, copy: int) -> None:
    """`str` and `parse` are each other's inverse."""
    queue_id = QueueId(trace, hop, copy)
    assert QueueId.parse(str(queue_id)) == queue_id


def test_a_queue_id_is_trace_hop_and_copy() -> None:
    """The form that learners see in `Received` lines and replies."""
    assert str(QueueId(TRACE, 1)) == "1JD2V9XK3M4QZ-1-00"
    assert str(QueueId(TRACE, 12, 3)) == "1JD2V9XK3M4QZ-12-03"


@pytest.mark.parametrize(
    "text",
    [
        "",
        TRACE,
        f"{TRACE}-1",
        f"{TRACE}-0-00",  # hops count from 1
        f"{TRACE}-01-00",
        f"{TRACE}-1-0",
        f"{TRACE}--1-00",
        f"{TRACE}-1-00 ",
        f"{TRACE}-1-00\n",
        f"{TRACE.lower()}-1-00",
        f"{TRACE[1:]}-1-00",
        f"I{TRACE[1:]}-1-00",  # I, L, O and U are not in Crockford's alphabet
        f"{TRACE}-\u0661-00",  # Arabic-Indic digit one
        "4XqZ1k3Yz8zPmk2",  # what Postfix writes
    ],
)
def test_an_id_of_another_kind_is_none_of_ours(text: str) -> None:
    """Only the exact form continues a trace; other servers' ids do not."""
    assert QueueId.parse(text) is None


def test_base32_keeps_the_order_of_numbers() -> None:
    """Digits ascend in ASCII, so that texts of one length sort like their numbers."""
    texts = [base32(number, 3) for number in range(2048)]
    assert texts == sorted(texts)
    assert [texts[0], texts[31], texts[32]] == ["000", "00Z", "010"]


def test_trace_ids_sort_by_time() -> None:
    """A later millisecond gives a greater id, whatever the counter says."""
    seconds = iter([1_795_438_800.0, 1_795_438_800.001, 1_795_438_801.0, 1_795_525_200.0])
    ids = TraceIds(lambda: next(seconds), counter_start=2**20 - 2)
    made = [ids.new() for _ in range(4)]
    assert made == sorted(made)
    assert all(QueueId.parse(f"{trace}-1-00") for trace in made)


def test_trace_ids_of_one_millisecond_differ() -> None:
    """The counter alone tells 2**20 of them apart, also where it wraps."""
    ids = TraceIds(lambda: 1_795_438_800.0, counter_start=2**20 - 5_000)
    assert len({ids.new() for _ in range(10_000)}) == 10_000


def test_processes_that_start_at_once_make_different_ids() -> None:
    """Another start of the counter is another id in the same millisecond."""
    one, other = (TraceIds(lambda: 1_795_438_800.0, counter_start=start) for start in (17, 4_711))
    assert one.new() != other.new()
