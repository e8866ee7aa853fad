"""The members of a ZIP file that a stranger wrote. Names are looked up and never become paths.

The table of members is checked as a whole before one is read: how many there are, that each lies in the file, alone,
and that none unpacks to far more than it is. Only these members can be read, in order, whole, with their checksum.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from models.memory import readable
from models.trace_files.refusals import Spoilt, shown

MAX_MEMBERS, MAX_TABLE = 20_000, 4_000_000
# What a member may unpack to: this many times its size. Weights of a causal head, of which half are 0, reach 3.
MAX_RATIO, FREE_OF_RATIO = 300, 1_000_000
_CHUNK = 2**20
_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT, _WIDE = 2**16 - 1, 2**32 - 1
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True)
class Member:
    """One member: `size` bytes, stored as `packed` bytes; its local header begins at `start` and it ends by `end`."""

    name: str
    size: int
    packed: int
    deflated: bool
    checksum: int
    start: int
    end: int


class Archive:
    """A ZIP file open for reading; use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.n_bytes = os.fstat(self._file.fileno()).st_size
            self.members = self._read_table()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read_at(self, start: int, n_bytes: int) -> bytes:
        self._file.seek(start)
        found = self._file.read(n_bytes)
        if len(found) != n_bytes:
            raise Spoilt("it ends too early")
        return found

    def _read_table(self) -> dict[str, Member]:
        n_members, n_bytes, start = self._find_table()
        if n_members > MAX_MEMBERS or n_bytes > MAX_TABLE:
            raise Spoilt(f"it has {n_members:,} members, expected {MAX_MEMBERS:,} at most")
        if start + n_bytes > self.n_bytes:
            raise Spoilt("its table of members lies beyond its end")
        entries = list(_read_entries(self._read_at(start, n_bytes), n_members))
        found: dict[str, Member] = {}
        for one, following in zip(entries, [*entries[1:], None], strict=False):
            end = start if following is None else following.start
            if one.start + _LOCAL.size + one.packed > end:
                raise Spoilt(f"its members {shown(one.name)!r} and what follows overlap")
            found[one.name] = Member(one.name, one.size, one.packed, one.deflated, one.checksum, one.start, end)
        if len(found) < len(entries):
            raise Spoilt("it has two members of one name")
        return found

    def _find_table(self) -> tuple[int, int, int]:
        """Return the number of members, and the size and the start of their table."""
        tail_bytes = min(self.n_bytes, _END.size + _LONGEST_COMMENT)
        tail = self._read_at(self.n_bytes - tail_bytes, tail_bytes)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise Spoilt("it is not a whole ZIP file")
        _, disk, first_disk, _, n_members, n_bytes, start, _ = _END.unpack_from(tail, at)
        if disk or first_disk:
            raise Spoilt("it is a part of several ZIP files", "join them")
        if n_members == 2**16 - 1 or _WIDE in (n_bytes, start):
            if at < _LOCATOR.size or tail[at - _LOCATOR.size : at][:4] != b"PK\x06\x07":
                raise Spoilt("it is not a whole ZIP file")
            place = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)[2]
            if place + _END64.size > self.n_bytes:
                raise Spoilt("its table of members lies beyond its end")
            mark, _, _, _, _, _, _, n_members, n_bytes, start = _END64.unpack(self._read_at(place, _END64.size))
            if mark != b"PK\x06\x06":
                raise Spoilt("it is not a whole ZIP file")
        return n_members, n_bytes, start

    def open(self, name: str) -> Stream:
        """Return a stream over a member.

        Raises:
            Spoilt: there is no such member, or its place in the file is not as the table says.
        """
        member = self.members.get(name)
        if member is None:
            raise Spoilt(f"it has no member {shown(name)!r}")
        mark, *_, name_bytes, extra_bytes = _LOCAL.unpack(self._read_at(member.start, _LOCAL.size))
        data = member.start + _LOCAL.size + name_bytes + extra_bytes
        if mark != b"PK\x03\x04" or data + member.packed > member.end:
            raise Spoilt(f"its member {shown(name)!r} is not where its table says")
        return Stream(self, member, data)

    def read(self, name: str) -> bytes:
        """Return a whole member; check its size first."""
        stream = self.open(name)
        found = bytearray(stream.member.size)
        stream.fill(memoryview(found))
        stream.finish()
        return bytes(found)


class Stream:
    """The bytes of one member, from the first to the last."""

    def __init__(self, archive: Archive, member: Member, place: int) -> None:
        self.member = member
        self._archive, self._place, self._packed_left = archive, place, member.packed
        self._left, self._checksum, self._waiting = member.size, 0, b""
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if member.deflated else None

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes, all of them."""
        found = bytearray(min(n_bytes, self._left))
        if len(found) < n_bytes:
            raise Spoilt(f"its member {shown(self.member.name)!r} is too short")
        self.fill(memoryview(found))
        return bytes(found)

    def fill(self, view: memoryview) -> None:
        """Fill memory with the next bytes, a piece at a time."""
        if len(view) > self._left:
            raise Spoilt(f"its member {shown(self.member.name)!r} is too short")
        self._left -= len(view)
        filled = 0
        while filled < len(view):
            part = view[filled : filled + _CHUNK]
            n_bytes = self._fill_stored(part) if self._unpacker is None else self._fill_unpacked(part)
            if not n_bytes:
                raise Spoilt(f"its member {shown(self.member.name)!r} is too short")
            self._checksum = zlib.crc32(part[:n_bytes], self._checksum)
            filled += n_bytes

    def _fill_stored(self, part: memoryview) -> int:
        self._archive._file.seek(self._place)
        n_bytes = self._archive._file.readinto(part)
        self._place += n_bytes
        return n_bytes

    def _fill_unpacked(self, part: memoryview) -> int:
        assert self._unpacker is not None
        found = b""
        while not found:
            if not self._waiting and self._packed_left:
                self._waiting = self._archive._read_at(self._place, min(_CHUNK, self._packed_left))
                self._place += len(self._waiting)
                self._packed_left -= len(self._waiting)
            ended = not self._waiting or self._unpacker.eof
            try:
                found = self._unpacker.decompress(self._waiting, len(part))
            except zlib.error as error:
                raise Spoilt(f"its member {shown(self.member.name)!r} cannot be unpacked") from error
            self._waiting = self._unpacker.unconsumed_tail
            if ended:
                break
        part[: len(found)] = found
        return len(found)

    def finish(self) -> None:
        """Check that everything was read and that it is what was written."""
        if self._left:
            raise Spoilt(f"its member {shown(self.member.name)!r} is too long")
        if self._checksum != self.member.checksum:
            raise Spoilt(f"its member {shown(self.member.name)!r} is damaged: the checksum is wrong")


def _read_entries(table: bytes, n_members: int) -> Iterator[Member]:
    """Yield the members in the order of their places in the file; each one's end is not known yet."""
    found, at = [], 0
    for _ in range(n_members):
        if at + _ENTRY.size > len(table):
            raise Spoilt("its table of members is too short")
        mark, _, _, flags, method, _, _, checksum, packed, size, n_name, n_extra, n_comment, *_, start = (
            _ENTRY.unpack_from(table, at)
        )
        if mark != b"PK\x01\x02":
            raise Spoilt("its table of members is damaged")
        at += _ENTRY.size
        raw_name, extra = table[at : at + n_name], table[at + n_name : at + n_name + n_extra]
        at += n_name + n_extra + n_comment
        name = raw_name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
        size, packed, start = _widen(extra, size, packed, start)
        found.append(_check_entry(Member(name, size, packed, method == _DEFLATED, checksum, start, 0), flags, method))
    if at != len(table):
        raise Spoilt("its table of members is too long")
    yield from sorted(found, key=lambda one: one.start)


def _widen(extra: bytes, *numbers: int) -> tuple[int, ...]:
    """Return size, packed size and start, from the field of 64-bit numbers where they do not fit into 32 bits."""
    if _WIDE not in numbers:
        return numbers
    at = 0
    while at + 4 <= len(extra):
        kind, n_bytes = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            n_wide = numbers.count(_WIDE)
            if n_bytes < 8 * n_wide or at + 4 + n_bytes > len(extra):
                break
            wide = iter(struct.unpack_from(f"<{n_wide}Q", extra, at + 4))
            return tuple(next(wide) if number == _WIDE else number for number in numbers)
        at += 4 + n_bytes
    raise Spoilt("its table of members is damaged")


def _check_entry(member: Member, flags: int, method: int) -> Member:
    if flags & _ENCRYPTED:
        raise Spoilt("it is encrypted", "save it without a password")
    if method not in (_STORED, _DEFLATED):
        raise Spoilt(f"its member {shown(member.name)!r} is packed in a way that is not read", "save it with NumPy")
    if not member.deflated and member.size != member.packed:
        raise Spoilt(f"its member {shown(member.name)!r} has two sizes")
    if member.size > max(FREE_OF_RATIO, MAX_RATIO * member.packed):
        raise Spoilt(
            f"its member {shown(member.name)!r} says that it unpacks from {readable(member.packed)} to "
            f"{readable(member.size)}",
            "save it without compression",
        )
    return member
