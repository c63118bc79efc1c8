"""The API of faults: planned, counted, cleared; and orders that are none."""

from __future__ import annotations

import httpx
import pytest

from maillab.faults.fault import Fault
from tests.cli.page import asked_lab

BUSY = {
    "kind": "reply",
    "server": "sued.example",
    "command": "RCPT",
    "reply": "450 4.2.0 Mailbox busy",
    "times": 1,
    "name": "busy",
}


async def test_a_fault_is_added_counted_and_cleared() -> None:
    """As it was sent, with how often it has struck; cleared, it is gone and says so."""
    async with asked_lab("two-schools") as asked, httpx.AsyncClient(base_url=asked.url, trust_env=False) as client:
        added = await client.post("/api/lab/faults", json=BUSY)
        assert added.status_code == 201
        assert added.json() == BUSY | {"fired_count": 0, "spent": False}
        assert asked.lab.faults.faults == (
            Fault("reply", name="busy", server="sued.example", command="RCPT", reply="450 4.2.0 Mailbox busy", times=1),
        )
        await client.post("/api/lab/faults", json={"kind": "delay", "from": "nord.example", "seconds": 0.001})
        await asked.lab.send("anna@nord.example", "ben@sued.example")
        with_delay = (await client.get("/api/lab/faults")).json()
        assert [fault["name"] for fault in with_delay] == ["busy", "fault-1"]
        assert with_delay[1]["from"] == "nord.example"

        cleared = await client.delete("/api/lab/faults/busy")
        assert (cleared.status_code, cleared.json()) == (200, {"cleared": ["busy"]})
        assert (await client.delete("/api/lab/faults")).json() == {"cleared": ["fault-1"]}
        assert (await client.delete("/api/lab/faults")).json() == {"cleared": []}
        assert (await client.get("/api/lab/faults")).json() == []


async def test_what_has_struck_is_told() -> None:
    """The counts are those of the plan."""
    async with asked_lab("two-schools") as asked, httpx.AsyncClient(base_url=asked.url, trust_env=False) as client:
        await client.post("/api/lab/faults", json=BUSY | {"server": "nord.example"})
        refused = await client.post(
            "/api/lab/send", json={"from": "anna@nord.example", "to": ["nils@nord.example"], "subject": "x"}
        )
        assert refused.status_code >= 400
        (fault,) = (await client.get("/api/lab/faults")).json()
        assert (fault["fired_count"], fault["spent"]) == (1, True)


@pytest.mark.parametrize(
    ("body", "error", "mend"),
    [
        (b"{", "no JSON", "send {"),
        (b"[]", "an object is expected", "send {"),
        (b"{}", "kind: missing", "this has to be given"),
        (b'{"kind": "dely"}', 'kind: "dely" is no choice', 'did you mean "delay"?'),
        (b'{"kind": "delay"}', "seconds: missing", "delay has to know it"),
        (b'{"kind": "delay", "seconds": "1"}', 'seconds: "1" is no number', "without quotes"),
        (b'{"kind": "delay", "seconds": 1, "tp": "x"}', "tp: unknown key", "known here"),
        (b'{"kind": "refuse", "name": "taken"}', 'name: "taken" is taken', "give another one"),
        (
            b'{"kind": "partition", "hosts": ["x.test", "nord.example"]}',
            'hosts: "x.test" is no host and no domain of the lab',
            "there are ",
        ),
    ],
)
async def test_a_fault_that_cannot_be_is_refused(body: bytes, error: str, mend: str) -> None:
    """400 with what was found and how to mend it, in the words of validate; nothing is planned."""
    async with asked_lab("two-schools") as asked:
        asked.lab.faults.add(Fault("refuse", name="taken", to="sued.example"))
        async with httpx.AsyncClient(base_url=asked.url, trust_env=False) as client:
            response = await client.post("/api/lab/faults", content=body)
        assert response.status_code == 400
        assert response.json()["error"].startswith(error)
        assert mend in response.json()["mend"]
        assert len(asked.lab.faults.faults) == 1


async def test_a_fault_that_is_not_there_cannot_be_cleared() -> None:
    """404, with those that are."""
    async with asked_lab("two-schools") as asked, httpx.AsyncClient(base_url=asked.url, trust_env=False) as client:
        missing = await client.delete("/api/lab/faults/fault-1")
        assert missing.status_code == 404
        assert missing.json() == {"error": "no fault is called fault-1", "mend": "there are none"}
        asked.lab.faults.add(Fault("refuse", to="sued.example"))
        missing = await client.delete("/api/lab/faults/fault-2")
        assert missing.json()["mend"] == "there are fault-1"
