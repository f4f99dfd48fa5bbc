"""What is sealed stays where it was sealed and whole; a digest needs the key; the key's file is its owner's alone."""

import os
from pathlib import Path

import pytest

from doorward.core.vault import CannotOpen, NoSecretKey, Vault, make_secret_key, secret_key_in

VAULT = Vault("a-secret-key-for-tests-of-32-signs-or-more")
OTHER = Vault("another-secret-key-of-32-signs-or-even-more")


def test_what_is_sealed_opens_in_its_context_with_its_key() -> None:
    sealed = VAULT.seal(b"plain", "totp:1")
    assert VAULT.open(sealed, "totp:1") == b"plain"
    assert b"plain" not in sealed
    with pytest.raises(CannotOpen):
        VAULT.open(sealed, "totp:2")
    with pytest.raises(CannotOpen):
        OTHER.open(sealed, "totp:1")


def test_nothing_sealed_can_be_altered_or_cut() -> None:
    sealed = VAULT.seal(b"plain", "totp:1")
    altered = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    cut = [sealed[:end] for end in range(len(sealed))]
    for text in [*altered, *cut, sealed + b"\0"]:
        with pytest.raises(CannotOpen):
            VAULT.open(text, "totp:1")


def test_the_same_is_never_sealed_alike() -> None:
    assert len({VAULT.seal(b"plain", "totp:1") for _ in range(10)}) == 10


def test_a_digest_needs_the_key_and_tells_its_parts_apart() -> None:
    assert VAULT.digest("reset", "1", "23") == VAULT.digest("reset", "1", "23")
    lists = [
        ("reset", "1", "23"),
        ("reset", "12", "3"),
        ("reset", "123"),
        ("transfer", "1", "23"),
        ("reset", "1", "24"),
    ]
    digests = [vault.digest(*parts) for vault in (VAULT, OTHER) for parts in lists]
    assert len(set(digests)) == len(digests)
    assert VAULT.digest_key != VAULT._keys[0].key


def test_a_secret_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    key = secret_key_in(folder)
    assert secret_key_in(folder) == key
    assert len(key) >= 64
    assert secret_key_in(tmp_path / "other") != key
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [("secret.key", 0o600)]


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"k" * 31, b"\xff" * 64], ids=["empty", "blank", "cut off", "no text"]
)
def test_a_file_that_holds_no_key_is_none_that_everybody_knows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(NoSecretKey, match=r"secret\.key"):
        secret_key_in(tmp_path)
    assert (tmp_path / "secret.key").read_bytes() == content


def test_the_name_of_a_new_key_is_on_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / "secret.key").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    make_secret_key(tmp_path)
    assert synced[-1] == (str(tmp_path), True)
