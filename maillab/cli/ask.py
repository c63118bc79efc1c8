"""Talking to a running lab: HTTP for what is asked, a websocket for what is live."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

import attrs
import click
import httpx
import orjson
import trio
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from maillab.cli.run import run, ungrouped
from maillab.trace.cells import visible

PASSWORD_VARIABLE: Final = "MAILLAB_PASSWORD"
USER_NAME: Final = "maillab"  # the lab looks at the password only
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0  # sending waits for a whole SMTP dialogue
HANDSHAKE_SECONDS: Final = 10.0  # a wrong password is answered late on purpose
FAREWELL_SECONDS: Final = 1.0
FRAME_LIMIT_OCTETS: Final = 16 * 2**20  # the lab makes them smaller by far
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}

Answer = TypeVar("Answer")
_Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"


class AskError(click.ClickException):
    """The lab cannot be asked, or it says no; its message is one line that says how to mend it."""


class UnreachableError(AskError):
    """Nobody answers now; that may pass."""


class MissingError(AskError):
    """The lab does not have what it is asked for."""

    def __init__(self, found: str, mend: str) -> None:
        """`found` is told alone by whoever knows a better hint than the API's own."""
        super().__init__(f"{found}; {mend}")
        self.found = found


def segment(text: str) -> str:
    """`text` as one segment of a path: an address may hold a slash or a question mark."""
    return quote(text, safe="@", errors="surrogateescape")


def ask(url: httpx.URL, question: Callable[[RunningLab], Awaitable[Answer]], *, if_missing: str = "") -> Answer:
    """What the lab at `url` answers to `question`.

    Args:
        url: where it answers.
        question: asks.
        if_missing: the hint for whoever asks for what is not there, instead of the API's own.

    Raises:
        AskError: it cannot be asked, or says no.
    """

    async def main() -> Answer:
        async with running_lab(url) as lab:
            return await question(lab)

    try:
        return run(main)
    except MissingError as missing:
        if not if_missing:
            raise
        raise AskError(f"{missing.found}; {if_missing}") from None


@contextlib.asynccontextmanager
async def running_lab(url: httpx.URL) -> AsyncIterator[RunningLab]:
    """The lab at `url`, to be asked while the context lasts; nothing is said to it yet."""
    password = os.environ.get(PASSWORD_VARIABLE)
    credentials = base64.b64encode(f"{USER_NAME}:{password}".encode()).decode("ascii")
    async with httpx.AsyncClient(
        headers={"Content-Type": "application/json"}
        | ({"Authorization": f"Basic {credentials}"} if password else {}),  # RFC 7617
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,  # a lab is near: no proxy of the school stands between
    ) as http:
        yield RunningLab(url, http)


@attrs.frozen
class RunningLab:
    """A lab that answers at `url`.

    Its methods raise an `AskError` when it does not, or says no.
    """

    url: httpx.URL
    _http: httpx.AsyncClient

    async def object_at(self, path: str, **query: object) -> dict[str, Any]:
        """The JSON object at `path`."""
        return self._document(await self._ask("GET", path, query), dict)

    async def list_at(self, path: str, **query: object) -> list[dict[str, Any]]:
        """The JSON list of objects at `path`."""
        return self._document(await self._ask("GET", path, query), list)

    async def post(self, path: str, document: object = None) -> dict[str, Any]:
        """The JSON object that the lab answers to `document`."""
        try:
            content = b"" if document is None else orjson.dumps(document)
        except orjson.JSONEncodeError:  # of a command line in another encoding, Python makes lone surrogates
            raise AskError("what is to be sent is no UTF-8; give a whole message with --file instead") from None
        return self._document(await self._ask("POST", path, {}, content), dict)

    async def delete(self, path: str) -> dict[str, Any]:
        """The JSON object that the lab answers when what is at `path` is to go."""
        return self._document(await self._ask("DELETE", path, {}), dict)

    async def text_at(self, path: str, **query: object) -> str:
        """The plain text at `path`, harmless to print."""
        response = await self._ask("GET", path, query)
        if _kind_of(response) != "text/plain":
            raise self.foreign(_kind_of(response))
        return "".join(f"{visible(line)}\n" for line in response.text.splitlines())

    async def octets_at(self, path: str, kind: str = "message/rfc822") -> bytes:
        """What is at `path`, octet by octet; it is of that media type."""
        response = await self._ask("GET", path, {})
        if _kind_of(response) != kind:
            raise self.foreign(_kind_of(response))
        return response.content

    @contextlib.asynccontextmanager
    async def websocket(self, path: str, **query: object) -> AsyncIterator[WebSocketConnection]:
        """A websocket to `path` while the context lasts."""
        try:
            with ungrouped():
                async with await self._connect() as stream, trio.open_nursery() as nursery:
                    connection = await self._shake_hands(nursery, stream, self._target(path, query))
                    try:
                        yield connection
                    finally:
                        with trio.move_on_after(FAREWELL_SECONDS):
                            await connection.aclose()
                        nursery.cancel_scope.cancel()
        except ConnectionRejected as rejected:
            raise self._refusal(rejected.status_code, rejected.body or b"") from None

    async def _connect(self) -> _Stream:
        host, port = self.url.host, self.url.port or _PORTS[self.url.scheme]
        try:
            with trio.fail_after(CONNECT_SECONDS):
                if self.url.scheme == "http":
                    return await trio.open_tcp_stream(host, port)
                context = ssl.create_default_context()
                return await trio.open_ssl_over_tcp_stream(host, port, ssl_context=context, https_compatible=True)
        except (OSError, trio.TooSlowError) as error:
            raise self._unreachable(error) from None

    async def _shake_hands(self, nursery: trio.Nursery, stream: _Stream, target: httpx.URL) -> WebSocketConnection:
        # Not trio_websocket.open_websocket, which leaves out the brackets around an IPv6 address in `Host`.
        headers = [(b"authorization", value.encode("ascii")) for value in self._http.headers.get_list("authorization")]
        try:
            with trio.fail_after(HANDSHAKE_SECONDS):
                return await wrap_client_stream(
                    nursery,
                    stream,
                    target.netloc.decode("ascii"),
                    target.raw_path.decode("ascii"),
                    extra_headers=headers,
                    max_message_size=FRAME_LIMIT_OCTETS,
                )
        except trio.TooSlowError as error:
            raise self._unreachable(error) from None

    async def _ask(
        self, method: str, path: str, query: Mapping[str, object], content: bytes | None = None
    ) -> httpx.Response:
        try:
            response = await self._http.request(method, self._target(path, query), content=content)
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            raise self.foreign("no HTTP") from None
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        if not response.is_success:
            raise self._refusal(response.status_code, response.content)
        return response

    def _target(self, path: str, query: Mapping[str, object]) -> httpx.URL:
        given = {key: str(value) for key, value in query.items() if value is not None}
        return httpx.URL(f"{str(self.url).rstrip('/')}{path}", params=given)

    def _document(self, response: httpx.Response, kind: type[Answer]) -> Answer:
        document = _json(response.content)
        if not isinstance(document, kind):
            raise self.foreign(_kind_of(response))
        return document

    def _refusal(self, status: int, content: bytes) -> AskError:
        if status == httpx.codes.UNAUTHORIZED:
            if "authorization" in self._http.headers:
                return AskError(f"wrong password for the lab at {self.url}; mend {PASSWORD_VARIABLE}")
            return AskError(f"the lab at {self.url} wants a password; give it as {PASSWORD_VARIABLE}")
        document = _json(content)
        if not isinstance(document, dict) or "error" not in document:
            return self.foreign(f"HTTP status {status}")
        error, mend = (_one_line(document.get(key)) for key in ("error", "mend"))
        if status == httpx.codes.NOT_FOUND:
            return MissingError(error, mend)
        return AskError(f"{error}; {mend}" if mend else error)

    def foreign(self, found: str) -> AskError:
        """The error that something else than a lab answers, as `found` shows."""
        return AskError(f"what answers at {self.url} is no maillab ({found}); give the lab's --url")

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"no lab answers at {self.url} ({_reason(error)}); start one with maillab up, or give --url"
        )


def _kind_of(response: httpx.Response) -> str:
    """The media type, without its parameters."""
    kind: str = response.headers.get("content-type", "no content type")
    return visible(kind.partition(";")[0].strip().lower())


def _one_line(text: object) -> str:
    return visible(" ".join(str(text or "").split()))


def _json(content: bytes) -> object:
    """The JSON in `content`, or None."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _reason(error: BaseException) -> str:
    """What the system said, from the bottom of the chain of causes."""
    if isinstance(error, (httpx.TimeoutException, trio.TooSlowError)):
        return "no answer in time"
    reason = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):  # one error for each address of the host
            cause = cause.exceptions[0]
        if isinstance(cause, (socket.gaierror, ssl.SSLError)):  # they have numbers of their own
            reason = cause.strerror or reason
        elif isinstance(cause, OSError) and cause.errno:
            reason = os.strerror(cause.errno)  # Trio's text names the address again
        cause = cause.__cause__ or cause.__context__
    return reason.lower() or type(error).__name__
