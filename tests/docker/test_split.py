"""docker/compose.split.yaml: one lab, a container for each server."""

from __future__ import annotations

import contextlib
import json
import smtplib
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import pytest

from maillab.trace.record import Record
from tests.docker.conftest import Measure
from tests.docker.project import PAGE_PORT, Project, maillab, run, wait_until
from tests.interop.lab_process import command, environment

NORD, RELAY, SUED = "mail-nord-example", "relay-example", "mail-sued-example"
HOSTS: Final = {NORD: "mail.nord.example", RELAY: "relay.example", SUED: "mail.sued.example"}
PAGES: Final = {NORD: PAGE_PORT, SUED: PAGE_PORT + 1, RELAY: PAGE_PORT + 2}
RELAY_ADDRESS: Final = "172.16.3.1"
ANNA, BEN = "anna@nord.example", "ben@sued.example"
LOAD_COUNT: Final = 60
HOUR_SECONDS: Final = 3600


@pytest.fixture(scope="module")
def split(images: None) -> Iterator[Project]:
    with Project("compose.split.yaml").running() as split:
        yield split


def send(split: Project, subject: str) -> str:
    """A mail from Anna to Ben; gives its trace."""
    sent = split.ask("send", {"from": ANNA, "to": [BEN], "subject": subject, "body": "Hallo!"}, port=PAGES[NORD])
    assert isinstance(sent["trace"], str)
    return sent["trace"]


def has_come(split: Project, *subjects: str) -> bool:
    return {*subjects} <= set(split.subjects(BEN, port=PAGES[SUED]))


def let_time_pass(split: Project) -> None:
    """What waits is due: each process has a clock of its own."""
    for service in (NORD, RELAY):
        split.ask("clock/advance", {"seconds": HOUR_SECONDS}, port=PAGES[service])


def gaps(records: list[Record]) -> dict[str, list[int]]:
    """Of each run the numbers that are not there."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for record in records:
        numbers[record["run"]].add(record["seq"])
    missing = {run: sorted({*range(1, max(seen) + 1)} - seen) for run, seen in numbers.items()}
    return {run: numbers for run, numbers in missing.items() if numbers}


def test_three_containers_and_one_trace(split: Project, measure: Measure) -> None:
    """One message, three logs in one pipe: a trace of three hops without a gap, from three runs."""
    measure("split session, from `up` to healthy", f"{split.up_seconds:.1f} s")
    for service in HOSTS:
        assert split.inspect(service)["State"]["Health"]["Status"] == "healthy"
    trace = send(split, "Einladung")
    split.wait_for(SUED, "message.stored", mailbox=BEN, trace=trace)
    split.wait_for(RELAY, "delivery.relayed", trace=trace)
    log = split.log()
    assert gaps(split.records()) == {}
    merged = json.loads(maillab("trace", trace, "--format", "json", "--from-log", "-", stdin=log))
    assert [hop["server"] for hop in merged["hops"]] == [HOSTS[NORD], HOSTS[RELAY], HOSTS[SUED]]
    assert len({record["run"] for record in merged["records"]}) == len(HOSTS)
    assert [record["at"] for record in merged["records"]] == sorted(record["at"] for record in merged["records"])
    ladder = maillab("trace", trace, "--brief", "--from-log", "-", stdin=log)
    assert ladder.count("Queued: ") == 3
    with_prefixes = split.compose("logs")
    assert maillab("trace", trace, "--brief", "--from-log", "-", stdin=with_prefixes) == ladder


def test_watch_merges_what_all_of_them_tell(split: Project) -> None:
    """With a --url for each, one mail's hops come in their order."""
    urls = [word for port in PAGES.values() for word in ("--url", f"http://127.0.0.1:{port}")]
    with contextlib.ExitStack() as stack:
        watch = stack.enter_context(
            subprocess.Popen(
                command("watch", "--json", *urls), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
            )
        )
        stack.callback(watch.kill)
        assert watch.stdout is not None
        assert watch.stderr is not None
        for _ in PAGES:
            assert watch.stderr.readline().startswith(b"watching two-schools at ")
        trace = send(split, "Gesehen")
        seen: list[str] = []
        while "message.stored" not in seen:
            record = json.loads(watch.stdout.readline())
            assert record["trace"] == trace
            seen.append(f"{record['event']} {record['server']}" if "accepted" in record["event"] else record["event"])
    assert [event for event in seen if "accepted" in event] == [
        f"message.accepted {HOSTS[service]}" for service in (NORD, RELAY, SUED)
    ]


def test_killing_the_relay_loses_nothing(split: Project) -> None:
    """Killed while mail goes through it, and started again: all that Anna's server took is with Ben, once."""
    subjects = [f"Last {number}" for number in range(LOAD_COUNT)]
    with smtplib.SMTP("172.16.1.1") as client:
        for number, subject in enumerate(subjects):
            client.sendmail(ANNA, BEN, f"Subject: {subject}\r\n\r\nHallo!\r\n")
            if number == LOAD_COUNT // 2:
                split.kill(RELAY)
    assert not has_come(split, *subjects)
    run("docker", "start", split.container(RELAY))
    split.up()
    let_time_pass(split)
    wait_until("all mail", lambda: has_come(split, *subjects))
    came = split.subjects(BEN, port=PAGES[SUED])
    assert sorted(subject for subject in came if subject.startswith("Last")) == sorted(subjects)


def test_what_the_relay_holds_survives_its_death(split: Project) -> None:
    """It has taken mail that it could not pass on; killed and started, it still has it."""
    split.kill(SUED)
    trace = send(split, "Aufgehoben")
    split.wait_for(RELAY, "message.accepted", trace=trace)
    split.kill(RELAY)
    split.up()
    let_time_pass(split)
    wait_until("the mail", lambda: has_come(split, "Aufgehoben"))


def test_a_relay_without_a_network_defers_and_then_delivers(split: Project) -> None:
    """Disconnected, the reason is in the trace; connected again, the mail arrives, and the trace is one."""
    network = f"{split.name}_lab"
    run("docker", "network", "disconnect", network, split.container(RELAY))
    trace = send(split, "Geduld")
    deferred = split.wait_for(NORD, "delivery.deferred", trace=trace)
    assert deferred["next_hop"] == HOSTS[RELAY]
    assert not has_come(split, "Geduld")
    run("docker", "network", "connect", "--ip", RELAY_ADDRESS, "--alias", RELAY, network, split.container(RELAY))
    let_time_pass(split)
    wait_until("the mail", lambda: has_come(split, "Geduld"))
    log = split.log()
    merged = json.loads(maillab("trace", trace, "--format", "json", "--from-log", "-", stdin=log))
    assert [hop["server"] for hop in merged["hops"]] == [HOSTS[NORD], HOSTS[RELAY], HOSTS[SUED]]
    ladder = maillab("trace", trace, "--from-log", "-", "--width", 120, stdin=log)
    assert deferred["reply"].startswith(f"no connection to {HOSTS[RELAY]} ({RELAY_ADDRESS}:25)")
    assert f"no connection to {HOSTS[RELAY]} ({RELAY_ADDRESS}:25)" in ladder
    assert f"of lab time in the queue of {HOSTS[NORD]}, attempt 2" in " ".join(ladder.replace("┆", "").split())
    assert gaps(split.records()) == {}
