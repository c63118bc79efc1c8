"""The API of what goes wrong on purpose: which faults there are, one more, one less."""

from __future__ import annotations

from typing import Any, Final

from maillab.faults.fault import Fault
from maillab.lab.faults import read_fault
from maillab.lab.lab import Lab
from maillab.lab.mistakes import LabFileError
from maillab.web.desk import Desk
from maillab.web.messages import Request, Response, json_list, json_response, read_object, refused

_EXAMPLE: Final = '{"kind": "reply", "server": "sued.example", "command": "RCPT", "reply": "450 4.2.0 Mailbox busy"}'


async def faults(desk: Desk, _request: Request) -> Response:
    """Every fault that is planned, and how often it has struck."""
    return json_list(_shown(desk.lab, fault) for fault in desk.lab.faults.faults)


async def add(desk: Desk, request: Request) -> Response:
    """One fault more, with the keys of a lab file; it holds at once, on open connections too."""
    table = read_object(request.body, _EXAMPLE)
    try:
        fault = desk.lab.faults.add(read_fault(table, desk.lab.spec))
    except LabFileError as error:
        first, *others = error.mistakes
        ways = ", ".join(filter(None, (first.expected, first.mend)))
        raise refused(400, f"{first.path}: {first.found}", "; ".join([ways, *map(str, others)])) from None
    except ValueError as error:  # the name is taken
        found, _, mend = str(error).partition("; ")
        raise refused(400, found, mend) from None
    return json_response(_shown(desk.lab, fault), 201)


async def clear(desk: Desk, request: Request) -> Response:
    """One fault less, or none any more; what it held up goes on."""
    name = request.variables.get("name")
    cleared = desk.lab.faults.clear(name)
    if name is not None and not cleared:
        known = ", ".join(fault.name for fault in desk.lab.faults.faults)
        raise refused(404, f"no fault is called {name}", f"there are {known}" if known else "there are none")
    return json_response({"cleared": cleared})


def _shown(lab: Lab, fault: Fault) -> dict[str, Any]:
    counts = {"fired_count": lab.faults.fired_count(fault.name), "spent": lab.faults.is_spent(fault.name)}
    return fault.to_table() | counts
