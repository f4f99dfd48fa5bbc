"""Argon2id by the reference library, as `make native` builds it: the same keys, and no memory left behind.

The wheel that the tests have is another build of the same source.
"""

import ctypes
import mmap
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2.low_level import Type, hash_secret_raw
from hypothesis import given
from hypothesis import strategies as st

from doorward.hashing import native
from doorward.hashing.schemes import Argon2Cost, hash_password, is_current, verify

CHEAP = Argon2Cost(1, 64)
SALT = b"0123456789abcdef"


@pytest.fixture
def built_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "is_usable", lambda: True)


def key_of(secret: bytes, *, memory_kib: int = 64, lanes: int = 1) -> bytes:
    return native.argon2id(secret, SALT, time_cost=1, memory_kib=memory_kib, lanes=lanes, length=32)


def flags_of(mapped: mmap.mmap) -> list[str]:
    """What the kernel notes down of the memory (proc(5), VmFlags)."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
    found = ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        place = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        found = found if place is None else place[0]
        low, high = (int(end, 16) for end in found.split("-"))
        if line.startswith("VmFlags:") and low <= start < high:
            return line.split()[1:]
    raise AssertionError("no such memory")


@given(st.binary(max_size=1024), st.binary(min_size=8, max_size=64), st.integers(1, 3), st.integers(1, 4))
def test_the_key_is_that_of_the_reference_library(secret: bytes, salt: bytes, passes: int, lanes: int) -> None:
    made = native.argon2id(secret, salt, time_cost=passes, memory_kib=64, lanes=lanes, length=48)
    assert made == hash_secret_raw(secret, salt, passes, 64, lanes, 48, Type.ID)


@pytest.mark.parametrize("memory_kib", [8, 2047, 2048, 2049, 19456, 65536])
def test_the_memory_may_end_anywhere_in_a_huge_page(memory_kib: int) -> None:
    assert key_of(b"Abcdefg1", memory_kib=memory_kib) == hash_secret_raw(
        b"Abcdefg1", SALT, 1, memory_kib, 1, 32, Type.ID
    )


def test_hashes_at_once_have_memory_of_their_own_and_give_it_back() -> None:
    secrets = [b"secret %d" % number for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda secret: key_of(secret, memory_kib=4096), secrets))
    assert keys == [hash_secret_raw(secret, SALT, 1, 4096, 1, 32, Type.ID) for secret in secrets]
    assert not native._mapped
    native.release()
    assert not native._spares


def test_memory_is_used_again_unwiped_when_it_has_the_size() -> None:
    native.release()
    key_of(b"Abcdefg1", memory_kib=4096)
    [kept] = native._spares
    assert any(kept[:])
    assert "dd" in flags_of(kept)  # left out of core dumps
    key_of(b"Abcdefg2", memory_kib=4096)
    assert native._spares == [kept]
    key_of(b"Abcdefg3", memory_kib=2048)
    assert native._spares != [kept]
    assert kept.closed
    native.release()


def test_without_memory_there_is_an_error_and_the_next_hash_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(mmap, "mmap", none_left)
        with pytest.raises(MemoryError, match="64 KiB"):
            key_of(b"Abcdefg1")
    assert len(key_of(b"Abcdefg1")) == 32


def test_settings_outside_the_rfc_are_refused() -> None:
    with pytest.raises(ValueError, match=r"[Mm]emory"):
        key_of(b"Abcdefg1", memory_kib=7)


@pytest.mark.parametrize("password", ["", "Abcdefg1", "Zażółć 😀", "a\0b", "\ud800", "x" * 256])
@pytest.mark.usefixtures("built_here")
def test_what_one_library_makes_the_other_reads(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = hash_password(password, CHEAP)
    assert is_current(made, CHEAP)
    assert verify(made, password)
    assert not verify(made, password + "!")
    monkeypatch.setattr(native, "is_usable", lambda: False)
    assert verify(made, password)
    made = hash_password(password, CHEAP)
    monkeypatch.setattr(native, "is_usable", lambda: True)
    assert verify(made, password)
    assert not verify(made, password + "!")


@pytest.mark.usefixtures("built_here")
def test_each_hash_has_a_salt_of_its_own() -> None:
    assert hash_password("Abcdefg1", CHEAP) != hash_password("Abcdefg1", CHEAP)


@pytest.mark.parametrize("error", [MemoryError, ImportError("CPU ISA level is lower than required")])
def test_it_is_not_used_where_it_may_not_call_back_or_be_loaded(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise error

    monkeypatch.setattr(native, "_is_built_here", lambda: True)
    assert native.is_usable.__wrapped__()
    monkeypatch.setattr(native, "_library", refused)
    assert not native.is_usable.__wrapped__()


HASH_WHERE_NO_CODE_MAY_BE_MADE = """
import ctypes
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, as MemoryDenyWriteExecute of systemd does it
from doorward.hashing import native
native._is_built_here = lambda: True
from doorward.hashing.schemes import Argon2Cost, hash_password, verify
made = hash_password("Abcdefg1", Argon2Cost(1, 64))
print(verify(made, "Abcdefg1"), verify(made, "Abcdefg2"))
"""


def test_passwords_are_hashed_too_where_the_process_may_make_no_code() -> None:
    command = [sys.executable, "-c", HASH_WHERE_NO_CODE_MAY_BE_MADE]
    assert subprocess.check_output(command, text=True, timeout=60) == "True False\n"
