"""What comes in by the door and what goes out: requests, responses, refusals (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import attrs
import h11
import orjson

from maillab.network.endpoint import Endpoint

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
CHUNK_OCTETS: Final = 1 << 16  # of a long list: so much is rendered at a time, between two checkpoints

_QUERY_FIELD_LIMIT_COUNT: Final = 20
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)  # what surely fits into 64 bits
_ABSOLUTE_FORM: Final = re.compile(r"https?://([^/?]*)", re.IGNORECASE)


@attrs.frozen
class Response:
    """An answer; a body that is no bytes is made and sent piece by piece."""

    status: int
    body: bytes | Iterable[bytes] = b""
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


class Refusal(Exception):  # noqa: N818  not an error of ours: an answer
    """A request that is not answered as it was meant, and what it is answered instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def refused(status: int, error: str, mend: str, headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """A refusal as all of them are: what was found and expected, and how to mend it."""
    return Refusal(json_response({"error": error, "mend": mend}, status, headers))


@attrs.frozen
class Request:
    """A request: the head, and the body once it was let in."""

    method: str
    path: str
    """As it was sent, for people to read."""
    segments: tuple[str, ...]
    """The path between its slashes, each decoded on its own: an encoded slash divides nothing."""
    query: Mapping[str, str]
    authority: str
    """Whom it was sent to: HOST or HOST:PORT."""
    headers: tuple[tuple[str, str], ...]
    peer: Endpoint
    variables: Mapping[str, str] = attrs.field(factory=dict)
    """What stood in the path where the route has a name."""
    body: bytes = b""

    @classmethod
    def read(cls, head: h11.Request, peer: Endpoint) -> Request:
        """The request that `head` begins.

        Raises:
            Refusal: its target is none, or of a version of HTTP that is not spoken here.
        """
        if head.http_version not in (b"1.0", b"1.1"):
            version = head.http_version.decode("ascii", "replace")
            raise refused(505, f"HTTP/{version} is not spoken here", "use HTTP/1.1")
        headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
        target = head.target.decode("ascii")
        authority = next((value for name, value in headers if name == "host"), "")
        if absolute := _ABSOLUTE_FORM.match(target):  # RFC 9112 section 3.2.2: it beats the Host field
            authority, target = absolute[1], target[absolute.end() :] or "/"
        path, _, query = target.partition("?")
        if not path.startswith("/"):
            raise refused(400, f"{target} is no path", "begin it with /")
        try:
            segments = tuple(unquote(segment, errors="strict") for segment in path[1:].split("/"))
            fields = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELD_LIMIT_COUNT)
        except ValueError:
            raise refused(400, f"{target} cannot be read", "encode it as UTF-8, with few query fields") from None
        return cls(head.method.decode("ascii"), path, segments, dict(fields), authority, headers, peer)

    def header(self, name: str) -> str | None:
        """The value of a field, named in lower case; several of that name are joined (RFC 9110 section 5.3)."""
        values = [value for field, value in self.headers if field == name]
        return ", ".join(values) if values else None

    def number(self, name: str, default: int, low: int = 0, high: int | None = None) -> int:
        """The query field `name` as a number.

        Raises:
            Refusal: it is none, or beyond the limits.
        """
        text = self.query.get(name)
        if text is None:
            return default
        number = int(text) if _NUMBER.fullmatch(text) else -1
        if number < low or (high is not None and number > high):
            limits = f"from {low} to {high}" if high is not None else f"of {low} or more"
            raise refused(400, f"{name}={text} is not possible", f"give a whole number {limits}")
        return number


def read_object(body: bytes, example: str) -> dict[str, Any]:
    """The JSON object that a request brings.

    Raises:
        Refusal: 400, with `example` as what would be right.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refused(400, f"no JSON: {error}", f"send {example}") from None
    if not isinstance(found, dict):
        raise refused(400, "an object is expected", f"send {example}")
    return found


def json_response(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """`value` as JSON."""
    return Response(status, orjson.dumps(value), JSON, headers)


def json_list(items: Iterable[Any]) -> Response:
    """A list as JSON, rendered as it is sent: however long it is, it holds up nobody."""
    return Response(200, _list_chunks(items), JSON)


def _list_chunks(items: Iterable[Any]) -> Iterator[bytes]:
    chunk = bytearray(b"[")
    divider = b""
    for item in items:
        chunk += divider
        chunk += orjson.dumps(item)
        divider = b","
        if len(chunk) >= CHUNK_OCTETS:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk + b"]")


def rfc3339(at: float) -> str:
    """Seconds since 1970 as records write it: 2026-11-23T13:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
