"""TLS over any network stream: the stream stays what it is, only nobody else can read it."""

from __future__ import annotations

import ssl
from typing import Final

import trio

from maillab.network.network import NetworkStream

HANDSHAKE_TIMEOUT_SECONDS: Final = 30.0


class TlsError(Exception):
    """The handshake failed; `str()` says why."""


class TlsStream(NetworkStream):
    """A network stream inside TLS."""

    def __init__(self, inner: NetworkStream, tls: trio.SSLStream[NetworkStream]) -> None:
        self.local = inner.local
        self.peer = inner.peer
        self._inner = inner
        self._tls = tls

    @property
    def description(self) -> str:
        """Protocol version and cipher: "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
        cipher: tuple[str, str, int] | None = self._tls.cipher()
        return " ".join(word for word in (self._tls.version(), cipher and cipher[0]) if word)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._tls.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._tls.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        # Not here: RFC 8446 section 6.1 has a half-close, but its libraries have none. The end is told by closing.
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            return await self._tls.receive_some(max_bytes)
        except trio.BrokenResourceError as error:
            # Many programs close without the close_notify of RFC 8446 section 6.1. Mail has ends of its own, so
            # nothing is cut off unnoticed.
            if isinstance(error.__cause__, ssl.SSLEOFError | ssl.SSLSyscallError):
                return b""
            raise

    async def aclose(self) -> None:
        """Tell the other side that this is the end (RFC 8446 section 6.1), and close the stream inside too."""
        await self._tls.aclose()

    def abort(self) -> None:
        self._inner.abort()


async def serve_tls(stream: NetworkStream, context: ssl.SSLContext) -> TlsStream:
    """The server's side of a handshake.

    Raises:
        TlsError: it failed, or took longer than `HANDSHAKE_TIMEOUT_SECONDS`.
    """
    return await _shake_hands(stream, trio.SSLStream(stream, context, server_side=True))


async def connect_tls(stream: NetworkStream, context: ssl.SSLContext, host: str) -> TlsStream:
    """The client's side of a handshake with `host`.

    Raises:
        TlsError: it failed, or took longer than `HANDSHAKE_TIMEOUT_SECONDS`.
    """
    return await _shake_hands(stream, trio.SSLStream(stream, context, server_hostname=host))


async def _shake_hands(stream: NetworkStream, tls: trio.SSLStream[NetworkStream]) -> TlsStream:
    try:
        with trio.fail_after(HANDSHAKE_TIMEOUT_SECONDS):
            await tls.do_handshake()
    except trio.TooSlowError:
        raise TlsError(f"no handshake within {HANDSHAKE_TIMEOUT_SECONDS:.0f} s") from None
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        reason = error.__cause__
        words = getattr(reason, "reason", None) or (str(reason) if reason else "connection lost")
        raise TlsError(f"handshake failed: {words}") from None
    return TlsStream(stream, tls)
