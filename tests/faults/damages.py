"""What a disk can make of an SQLite file."""

from collections.abc import Callable

PAGE = 4096


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit is another."""
    return lambda good: good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "its first bytes flipped": flipped(3),
    "a bit of a page's kind flipped": flipped(7 * PAGE),
    "a bit of the schema flipped": flipped(100),
    "the second half torn off": lambda good: good[: len(good) // 2],
    "torn within a page": lambda good: good[: len(good) - PAGE // 2],
    "a page that was never written": lambda good: good[: 5 * PAGE] + bytes(PAGE) + good[6 * PAGE :],
    "a page of another file": lambda good: good[: 5 * PAGE] + b"another " * (PAGE // 8) + good[6 * PAGE :],
}
