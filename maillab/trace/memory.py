"""The last records, in little room: the newest as they are, those before them packed in blocks.

A record as a dict takes about a kilobyte.  One is much like the next, so that a block of them shrinks to some thirty
octets each; packing costs less than a microsecond, and reading again only those pay who look back.  Each record is
packed once: who keeps some of them for longer, as a trace does, keeps an excerpt, and so their blocks.
"""

from __future__ import annotations

import itertools
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, overload

import orjson

from maillab.trace.record import Record

BLOCK_RECORDS: Final = 128  # packed in a tenth of a millisecond; a place in one takes an octet
OPENED_LIMIT_COUNT: Final = 64  # blocks that stay opened for who reads one trace after the other: 8 MB
# zlib's least effort: more saves two octets of thirty. A window of 16 KiB and little memory, because making both
# ready takes as long as half a block.
_LEVEL, _WINDOW_BITS, _MEMORY_LEVEL = 1, 14, 6


def packed(value: Any) -> bytes:
    """A JSON value in little room."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)
    return packing.compress(orjson.dumps(value)) + packing.flush()


def unpacked(octets: bytes) -> Any:
    """What `packed` was given."""
    return orjson.loads(zlib.decompress(octets, -_WINDOW_BITS))


class Block:
    """Records that followed each other; packed together, when they are no longer the newest."""

    __slots__ = ("_octets", "_records", "_unpack")

    def __init__(self, unpack: Callable[[bytes], list[Record]]) -> None:
        self._records: list[Record] | None = []
        self._octets = b""
        self._unpack = unpack

    def read(self) -> list[Record]:
        """Its records, which are not to be changed."""
        return self._unpack(self._octets) if self._records is None else self._records

    def pack(self) -> None:
        """Take little room from now on."""
        if self._records is not None:
            self._octets, self._records = packed(self._records), None


Place = tuple[Block, int]
"""Where a record is: its block, and which one of it."""


class Excerpt:
    """Some records, in nine octets each; the memory may forget them, an excerpt does not."""

    __slots__ = ("_blocks", "_indexes")

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._blocks: list[Block] = []
        self._indexes = bytearray()
        for place in places:
            self.append(place)

    def append(self, place: Place) -> None:
        """Take one record more."""
        block, index = place
        self._blocks.append(block)
        self._indexes.append(index)

    def __len__(self) -> int:
        return len(self._blocks)

    def places(self, count: int) -> list[Place]:
        """Where the first `count` are."""
        return [*itertools.islice(zip(self._blocks, self._indexes, strict=True), count)]

    def read(self, count: int) -> list[Record]:
        """The first `count` records."""
        return [block.read()[index] for block, index in self.places(count)]


class RecordMemory(Sequence[Record]):
    """The last `limit` records; a sequence that only grows at its end, and forgets at its beginning."""

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self._unpack = lru_cache(OPENED_LIMIT_COUNT)(unpacked)
        self._blocks: deque[Block] = deque()
        self._first_block_number = 0  # of all blocks there ever were
        self._begin_block()
        self.newest_place: Place = self._blocks[-1], -1
        """Where the newest record is."""

    def append(self, record: Record) -> Place:
        """Take one record more, and forget the oldest when there are too many."""
        if len(self._newest) == BLOCK_RECORDS:
            self._begin_block()
        place = self.newest_place = self._blocks[-1], len(self._newest)
        self._newest.append(record)
        return place

    @property
    def ever_count(self) -> int:
        """How many records it was ever given."""
        return self._first_block_number * BLOCK_RECORDS + self._stored_count

    def places_after(self, count: int) -> Iterator[Place]:
        """Where all but the first `count` are that it was ever given, as far as they are not forgotten."""
        for number in range(max(count, self.ever_count - len(self)), self.ever_count):
            block, within = divmod(number, BLOCK_RECORDS)
            yield self._blocks[block - self._first_block_number], within

    def after(self, count: int) -> Iterator[Record]:
        """All but the first `count` that it was ever given, as far as they are not forgotten."""
        return (block.read()[within] for block, within in self.places_after(count))

    def __len__(self) -> int:
        return min(self._stored_count, self.limit)

    def __iter__(self) -> Iterator[Record]:
        *blocks, _ = self._blocks
        in_blocks = (record for block in blocks for record in block.read())
        return itertools.islice(itertools.chain(in_blocks, [*self._newest]), self._stored_count - len(self), None)

    def __reversed__(self) -> Iterator[Record]:
        _, *blocks = reversed(self._blocks)
        in_blocks = (record for block in blocks for record in reversed(block.read()))
        return itertools.islice(itertools.chain(self._newest[::-1], in_blocks), len(self))

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        block, within = divmod(place + self._stored_count - len(self), BLOCK_RECORDS)
        return self._blocks[block].read()[within]

    @property
    def _stored_count(self) -> int:
        return (len(self._blocks) - 1) * BLOCK_RECORDS + len(self._newest)

    def _begin_block(self) -> None:
        """The one before stays as it is for those who read the newest, the one before that is packed."""
        if len(self._blocks) > 1:
            self._blocks[-2].pack()
        self._blocks.append(Block(self._unpack))
        self._newest = self._blocks[-1].read()
        if self._stored_count - BLOCK_RECORDS >= self.limit:
            self._blocks.popleft().pack()
            self._first_block_number += 1
