"""What one life of a process sees of the network, and what the network sees when that life ends.

A `Machine` stands between a process and the `MemoryNetwork` that all share.  Killed, it falls silent at that very
instant: nothing more leaves, and its connections are reset, or hang when the power went.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random
from typing import Final

import attrs
import trio

from maillab.network.caller import Caller
from maillab.network.datagrams import DatagramSocket
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryListener, MemoryNetwork
from maillab.network.memory_datagrams import WILDCARDS
from maillab.network.memory_stream import MemoryStream
from maillab.network.network import Network, NetworkListener, NetworkStream
from tests.simulation.plan import Weather

SENDS_LIMIT_COUNT: Final = 60_000  # of a whole run: more is a lab that will not come to rest


class RestlessError(Exception):
    """The lab goes on and on."""


@attrs.define(eq=False)
class Wire:
    """What connects the machines: one network in memory, and who is where."""

    weather: Weather
    chance: Random
    network: MemoryNetwork = attrs.field(factory=MemoryNetwork)
    machines: dict[str, Machine] = attrs.field(factory=dict)
    """By address; a machine that is down stays until its next life."""
    ends: dict[tuple[Endpoint, Endpoint], MachineStream] = attrs.field(factory=dict)
    """Every open end of a connection, by where it is and where it leads."""
    send_count: int = 0
    reset_count: int = 0
    is_healed: bool = False

    async def travel(self) -> None:
        """What octets wait for on their way."""
        self.send_count += 1
        if self.send_count > SENDS_LIMIT_COUNT:
            raise RestlessError(f"octets were sent {self.send_count} times")
        if self.weather.latency_seconds:
            await trio.sleep(self.chance.random() * self.weather.latency_seconds)

    def resets(self) -> bool:
        """Is it now that a connection is reset?"""
        if self.is_healed or not self.weather.reset_chance or self.chance.random() >= self.weather.reset_chance:
            return False
        self.reset_count += 1
        return True

    def piece(self, max_octets: int | None) -> int | None:
        """How much is read at most: TCP keeps octets in order, and nothing else together."""
        if not self.weather.fragments:
            return max_octets
        some = self.chance.choice((1, 2, 7, 40, 1400, 65536))
        return some if max_octets is None else min(some, max_octets)


class Machine(Network):
    """One life of a process; `addresses` are those of its servers."""

    def __init__(
        self,
        wire: Wire,
        addresses: Collection[str],
        last_octets: Callable[[bytes], int | None] = lambda _: None,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        """`last_octets` hears what is about to leave; a number is how much of it does before `kill` is called."""
        self.is_dead = False
        self.is_silent = False
        self._wire = wire
        self._addresses = tuple(addresses)
        self.last_octets = last_octets
        self.kill = kill
        self.streams: dict[MachineStream, None] = {}
        wire.machines |= dict.fromkeys(addresses, self)

    def die(self, *, silently: bool) -> None:
        """The end of this life, at once."""
        self.is_dead = True
        self.is_silent = silently
        for stream in [*self.streams]:
            stream.cut(silently=silently)

    async def listen(self, endpoint: Endpoint) -> MachineListener:
        # A container has all interfaces to itself; here they are those of this machine.
        host = self._addresses[0] if endpoint.host in WILDCARDS else endpoint.host
        return MachineListener(self, await self._wire.network.listen(Endpoint(host, endpoint.port)))

    async def connect(self, target: Endpoint, source: str | None, caller: Caller | None) -> MachineStream:
        await self._wire.travel()
        if (there := self._wire.machines.get(target.host)) is not None and there.is_dead and there.is_silent:
            await trio.sleep_forever()  # as long as its caller has patience
        if self.is_dead or (there is not None and there.is_dead):
            await trio.lowlevel.checkpoint()
            raise ConnectionRefusedError
        return self.wrapped(await self._wire.network.connect(target, source, caller))

    async def datagrams(self, endpoint: Endpoint) -> DatagramSocket:
        host = self._addresses[0] if endpoint.host in WILDCARDS else endpoint.host
        return await self._wire.network.datagrams(Endpoint(host, endpoint.port))

    def caller(self, peer: Endpoint) -> Caller | None:
        # Of this process only: what others call their connections is their own affair.
        return self._wire.network.caller(peer) if peer.host in self._addresses else None

    def wrapped(self, inner: MemoryStream) -> MachineStream:
        stream = MachineStream(self, self._wire, inner)
        self.streams[stream] = None
        return stream

    def forget(self, stream: MachineStream) -> None:
        self.streams.pop(stream, None)


class MachineListener(NetworkListener):
    """Accepts for one machine."""

    def __init__(self, machine: Machine, inner: MemoryListener) -> None:
        self.local = inner.local
        self._machine = machine
        self._inner = inner

    async def accept(self) -> MachineStream:
        inner = await self._inner.accept()
        if self._machine.is_dead:
            inner.leave(reset=True)
            raise trio.ClosedResourceError("this machine is down")
        return self._machine.wrapped(inner)

    async def aclose(self) -> None:
        await self._inner.aclose()


class MachineStream(NetworkStream):
    """One end of a connection, at a machine that may die."""

    def __init__(self, machine: Machine, wire: Wire, inner: MemoryStream) -> None:
        self.local = inner.local
        self.peer = inner.peer
        self._machine = machine
        self._wire = wire
        self._inner = inner
        self._is_reset = False
        wire.ends[self.local, self.peer] = self

    @property
    def has_octets_waiting(self) -> bool:
        return self._inner.has_octets_waiting and not self._machine.is_dead

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._require_life()
        await self._wire.travel()
        self._require_life()
        octets = bytes(data)
        some = self._machine.last_octets(octets)
        if some is None and self._wire.resets():
            await self._inner.send_all(octets[: self._wire.chance.randint(0, len(octets))])
            other = self._wire.ends.get((self.peer, self.local))
            for end in (self, other):
                if end is not None:
                    end.reset()
            self._require_life()
        await self._inner.send_all(octets if some is None else octets[:some])
        if some is not None:
            self._machine.kill()
            raise trio.BrokenResourceError("this machine is down")

    async def wait_send_all_might_not_block(self) -> None:
        self._require_life()
        await self._inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        self._require_life()
        await self._inner.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        self._require_life()
        try:
            octets = await self._inner.receive_some(self._wire.piece(max_bytes))
        except trio.ClosedResourceError:
            self._require_life()
            raise
        self._require_life()
        return octets

    def abort(self) -> None:
        if not self._machine.is_dead:
            self.cut(silently=False)

    async def aclose(self) -> None:
        if self._machine.is_dead:
            await trio.lowlevel.checkpoint()
            return
        self._forget()
        await self._inner.aclose()

    def cut(self, *, silently: bool) -> None:
        """The machine is dead.  Silently, the other end waits for ever, as long as nobody answers for this one."""
        if not silently:
            self._forget()
            self._inner.leave(reset=True)

    def reset(self) -> None:
        """The network has had enough of this connection; its owner finds out."""
        self._is_reset = True
        self.cut(silently=False)

    def _forget(self) -> None:
        self._machine.forget(self)
        self._wire.ends.pop((self.local, self.peer), None)

    def _require_life(self) -> None:
        if self._machine.is_dead or self._is_reset:
            raise trio.BrokenResourceError("this machine is down, or the connection reset")
        other = self._wire.ends.get((self.peer, self.local))
        if other is not None and other._machine.is_dead and self._wire.machines[other.local.host] is not other._machine:
            raise trio.BrokenResourceError("the machine at the other end was started again, and resets this connection")
