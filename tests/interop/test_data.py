"""`--data DIR`: what was acknowledged is still there after a stop, and after a kill."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.interop.conftest import StartLab
from tests.interop.foreign_host import ForeignHost
from tests.interop.lab_process import WAIT_SECONDS, LabProcess, maillab
from tests.interop.stored_mail import subjects

NORD, SUED, FAR = "mail.nord.example", "mail.sued.example", "mx.far.example"
ANNA, BEN, FRITZ = "anna@nord.example", "ben@sued.example", "fritz@far.example"
ACKNOWLEDGED_COUNT: Final = 25  # before the kill
RETRY_OFTEN: Final = "after_seconds = [0.2, "


@pytest.fixture
def far() -> Iterator[ForeignHost]:
    host = ForeignHost(FAR)
    yield host
    host.close()


@pytest.fixture
def lab_file(two_schools: Path, far: ForeignHost) -> Path:
    """The two schools, and a host that the lab does not start."""
    foreign = f'[[foreign]]\nhost = "{FAR}"\ndomains = ["far.example"]\nsmtp = "{far.smtp}"\n'
    text = two_schools.read_text().replace('smarthost = "relay.example"\n', "")
    two_schools.write_text(text.replace("after_seconds = [", RETRY_OFTEN, 1) + foreign)
    return two_schools


def mail(subject: str) -> bytes:
    return f"Subject: {subject}\r\n\r\nHallo!\r\n".encode()


async def send(lab: LabProcess, recipient: str, subject: str) -> None:
    def send() -> None:
        with smtplib.SMTP(*lab.smtp(NORD)) as client:
            client.sendmail(ANNA, recipient, mail(subject))

    await trio.to_thread.run_sync(send)


async def test_mail_and_queue_outlive_a_stop(
    start_lab: StartLab, lab_file: Path, far: ForeignHost, tmp_path: Path
) -> None:
    """What lay in a mailbox still does, UIDs go on, and what waited in the queue is delivered later, in one trace."""
    data = tmp_path / "data"
    first = await start_lab(lab_file, "--data", data)
    await send(first, BEN, "Eins")
    await first.wait_for("message.stored", mailbox=BEN, uid=1)
    await send(first, FRITZ, "Weit")
    deferred = await first.wait_for("delivery.deferred", recipients=[FRITZ])
    await first.stop()

    second = await start_lab(lab_file, "--data", data)
    async with far.listening():
        relayed = await second.wait_for("delivery.relayed", recipients=[FRITZ])
    await send(second, BEN, "Zwei")
    await second.wait_for("message.stored", mailbox=BEN, uid=2)
    await second.stop()

    assert relayed["queue_id"] == deferred["queue_id"]
    assert relayed["run"] != deferred["run"]
    assert len(far.taken) == 1
    assert subjects(data, SUED, BEN) == ["Eins", "Zwei"]
    drawn = await maillab("trace", relayed["trace"], "--from-log", data / "records.jsonl", "--brief")
    assert "connection refused" in drawn.stdout.decode()
    assert f"{FRITZ}: " in drawn.stdout.decode()


async def test_nothing_acknowledged_is_lost_by_a_kill(start_lab: StartLab, two_schools: Path, tmp_path: Path) -> None:
    """Killed in the middle and started again, the lab brings every mail that got its 250 into Ben's mailbox, once."""
    data = tmp_path / "data"
    lab = await start_lab(two_schools, "--data", data)
    acknowledged: list[str] = []
    enough = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def send_until_it_dies(who: str) -> None:
        with smtplib.SMTP(*lab.smtp(NORD)) as client:
            number = 0
            while True:
                number += 1
                subject = f"{who} {number}"
                try:
                    client.sendmail(ANNA, BEN, mail(subject))
                except (smtplib.SMTPException, OSError):
                    return
                acknowledged.append(subject)
                if len(acknowledged) == ACKNOWLEDGED_COUNT:
                    token.run_sync_soon(enough.set)

    async with trio.open_nursery() as nursery:
        for who in ("Eins", "Zwei", "Drei"):
            nursery.start_soon(trio.to_thread.run_sync, send_until_it_dies, who)
        with trio.fail_after(WAIT_SECONDS):
            await enough.wait()
        await lab.kill()

    again = await start_lab(two_schools, "--data", data)
    while not {*acknowledged} <= {*subjects(data, SUED, BEN)}:
        await again.wait_for_news()
    await again.stop()
    arrived = [subject for subject in subjects(data, SUED, BEN) if subject in acknowledged]
    assert sorted(str(subject) for subject in arrived) == sorted(acknowledged)
