"""Argon2id by the reference library (RFC 9106), where that was built for this machine's processor: `make native`.

Its published wheels use SSE2 only and are slower than libsodium. Built with AVX2 it is as fast, and it takes its memory
from here: in huge pages, which a processor finds its way in sooner than in small ones. libsodium has the kernel make
4,864 small pages for each hash at the default cost, which is two fifths of what the hash takes.
"""

import contextlib
import ctypes
import mmap
import sys
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

_spares: list[mmap.mmap] = []
"""Memory of hashes that are done; until `release` the next ones are computed in it."""


@cache
def is_usable() -> bool:
    """Whether the library is there, was compiled and not fetched, can be loaded, and may call back from C.

    The image's is compiled elsewhere and says what it needs: the loader refuses it to an older processor. Where the
    process may make no code (systemd's `MemoryDenyWriteExecute`) it depends on how libffi was built.
    """
    if not _is_built_here():
        return False
    try:
        _library()
    except (ImportError, MemoryError, OSError):
        return False
    return True


def _is_built_here() -> bool:
    """By the tag of its wheel: a published one is for all of Linux."""
    spec = find_spec(_BINDINGS)
    if spec is None or spec.origin is None:
        return False
    wheels = Path(spec.origin).parent.parent.glob("argon2_cffi_bindings-*.dist-info/WHEEL")
    return any("-linux_" in wheel.read_text() for wheel in wheels)


def argon2id(secret: bytes, salt: bytes, *, time_cost: int, memory_kib: int, lanes: int, length: int) -> bytes:
    """The key of so many bytes, computed in the calling thread; the GIL is released meanwhile.

    Raises MemoryError when the memory cannot be had, and ValueError for settings outside RFC 9106, section 3.1.
    """
    ffi, lib, pointers, _ = _library()
    key = bytearray(length)
    context = ffi.new("argon2_context *")
    # Named, because what the context points to has to live until the end.
    buffers = [ffi.from_buffer("uint8_t[]", each) for each in (key, secret, salt)]
    context.out, context.pwd, context.salt = buffers
    context.outlen, context.pwdlen, context.saltlen = length, len(secret), len(salt)
    context.t_cost, context.m_cost = time_cost, memory_kib
    context.lanes, context.threads = lanes, 1
    context.version = _VERSION_13
    context.allocate_cbk, context.free_cbk = pointers
    outcome = lib.argon2_ctx(context, lib.Argon2_id)
    if outcome == _REFUSED:
        raise MemoryError(f"no {memory_kib} KiB of memory for a password hash")
    if outcome:
        raise ValueError(ffi.string(lib.argon2_error_message(outcome)).decode())
    return bytes(key)


@cache
def _library() -> tuple[Any, ...]:
    """The bindings, and what gives the library its memory and takes it back. Raises what `is_usable` catches."""
    from _argon2_cffi_bindings import ffi, lib  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: PLC0415

    # It would wipe the memory, which the next hash overwrites or the kernel takes back (decision 0011).
    with contextlib.suppress(KeyError, OSError, ValueError):  # built in another way: slower, and no more than that
        library = ctypes.CDLL(sys.modules[f"{_BINDINGS}._ffi"].__file__)
        ctypes.c_int.in_dll(library, "FLAG_clear_internal_memory").value = 0
    # By ctypes, whose libffi makes no code at run time on Debian; that of cffi's wheels does.
    allocate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t)(_allocate)
    free = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)(_free)
    pointers = (
        ffi.cast("allocate_fptr", ctypes.cast(allocate, ctypes.c_void_p).value),
        ffi.cast("deallocate_fptr", ctypes.cast(free, ctypes.c_void_p).value),
    )
    # The callbacks with them: they live for as long as this answer is kept.
    return ffi, lib, pointers, (allocate, free)


def release() -> None:
    """Give back the memory that is kept for the next hash: to get it anew costs a tenth of one."""
    while _spares:
        with contextlib.suppress(IndexError):  # another thread was faster
            _spares.pop().close()


def _allocate(memory: Any, size: int) -> int:
    try:
        mapped = _mapping(size + _HUGE_PAGE_BYTES)
    except OSError:
        return _REFUSED
    start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    aligned = -(-start // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
    _mapped[aligned] = mapped
    memory[0] = aligned
    return 0


def _mapping(size: int) -> mmap.mmap:
    with contextlib.suppress(IndexError):
        spare = _spares.pop()
        if len(spare) == size:
            return spare
        spare.close()
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mapped.madvise(mmap.MADV_DONTDUMP)
    with contextlib.suppress(OSError):  # a kernel without huge pages: slower, and no more than that
        mapped.madvise(mmap.MADV_HUGEPAGE)
    return mapped


def _free(memory: int, _size: int) -> None:
    _spares.append(_mapped.pop(memory))
