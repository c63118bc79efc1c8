"""The last records, in little room: the newest as they are, those before them packed in blocks.

A record as a dict takes about a kilobyte.  One is much like the next, so that a block of them shrinks to some twenty
octets each; packing costs about a microsecond, and reading again only those pay who look back.
"""

from __future__ import annotations

import itertools
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, overload

import orjson

from maillab.trace.record import Record

BLOCK_RECORDS: Final = 256  # packed in a quarter of a millisecond, which nobody notices
# zlib's least effort: more saves two octets of twenty. A window of 8 KiB and little memory, because for the few
# kilobytes of a trace most of the time goes into making both ready: 19 microseconds, and 75 as zlib would have it.
_LEVEL, _WINDOW_BITS, _MEMORY_LEVEL = 1, 13, 5


def packed(value: Any) -> bytes:
    """A JSON value in little room."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)
    return packing.compress(orjson.dumps(value)) + packing.flush()


def unpacked(octets: bytes) -> Any:
    """What `packed` was given."""
    return orjson.loads(zlib.decompress(octets, -_WINDOW_BITS))


class RecordMemory(Sequence[Record]):
    """The last `limit` records; a sequence that only grows at its end, and forgets at its beginning."""

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self._blocks: deque[bytes] = deque()
        self._newest: list[Record] = []
        self._first_block_number = 0  # of all blocks there ever were
        self._opened: tuple[int, list[Record]] = (-1, [])  # the block that was read last, by its number

    def append(self, record: Record) -> None:
        """Take one record more, and forget the oldest when there are too many."""
        self._newest.append(record)
        if len(self._newest) < 2 * BLOCK_RECORDS:
            return
        self._blocks.append(packed(self._newest[:BLOCK_RECORDS]))
        del self._newest[:BLOCK_RECORDS]
        if self._stored_count - BLOCK_RECORDS >= self.limit:
            self._blocks.popleft()
            self._first_block_number += 1

    @property
    def ever_count(self) -> int:
        """How many records it was ever given."""
        return self._first_block_number * BLOCK_RECORDS + self._stored_count

    def after(self, count: int) -> Iterator[Record]:
        """All but the first `count` that it was ever given, as far as they are not forgotten."""
        for index in range(max(0, len(self) - self.ever_count + count), len(self)):
            yield self[index]

    def __len__(self) -> int:
        return min(self._stored_count, self.limit)

    def __iter__(self) -> Iterator[Record]:
        blocks, newest = tuple(self._blocks), tuple(self._newest)
        forgotten = self._stored_count - len(self)
        in_blocks = (record for block in blocks for record in unpacked(block))
        return itertools.islice(itertools.chain(in_blocks, newest), forgotten, None)

    def __reversed__(self) -> Iterator[Record]:
        blocks, newest = tuple(self._blocks), tuple(self._newest)
        in_blocks = (record for block in reversed(blocks) for record in reversed(unpacked(block)))
        return itertools.islice(itertools.chain(reversed(newest), in_blocks), len(self))

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
        if block >= len(self._blocks):
            return self._newest[within + (block - len(self._blocks)) * BLOCK_RECORDS]
        return self._block(block)[within]

    @property
    def _stored_count(self) -> int:
        return len(self._blocks) * BLOCK_RECORDS + len(self._newest)

    def _block(self, index: int) -> list[Record]:
        """A packed block, opened once for all who read on in it."""
        number = self._first_block_number + index
        if self._opened[0] != number:
            self._opened = number, unpacked(self._blocks[index])
        return self._opened[1]
