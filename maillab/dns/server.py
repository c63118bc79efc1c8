"""The name server's shell: sockets on one side, the zones on the other."""

from __future__ import annotations

import contextlib
import errno
import traceback
from typing import Final

import attrs
import trio
from dns.rcode import Rcode

from maillab.dns.rate import RateLimit, Verdict
from maillab.dns.response import QUERY_LIMIT_OCTETS, Transport, bare_response, respond
from maillab.dns.zone import Zones
from maillab.network.datagrams import DatagramSocket
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network, NetworkListener, NetworkStream
from maillab.trace.recorder import RecordLog

CONNECTION_LIMIT: Final = 150  # as many as BIND's tcp-clients
IDLE_SECONDS: Final = 10.0  # RFC 7766 section 6.2.3: a few seconds
FREE_PORT_TRIES: Final = 20
_LENGTH_OCTETS: Final = 2  # RFC 1035 section 4.2.2
_RECEIVE_OCTETS: Final = 1024  # a few queries between two checkpoints: names of 100 labels take milliseconds each
_FLUSH_OCTETS: Final = 1 << 16  # responses gathered for one write


@attrs.frozen
class DnsListener(trio.abc.AsyncResource):
    """Both doors of a name server, at one address and port."""

    datagrams: DatagramSocket
    streams: NetworkListener

    @property
    def local(self) -> Endpoint:
        return self.streams.local

    async def aclose(self) -> None:
        """Stop listening at both."""
        try:
            await self.datagrams.aclose()
        finally:
            await self.streams.aclose()


async def listen(network: Network, endpoint: Endpoint) -> DnsListener:
    """Listen at `endpoint` for datagrams and connections; port 0 means any port that is free for both.

    Raises:
        OSError: as `Network.listen`.
    """
    tries_left = 1 if endpoint.port else FREE_PORT_TRIES
    while True:
        tries_left -= 1
        streams = await network.listen(endpoint)
        try:
            return DnsListener(await network.datagrams(streams.local), streams)
        except BaseException as error:
            await trio.aclose_forcefully(streams)
            if not tries_left or not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
                raise


class DnsServer:
    """Answers for the zones of a lab, and for nothing else; one server may serve many listeners.

    A fault in one query is a record and SERVFAIL to its client, and the next query is answered.
    """

    def __init__(
        self, zones: Zones, log: RecordLog, *, rate_limit: RateLimit | None = None, crash_ends_all: bool = False
    ) -> None:
        """`crash_ends_all` is for tests: a fault of our own comes out of `serve`."""
        self._zones = zones
        self._log = log
        self._rate_limit = rate_limit or RateLimit()
        self._crash_ends_all = crash_ends_all
        self._connection_count = 0

    async def serve(self, listener: DnsListener) -> None:
        """Answer until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.serve_datagrams, listener.datagrams)
            await trio.serve_listeners(self.serve_stream, [listener.streams], handler_nursery=nursery)

    async def serve_datagrams(self, socket: DatagramSocket) -> None:
        """Answer datagrams, each with one or none, until cancelled."""
        while True:
            octets, client = await socket.receive_from()
            verdict = self._rate_limit.judge(client.host, trio.current_time())
            if verdict is Verdict.DROP:
                continue
            response = self._respond(octets, Transport.UDP, truncate=verdict is Verdict.TRUNCATE)
            if response is not None:
                with contextlib.suppress(OSError):  # the client's address may be forged, or its network gone
                    await socket.send_to(response, client)

    async def serve_stream(self, stream: NetworkStream) -> None:
        """Answer the queries of one connection until it ends or stays idle, and close it."""
        self._connection_count += 1
        try:
            if self._connection_count <= CONNECTION_LIMIT:
                with trio.move_on_after(IDLE_SECONDS) as idle:
                    await self._answer_all(stream, idle)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            self._connection_count -= 1
            await trio.aclose_forcefully(stream)

    async def _answer_all(self, stream: NetworkStream, idle: trio.CancelScope) -> None:
        """Only a query that was answered moves the deadline: not single octets, nor a client that does not read."""
        buffer, unsent = bytearray(), bytearray()
        while octets := await stream.receive_some(_RECEIVE_OCTETS):
            buffer += octets
            while len(buffer) >= _LENGTH_OCTETS:
                length = int.from_bytes(buffer[:_LENGTH_OCTETS])
                if length > QUERY_LIMIT_OCTETS:
                    return
                end = _LENGTH_OCTETS + length
                if len(buffer) < end:
                    break
                response = self._respond(bytes(buffer[_LENGTH_OCTETS:end]), Transport.TCP)
                del buffer[:end]
                if response is not None:
                    unsent += len(response).to_bytes(_LENGTH_OCTETS) + response
                if len(unsent) > _FLUSH_OCTETS:
                    await self._flush(stream, unsent, idle)
            if unsent:
                await self._flush(stream, unsent, idle)

    async def _flush(self, stream: NetworkStream, unsent: bytearray, idle: trio.CancelScope) -> None:
        await stream.send_all(bytes(unsent))
        unsent.clear()
        idle.deadline = trio.current_time() + IDLE_SECONDS

    def _respond(self, octets: bytes, transport: Transport, *, truncate: bool = False) -> bytes | None:
        try:
            return respond(self._zones, octets, transport, truncate=truncate)
        except Exception as error:
            self._log.record("connection.crashed", error="".join(traceback.format_exception(error)))
            if self._crash_ends_all:
                raise
            return bare_response(octets, Rcode.SERVFAIL)
