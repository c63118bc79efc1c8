"""The API that changes the lab's surroundings: its time, and its DNS."""

from __future__ import annotations

from typing import Final

from maillab.dns.records import DEFAULT_TTL_SECONDS
from maillab.web.desk import Desk
from maillab.web.messages import Request, Response, json_list, json_response, read_object, refused, rfc3339

_ADVANCE_EXAMPLE: Final = '{"seconds": 3600}'
_RECORDS_EXAMPLE: Final = '{"name": "sued.example", "type": "MX", "values": ["20 relay.example"]}'


async def advance(desk: Desk, request: Request) -> Response:
    """Let the lab's time jump on; what is due then is tried at once."""
    order = read_object(request.body, _ADVANCE_EXAMPLE)
    seconds = order.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or order.keys() != {"seconds"}:
        raise refused(400, '"seconds" is a number, and the only key', f"send {_ADVANCE_EXAMPLE}")
    try:
        lab_time = desk.lab.advance_clock(seconds)
    except ValueError as error:
        raise refused(400, str(error), f"send {_ADVANCE_EXAMPLE}") from None
    return json_response({"lab_at": rfc3339(lab_time), "ahead_seconds": desk.lab.clock.ahead_seconds})


async def names(desk: Desk, _request: Request) -> Response:
    """All records of the lab's DNS."""
    return json_list(
        {"name": record.name, "type": record.type, "value": record.value, "ttl": record.ttl}
        for record in desk.lab.zones.records()
    )


async def set_names(desk: Desk, request: Request) -> Response:
    """Put values in the place of a name's records of one type; no value takes them away."""
    order = read_object(request.body, _RECORDS_EXAMPLE)
    values = order.get("values")
    texts = [order.get("name"), order.get("type"), *(values if isinstance(values, list) else [None])]
    ttl = order.get("ttl", DEFAULT_TTL_SECONDS)
    if not all(isinstance(text, str) for text in texts) or type(ttl) is not int:
        raise refused(400, "name and type are texts, and values is a list of them", f"send {_RECORDS_EXAMPLE}")
    zones, (name, type_, *wanted) = desk.lab.zones, texts
    try:
        if wanted:
            zones.set(name, type_, wanted, ttl)
        else:
            zones.remove(name, type_)
    except ValueError as error:
        found, _, mend = str(error).partition("; ")
        raise refused(400, found, mend or f"send {_RECORDS_EXAMPLE}") from None
    return json_response({"name": name, "type": type_, "values": wanted})
