"""Argon2id by the reference library (RFC 9106), where that was built for this machine's processor: `make native`.

Its published wheels use SSE2 only and are slower than libsodium. Built with AVX2 it is as fast, and it takes its memory
from here: in huge pages, which a processor finds its way in sooner than in small ones. libsodium has the kernel make
4,864 small pages for each hash at the default cost, which is two fifths of what the hash takes.
"""

import contextlib
import mmap
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_HUGE_PAGE_BYTES = 2 * 1024 * 1024
_REFUSED = -22  # ARGON2_MEMORY_ALLOCATION_ERROR
_VERSION_13 = 0x13
_BINDINGS = "_argon2_cffi_bindings"

_mapped: dict[int, mmap.mmap] = {}
"""The memory of the hashes that are being computed, by the address given to the library."""


@cache
def is_built_here() -> bool:
    """Whether the library is there and was compiled on this machine: then its wheel is not one for all of Linux."""
    spec = find_spec(_BINDINGS)
    if spec is None or spec.origin is None:
        return False
    for wheel in Path(spec.origin).parent.parent.glob("argon2_cffi_bindings-*.dist-info/WHEEL"):
        return "linux_" in wheel.read_text() and "manylinux" not in wheel.read_text()
    return False


def argon2id(secret: bytes, salt: bytes, *, time_cost: int, memory_kib: int, lanes: int, length: int) -> bytes:
    """The key of so many bytes, computed in the calling thread; the GIL is released meanwhile.

    Raises MemoryError when the memory cannot be had, and ValueError for settings outside RFC 9106, section 3.1.
    """
    ffi, lib, allocate, free = _library()
    key = bytearray(length)
    context = ffi.new("argon2_context *")
    # Named, because what the context points to has to live until the end.
    buffers = [ffi.from_buffer("uint8_t[]", each) for each in (key, secret, salt)]
    context.out, context.pwd, context.salt = buffers
    context.outlen, context.pwdlen, context.saltlen = length, len(secret), len(salt)
    context.t_cost, context.m_cost = time_cost, memory_kib
    context.lanes, context.threads = lanes, 1
    context.version = _VERSION_13
    context.allocate_cbk, context.free_cbk = allocate, free
    outcome = lib.argon2_ctx(context, lib.Argon2_id)
    if outcome == _REFUSED:
        raise MemoryError(f"no {memory_kib} KiB of memory for a password hash")
    if outcome:
        raise ValueError(ffi.string(lib.argon2_error_message(outcome)).decode())
    return bytes(key)


@cache
def _library() -> tuple[Any, ...]:
    from _argon2_cffi_bindings import ffi, lib  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: PLC0415

    @ffi.callback("int(uint8_t **, size_t)", error=_REFUSED)  # type: ignore[untyped-decorator]
    def allocate(memory: Any, size: int) -> int:
        try:
            mapped = mmap.mmap(-1, size + _HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            return _REFUSED
        with contextlib.suppress(OSError):  # a kernel without huge pages: slower, and no more than that
            mapped.madvise(mmap.MADV_HUGEPAGE)
        start = int(ffi.cast("uintptr_t", ffi.from_buffer(mapped)))
        aligned = -(-start // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
        _mapped[aligned] = mapped
        memory[0] = ffi.cast("uint8_t *", aligned)
        return 0

    @ffi.callback("void(uint8_t *, size_t)")  # type: ignore[untyped-decorator]
    def free(memory: Any, _size: int) -> None:
        _mapped.pop(int(ffi.cast("uintptr_t", memory))).close()

    return ffi, lib, allocate, free
