"""A file of passwords to refuse: made once from a list, asked with two reads of some bytes, nothing kept in memory.

Of each password's SHA-1 the first 64 bits choose one of `buckets` (32 entries on average), the next 24 are its entry.
One password in half a million that is not on the list is refused all the same (32 / 2^24); none that is on it gets
through. A list of a million takes 3.1 MB. The numbers are big-endian:

    8 bytes             DWPF, version, three zeros
    8 bytes             entries
    8 bytes             buckets
    4 bytes a bucket, and 4 more: the number of its first entry
    3 bytes an entry
"""

import hashlib
import os
import re
import struct
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import BinaryIO

MAGIC = b"DWPF\x01\0\0\0"
HEADER = struct.Struct(">8sQQ")
BUCKET = struct.Struct(">II")
ENTRY_BYTES = 3
PLACE_BYTES = 8
RECORD_BYTES = PLACE_BYTES + ENTRY_BYTES
ENTRIES_IN_BUCKET = 32
MOST_ENTRIES = 2**32 - 1
# As breach corpora are handed out: a SHA-1 in hexadecimal, and how often it was seen.
HASHED = re.compile(rb"[0-9A-Fa-f]{40}(:\d+)?")


class FilterError(Exception):
    """The file is no filter; the message is one line that says what to do."""


class Filter:
    """An open filter. A file that takes its place is seen at the next start."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            head = os.pread(self._file, HEADER.size, 0)
            size = os.fstat(self._file).st_size
        except OSError as error:
            raise FilterError(f"{path}: can't be read ({error.strerror}): check the path and its mode") from error
        magic, self.entries, self._buckets = HEADER.unpack(head) if len(head) == HEADER.size else (b"", 0, 0)
        self._first_entry = HEADER.size + 4 * (self._buckets + 1)
        if magic != MAGIC or size != self._first_entry + ENTRY_BYTES * self.entries:
            raise FilterError(f"{path}: is no whole password filter: make it with `doorward passwords build-filter`")

    def holds(self, password: str) -> bool:
        """Whether the password is on the list."""
        record = _record(password.encode(errors="surrogatepass"))
        place = HEADER.size + 4 * _bucket(record, self._buckets)
        first, last = BUCKET.unpack(os.pread(self._file, BUCKET.size, place))
        entries = os.pread(self._file, ENTRY_BYTES * (last - first), self._first_entry + ENTRY_BYTES * first)
        wanted = record[PLACE_BYTES:]
        return any(entries[at : at + ENTRY_BYTES] == wanted for at in range(0, len(entries), ENTRY_BYTES))


@cache
def opened(path: Path) -> Filter:
    """The filter in the file, opened once. Raises FilterError."""
    return Filter(path)


def build(lines: Iterable[bytes], target: Path) -> int:
    """Make a filter of passwords (UTF-8) or SHA-1 digests, one a line; gives how many. Raises FilterError, OSError.

    Memory is needed for a 256th of the list; beside the target, disk space for 11 bytes a line.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".filter-") as folder:
        parts = _spool(lines, Path(folder))
        entries = sum(_sort(part) for part in parts)
        if not 0 < entries <= MOST_ENTRIES:
            raise FilterError(f"the list has {entries} passwords: a filter takes 1 to {MOST_ENTRIES}")
        draft = Path(folder) / "filter"
        with draft.open("wb") as file:
            _write(file, parts, entries)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    return entries


def _spool(lines: Iterable[bytes], folder: Path) -> list[Path]:
    """The records in 256 files by their first byte."""
    parts = [folder / f"{number:02x}" for number in range(256)]
    with ExitStack() as stack:
        files = [stack.enter_context(part.open("wb")) for part in parts]
        for line in lines:
            password = line.rstrip(b"\r\n")
            if password:
                record = _record(password)
                files[record[0]].write(record)
    return parts


def _sort(part: Path) -> int:
    """Sort the records of a file and drop repeats; gives how many are left."""
    records = sorted(set(_records(part)))
    part.write_bytes(b"".join(records))
    return len(records)


def _records(part: Path) -> Iterator[bytes]:
    raw = part.read_bytes()
    return (raw[at : at + RECORD_BYTES] for at in range(0, len(raw), RECORD_BYTES))


def _write(file: BinaryIO, parts: list[Path], entries: int) -> None:
    buckets = max(1, entries // ENTRIES_IN_BUCKET)
    counts = array("L", bytes(array("L").itemsize * buckets))
    file.seek(HEADER.size + 4 * (buckets + 1))
    for part in parts:
        records = list(_records(part))
        for record in records:
            counts[_bucket(record, buckets)] += 1
        file.write(b"".join(record[PLACE_BYTES:] for record in records))
    file.seek(0)
    file.write(HEADER.pack(MAGIC, entries, buckets))
    first = 0
    for count in counts:
        file.write(first.to_bytes(4, "big"))
        first += count
    file.write(first.to_bytes(4, "big"))


def _record(password: bytes) -> bytes:
    if HASHED.fullmatch(password):
        return bytes.fromhex(password[:40].decode())[:RECORD_BYTES]
    # SHA-1 because breach corpora come in it; nothing here rests on its strength.
    return hashlib.sha1(password, usedforsecurity=False).digest()[:RECORD_BYTES]


def _bucket(record: bytes, buckets: int) -> int:
    return int.from_bytes(record[:PLACE_BYTES], "big") * buckets >> 8 * PLACE_BYTES
