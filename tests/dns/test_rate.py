from __future__ import annotations

from collections import Counter

from maillab.dns.rate import RateLimit, Verdict

CLIENT = "192.0.2.1"


def test_a_flood_is_truncated_then_dropped() -> None:
    """First the bucket, then its debt; what the refill allows in a flood is a short answer."""
    limit = RateLimit(per_second=10, burst_count=5)
    verdicts = [limit.judge(CLIENT, 0.0) for _ in range(12)]
    assert verdicts == [*[Verdict.ANSWER] * 5, *[Verdict.TRUNCATE] * 5, *[Verdict.DROP] * 2]
    later = Counter(limit.judge(CLIENT, number / 100) for number in range(1000))
    assert Verdict.ANSWER not in later
    assert 95 <= later[Verdict.TRUNCATE] <= 105
    assert later[Verdict.DROP] == 1000 - later[Verdict.TRUNCATE]


def test_who_was_quiet_is_answered_again() -> None:
    """The debt is paid off by time, and the bucket is never fuller than full."""
    limit = RateLimit(per_second=10, burst_count=5)
    for _ in range(20):
        limit.judge(CLIENT, 0.0)
    verdicts = [limit.judge(CLIENT, 100.0) for _ in range(6)]
    assert verdicts == [*[Verdict.ANSWER] * 5, Verdict.TRUNCATE]


def test_each_client_has_its_own_bucket() -> None:
    """A flood from one address takes nothing from another; in IPv6 a client is a /64."""
    limit = RateLimit(per_second=1, burst_count=1)
    for address in (CLIENT, "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
        assert limit.judge(address, 0.0) is Verdict.ANSWER
    for address in (CLIENT, "2001:db8:0:1:2:3:4:5", "2001:db8:0:2::1%eth0"):
        assert limit.judge(address, 0.0) is Verdict.TRUNCATE


def test_the_number_of_buckets_is_bounded() -> None:
    """A flood from forged addresses makes the server forget who was quiet longest, and nobody else."""
    limit = RateLimit(per_second=0, burst_count=1, client_limit=3)
    for address in ("a", "b", "c", "a", "d"):
        limit.judge(address, 0.0)
    assert limit.judge("a", 0.0) is Verdict.DROP
    assert limit.judge("b", 0.0) is Verdict.ANSWER
