"""Password hashes: our own, and those of the systems users are imported from."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import argon2
import bcrypt
import pytest
from argon2.low_level import Type, hash_secret
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from doorward.hashing.foreign import FORMATS
from doorward.hashing.schemes import (
    Argon2Cost,
    UnsupportedHash,
    canonical,
    hash_password,
    is_current,
    verify,
)

CHEAP = Argon2Cost(time_cost=1, memory_kib=8)
ODD_PASSWORDS = ["", "\0", "a\0b", "\0leading", " padded ", "Zażółć gęślą jaźń", "😀" * 256, "\ud800"]
ANY_TEXT = st.text(st.characters())  # lone surrogates too, which plain st.text() leaves out
SALT = b"sixteen salt 123"
TEXT_SALT = "aSaltOfLetters12"
BCRYPT_SALT = b"$2b$04$abcdefghijklmnopqrstuu"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def phc64(data: bytes) -> str:
    return b64(data).rstrip("=")


def ab64(data: bytes) -> str:
    return phc64(data).replace("+", ".")


def argon2_of(kind: Type, lanes: int = 1, key: int = 32, salt: bytes = SALT) -> Callable[[bytes], str]:
    return lambda secret: hash_secret(secret, salt, 1, 64, lanes, key, kind).decode()


def pbkdf2(digest: str, secret: bytes, salt: bytes = SALT) -> bytes:
    return hashlib.pbkdf2_hmac(digest, secret, salt, 7)


def scrypt(secret: bytes, salt: bytes = SALT, length: int = 64) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=16, r=8, p=2, dklen=length)


def bcrypt_of(secret: bytes) -> str:
    return bcrypt.hashpw(secret[:72], BCRYPT_SALT).decode()


def passlib_bcrypt_sha256(secret: bytes) -> str:
    keyed = hmac.digest(BCRYPT_SALT[-22:], secret, "sha256")
    return f"$bcrypt-sha256$v=2,t=2b,r=4${BCRYPT_SALT[-22:].decode()}${bcrypt_of(b64(keyed).encode())[-31:]}"


def passlib_older_bcrypt_sha256(secret: bytes) -> str:
    made = bcrypt_of(b64(hashlib.sha256(secret).digest()).encode())
    return f"$bcrypt-sha256$2a,4${BCRYPT_SALT[-22:].decode()}${made[-31:]}"


# Each writes a hash of a password as another system would, from the primitives alone.
WRITERS: dict[str, Callable[[bytes], str]] = {
    "argon2id": argon2_of(Type.ID),
    "argon2id, four lanes": argon2_of(Type.ID, lanes=4),
    "argon2id, 64-byte key": argon2_of(Type.ID, lanes=2, key=64),
    "argon2id, 64-byte salt": argon2_of(Type.ID, salt=SALT * 4),
    "argon2id, shortest": argon2_of(Type.ID, key=16, salt=SALT[:8]),
    "argon2i": argon2_of(Type.I),
    "argon2i, four lanes": argon2_of(Type.I, lanes=4),
    "argon2i, 64-byte key": argon2_of(Type.I, key=64),
    "bcrypt 2b": bcrypt_of,
    "bcrypt 2a": lambda s: bcrypt_of(s).replace("$2b$", "$2a$"),
    "bcrypt 2y": lambda s: bcrypt_of(s).replace("$2b$", "$2y$"),
    "Django pbkdf2_sha256": lambda s: f"pbkdf2_sha256$7${TEXT_SALT}${b64(pbkdf2('sha256', s, TEXT_SALT.encode()))}",
    "Django pbkdf2_sha1": lambda s: f"pbkdf2_sha1$7${TEXT_SALT}${b64(pbkdf2('sha1', s, TEXT_SALT.encode()))}",
    "Django argon2": lambda s: "argon2" + argon2_of(Type.ID, lanes=8)(s),
    "Django bcrypt": lambda s: "bcrypt$" + bcrypt_of(s),
    "Django bcrypt_sha256": lambda s: "bcrypt_sha256$" + bcrypt_of(hashlib.sha256(s).hexdigest().encode()),
    "Django scrypt": lambda s: f"scrypt$16${TEXT_SALT}$8$2${b64(scrypt(s, TEXT_SALT.encode()))}",
    "Werkzeug scrypt": lambda s: f"scrypt:16:8:2${TEXT_SALT}${scrypt(s, TEXT_SALT.encode()).hex()}",
    "Werkzeug pbkdf2": lambda s: f"pbkdf2:sha256:7${TEXT_SALT}${pbkdf2('sha256', s, TEXT_SALT.encode()).hex()}",
    "passlib pbkdf2_sha1": lambda s: f"$pbkdf2$7${ab64(SALT)}${ab64(pbkdf2('sha1', s))}",
    "passlib pbkdf2_sha256": lambda s: f"$pbkdf2-sha256$7${ab64(SALT)}${ab64(pbkdf2('sha256', s))}",
    "passlib pbkdf2_sha512": lambda s: f"$pbkdf2-sha512$7${ab64(SALT)}${ab64(pbkdf2('sha512', s))}",
    "passlib bcrypt_sha256": passlib_bcrypt_sha256,
    "passlib bcrypt_sha256, older": passlib_older_bcrypt_sha256,
    "PHC scrypt": lambda s: f"$scrypt$ln=4,r=8,p=2${phc64(SALT)}${phc64(scrypt(s, length=32))}",
    "PHC pbkdf2": lambda s: f"$pbkdf2-sha512$i=7,l=64${phc64(SALT)}${phc64(pbkdf2('sha512', s))}",
    "PHC pbkdf2, no length": lambda s: f"$pbkdf2-sha256$i=7${phc64(SALT)}${phc64(pbkdf2('sha256', s))}",
}

# Made once by Django 5.2.19, Werkzeug 3.1.9 and passlib 1.7.4 themselves, all of this password.
FRAMEWORK_PASSWORD = "Zażółć gęślą jaźń 1 😀"
FRAMEWORK_HASHES = [
    "pbkdf2_sha256$10$saltSALT$etweE/o7MYQtil1G73mlyWvNmqoRbc+I1Ixhv4PDqpc=",
    "pbkdf2_sha1$10$saltSALT$t9AObTFwKhCQ/dBOvuqPMlyTFcI=",
    "argon2$argon2id$v=19$m=64,t=1,p=8$c2FsdFNBTFQxMjM0NTY3OA$4kaYAMFYQj9UXpRxEdjyQMtyVE+/hxF6RlGUrrEDPM0",
    ("scrypt$16$saltSALT$8$2$rgbVt+emxbdg/i6Jl7C2k3piSijmRRyAOLPYB2f0GeWcbJKwhN4yORfCYHxfxsug5jV+LnC+ADgYDaEv7lN92Q=="),
    "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuPqNAcdAUsI8jmzPm3MgYfZYb9dSgcLu",
    "bcrypt$$2b$04$abcdefghijklmnopqrstuuOBQ0U9uu4.01q3GRber6dy0AlHVxlku",
    (
        "scrypt:1024:8:1$jwpuqZZZO2xTwqCi$443a950f52a8198039847f17b9a959c7228b1b93e813f28ed66c71a394ee85e4aa69574a"
        "527ec946a4abf31fc0086c8f981b3a11ed852b74363e3f1de1623776"
    ),
    "pbkdf2:sha256:10$PQLpIKDlFmqzMy8g$911beaf14bd7aef7b87a17e49ca13609d94dc98e631906f8ca9dceae337e61fa",
    (
        "pbkdf2:sha512:10$TTYiFtCZhYnGoLco$bacda99ae577c73188a5ff97bc157a77b7f040f314a235361fa28e1ade3edd9de78dd31"
        "a20b181bbd25737f4e8206d6db7c62a71b1ff85a496454e6577854f46"
    ),
    "$pbkdf2$10$./.../.../.../.../.../..$vFdCl20Bu8DFJ.R64qQhPDPZzOA",
    "$pbkdf2-sha256$10$./.../.../.../.../.../..$iySwqqXEYJUAKln/MKQz.zumRudJ.xvsqXfHuVAPoec",
    (
        "$pbkdf2-sha512$10$./.../.../.../.../.../..$RaTs7Fu0jGHDnSY1ObsNMWS8h5lgI4qUZPw2VvY3sjkIOqwix8whRuJJUj1zHZ6M"
        "K3KB9ca7TX.qw5nPmXF5gg"
    ),
    "$scrypt$ln=4,r=8,p=1$hhCi9D4nZMx5by3lXIsxxg$M6kdNBCSVbmDRkOW0WQsP4uUtXFCkiYQONHi917jr7g",
    "$bcrypt-sha256$v=2,t=2b,r=4$4APxUUSmFbbTV/pHOaPmPO$LaFYxHQGa45dDrHY9LUQLaGKjOkLFjW",
    "$bcrypt-sha256$2b,4$9znKYSShxnlE8llos/fqYe$sD9du6dFffl4lIVSPOoHQ.VvxQCT71C",
    "$bcrypt-sha256$2a,4$dphH2e5lt5K3tmtQT.7Md.$LrVoOTm0zdDgjVnRCqWqZxn2SQExw..",
    "$2y$04$sWHZqqP991Q8x68S/3DiY.2qD9qd.bWdouy0GLxCNis1vyg.Aws72",
    "$argon2id$v=19$m=64,t=1,p=4$5DxnDEFo7T3HOOf8n5PSWg$jkgclH9jiiJAzy961ohr7n5S1iDVw1BanroykdB0Z78",
]


def pbkdf2_vector(digest: str, rounds: int, salt: bytes, key: str) -> str:
    return f"$pbkdf2-{digest}$i={rounds}${phc64(salt)}${phc64(bytes.fromhex(key))}"


def scrypt_vector(log_n: int, r: int, p: int, salt: bytes, key: str) -> str:
    return f"$scrypt$ln={log_n},r={r},p={p}${phc64(salt)}${phc64(bytes.fromhex(key))}"


PUBLISHED = [
    # RFC 6070, all but the one of 16,777,216 rounds.
    ("password", pbkdf2_vector("sha1", 1, b"salt", "0c60c80f961f0e71f3a9b524af6012062fe037a6")),
    ("password", pbkdf2_vector("sha1", 2, b"salt", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957")),
    ("password", pbkdf2_vector("sha1", 4096, b"salt", "4b007901b765489abead49d926f721d065a429c1")),
    (
        "passwordPASSWORDpassword",
        pbkdf2_vector(
            "sha1",
            4096,
            b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
            "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
        ),
    ),
    ("pass\0word", pbkdf2_vector("sha1", 4096, b"sa\0lt", "56fa6aa75548099dcc37d7f03425e0c3")),
    # RFC 7914, section 11
    (
        "passwd",
        pbkdf2_vector(
            "sha256",
            1,
            b"salt",
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
    ),
    (
        "Password",
        pbkdf2_vector(
            "sha256",
            80000,
            b"NaCl",
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
            "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        ),
    ),
    # RFC 7914, section 12, all but the one of 1 GiB
    (
        "",
        scrypt_vector(
            4,
            1,
            1,
            b"",
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
            "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
        ),
    ),
    (
        "password",
        scrypt_vector(
            10,
            8,
            16,
            b"NaCl",
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
        ),
    ),
    (
        "pleaseletmein",
        scrypt_vector(
            14,
            8,
            1,
            b"SodiumChloride",
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
        ),
    ),
    # The Argon2 reference implementation, src/test.c
    ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
    ("password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
    # Openwall's crypt_blowfish, wrapper.c
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    ("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
    (
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    ),
]

ARGON2_END = f"${phc64(SALT)}${phc64(SALT * 2)}"
BCRYPT_END = "$abcdefghijklmnopqrstuuPqNAcdAUsI8jmzPm3MgYfZYb9dSgcLu"
HEX_64 = "00" * 64

TOO_COSTLY = [
    (f"$argon2id$v=19$m=1048577,t=1,p=1{ARGON2_END}", "1 GiB"),
    (f"$argon2i$v=19$m=1048576,t=5,p=1{ARGON2_END}", "4 GiB"),
    (f"$argon2id$v=19$m=9999999999,t=9999999999,p=1{ARGON2_END}", "1 GiB"),
    (f"$argon2id$v=19$m=1048576,t=1,p=256{ARGON2_END}", "255"),
    (f"$pbkdf2-sha256$5000001{ARGON2_END}", "5,000,000"),
    (f"$pbkdf2$2500001{ARGON2_END}", "5,000,000"),  # two blocks of SHA-1
    (f"pbkdf2:sha256:9999999999$salt${HEX_64}", "5,000,000"),
    (f"$scrypt$ln=20,r=8,p=2{ARGON2_END}", "1 GiB"),
    (f"$scrypt$ln=99,r=9999999999,p=1{ARGON2_END}", "1 GiB"),
    (f"$scrypt$ln=1,r=1,p=256{ARGON2_END}", "255"),
    (f"scrypt:2097152:8:1$salt${HEX_64}", "1 GiB"),
    (f"$2b$17{BCRYPT_END}", "16"),
    (f"bcrypt_sha256$$2b$31{BCRYPT_END}", "16"),
]
AT_THE_BOUND = [
    f"$argon2id$v=19$m=1048576,t=4,p=255{ARGON2_END}",
    f"$argon2id$v=19$m=8,t=1,p=1{ARGON2_END}",
    f"$pbkdf2-sha256$i=5000000,l=32{ARGON2_END}",
    f"$scrypt$ln=20,r=8,p=1{ARGON2_END}",
    f"$scrypt$ln=15,r=1,p=255{ARGON2_END}",
    f"$2b$16{BCRYPT_END}",
    f"$2b$04{BCRYPT_END}",
]
REFUSED = [
    ("", "unknown"),
    ("password", "unknown"),
    ("5f4dcc3b5aa765d61d8327deb882cf99", "unknown"),
    ("$6$rounds=5000$saltsalt$kVDpe1HwLTLSxuRAF1mzKpZPTW0hg3HpcQhYnkVqTCkTKPbM", "unknown"),
    ("md5$saltsalt$0cc175b9c0f1b6a831c399e269772661", "unknown"),
    ("$7$26..../....D+nNIYQgrCWspZSqtWacw$sH//pJioZLV2TPnqhKS.04etgo/0rkckpVShP3q7x.A", "unknown"),
    ("!mNCgWMholoMQyMnLKyzdZ6j7tgiC58liGexcXhDQ", "usable"),
    (f"$argon2d$v=19$m=64,t=1,p=1{ARGON2_END}", "Argon2d"),
    (f"argon2$argon2d$v=19$m=64,t=1,p=1{ARGON2_END}", "Argon2d"),
    (f"$argon2i$v=16$m=64,t=1,p=1{ARGON2_END}", "v=19"),
    (f"$argon2i$m=64,t=1,p=1{ARGON2_END}", "v=19"),
    (f"$argon2id$v=19$m=64,t=1,p=9{ARGON2_END}", "lane"),
    (f"$argon2id$v=19$m=64,t=1,p=0{ARGON2_END}", "lane"),
    (f"$argon2id$v=19$m=64,t=0,p=1{ARGON2_END}", "pass"),
    (f"$argon2id$v=19$m=7,t=1,p=1{ARGON2_END}", "8 KiB"),
    (f"$argon2id$v=19$m=64,t=1,p=1$c2FsdA${phc64(SALT)}", "salt"),
    (f"$argon2id$v=19$m=64,t=1,p=1${phc64(SALT)}$c2hvcnQ", "16 bytes"),
    (f"$argon2id$v=19$m=64,t=1,p=1${phc64(SALT)}", "cut off"),
    (f"$argon2id$v=19$m=64,t=1,p=1{ARGON2_END}A=", "well-formed"),
    (f"$argon2id$v=19$m=64,t=1,p=1{ARGON2_END}AA", "impossible length"),
    (f"$argon2id$v=19$m=64,t=1,p=\u0661{ARGON2_END}", "well-formed"),  # a digit, but not an ASCII one
    (f"$2x$05{BCRYPT_END}", "crypt_blowfish"),
    (f"$2$05{BCRYPT_END}", "first version"),
    (f"$2b$03{BCRYPT_END}", "cost"),
    (f"$2b$05{BCRYPT_END[:-1]}", "cut off"),
    (f"$2b$05{BCRYPT_END.replace('tuu', 'tuv')}", "well-formed"),  # a salt of more than 128 bits
    (f"$bcrypt-sha256$v=3,t=2b,r=5{BCRYPT_END}", "well-formed"),
    (f"$pbkdf2-md5$1000{ARGON2_END}", "SHA-1"),
    (f"$pbkdf2-sha256$0{ARGON2_END}", "rounds"),
    (f"$pbkdf2-sha256$i=1000,l=64{ARGON2_END}", "length"),
    ("pbkdf2_sha256$1000$salt$c2hvcnQ=", "16 bytes"),
    (f"pbkdf2:sha256$salt${HEX_64}", "well-formed"),
    (f"scrypt:1000:8:1$salt${HEX_64}", "power of two"),
    (f"scrypt:0:8:1$salt${HEX_64}", "power of two"),
    (f"scrypt:1:8:1$salt${HEX_64}", "out of range"),
    (f"scrypt:16:8:0$salt${HEX_64}", "out of range"),
    (f"scrypt:16:0:1$salt${HEX_64}", "out of range"),
    (f"$scrypt$ln=16,r=1,p=1{ARGON2_END}", "out of range"),
]


def assert_is_one_safe_line(message: str, encoded: str) -> None:
    """Hold that the message is one line and repeats no part of the hash that could be a secret."""
    assert message
    assert "\n" not in message
    for part in re.findall(r"[A-Za-z0-9+/.=]{16,}", encoded):
        assert part not in message


@given(password=ANY_TEXT)
@settings(deadline=None)
def test_a_password_verifies_against_its_own_hash(password: str) -> None:
    assert verify(hash_password(password, CHEAP), password)


@given(password=ANY_TEXT, other=ANY_TEXT)
@settings(deadline=None)
def test_another_password_does_not_verify(password: str, other: str) -> None:
    assume(password != other)
    assert not verify(hash_password(password, CHEAP), other)


@pytest.mark.parametrize("password", ODD_PASSWORDS, ids=ascii)
def test_an_odd_password_is_compared_exactly(password: str) -> None:
    encoded = hash_password(password, CHEAP)
    assert verify(encoded, password)
    assert not any(verify(encoded, other) for other in (password + "\0", password + " ", password[:-1] + "x"))


def test_composed_and_decomposed_letters_are_different_passwords() -> None:
    assert not verify(hash_password("caf\u00e9", CHEAP), "cafe\u0301")


def test_a_hash_is_argon2id_of_16_salt_and_32_hash_bytes_at_the_cost_asked_for() -> None:
    encoded = hash_password("Password1", Argon2Cost())
    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert argon2.extract_parameters(encoded) == argon2.Parameters(Type.ID, 19, 16, 32, 2, 19456, 1)


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("Password1", CHEAP) != hash_password("Password1", CHEAP)


def test_the_reference_implementation_agrees_with_our_hashes() -> None:
    assert argon2.PasswordHasher().verify(hash_password("Zażółć 😀", CHEAP), "Zażółć 😀")


@pytest.mark.parametrize(("time_cost", "memory_kib"), [(0, 64), (1, 7), (1, 1048577), (5, 1048576), (-1, -64)])
def test_a_cost_out_of_bounds_is_refused(time_cost: int, memory_kib: int) -> None:
    with pytest.raises(ValueError, match="Argon2"):
        Argon2Cost(time_cost=time_cost, memory_kib=memory_kib)


def test_a_hash_of_the_configured_cost_is_current() -> None:
    assert is_current(hash_password("Password1", CHEAP), CHEAP)


@pytest.mark.parametrize(
    "encoded",
    [
        hash_password("Password1", Argon2Cost(time_cost=2, memory_kib=8)),
        hash_password("Password1", Argon2Cost(time_cost=1, memory_kib=16)),
        f"$argon2i$v=19$m=8,t=1,p=1{ARGON2_END}",
        f"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${phc64(SALT * 2)}",
        f"$argon2id$v=19$m=8,t=1,p=1${phc64(SALT)}${phc64(SALT)}",
        f"$argon2id$v=19$m=16,t=1,p=2{ARGON2_END}",
        f"$2b$12{BCRYPT_END}",
        "",
    ],
    ids=["passes", "memory", "variant", "long salt", "short key", "lanes", "bcrypt", "none"],
)
def test_any_other_hash_is_not_current(encoded: str) -> None:
    assert not is_current(encoded, CHEAP)


@pytest.mark.parametrize("encoded", FRAMEWORK_HASHES)
def test_a_hash_that_a_framework_made_verifies_before_and_after_import(encoded: str) -> None:
    stored = canonical(encoded)
    for form in (encoded, stored):
        assert verify(form, FRAMEWORK_PASSWORD)
        assert not verify(form, FRAMEWORK_PASSWORD + "x")
        assert not is_current(form, CHEAP)
    assert canonical(stored) == stored


@pytest.mark.parametrize("password", [*ODD_PASSWORDS, "Password1"], ids=ascii)
@pytest.mark.parametrize("scheme", WRITERS)
def test_an_imported_hash_verifies_as_its_former_system_would(scheme: str, password: str) -> None:
    stored = canonical(WRITERS[scheme](password.encode("utf-8", "surrogatepass")))
    assert verify(stored, password)
    assert not verify(stored, "x" + password)
    assert canonical(stored) == stored


@pytest.mark.parametrize(("password", "encoded"), PUBLISHED)
def test_published_vectors(password: str, encoded: str) -> None:
    assert verify(canonical(encoded), password)
    assert not verify(canonical(encoded), "x" + password)


def test_plain_bcrypt_lets_an_imported_user_in_by_the_first_72_bytes() -> None:
    stored = canonical(bcrypt_of(b"x" * 80))
    assert verify(stored, "x" * 72)
    assert verify(stored, "x" * 72 + "another end")
    assert not verify(stored, "x" * 71)


def test_bcrypt_cuts_inside_a_character_when_the_72nd_byte_is_there() -> None:
    assert verify(canonical(bcrypt_of(("x" + "é" * 40).encode())), "x" + "é" * 40)


@pytest.mark.parametrize("scheme", [name for name in WRITERS if "sha256" in name and "bcrypt" in name])
def test_bcrypt_of_a_digest_compares_the_whole_password(scheme: str) -> None:
    stored = canonical(WRITERS[scheme](b"x" * 80))
    assert verify(stored, "x" * 80)
    assert not verify(stored, "x" * 79 + "y")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (f"argon2$argon2id$v=19$m=064,t=1,p=1{ARGON2_END}", f"$argon2id$v=19$m=64,t=1,p=1{ARGON2_END}"),
        (f" $argon2id$v=19$m=64,t=1,p=1{ARGON2_END}\r\n", f"$argon2id$v=19$m=64,t=1,p=1{ARGON2_END}"),
        (f"bcrypt$$2y$05{BCRYPT_END}", f"$2y$05{BCRYPT_END}"),
        (
            f"pbkdf2_sha256$7$salt${b64(SALT * 2)}",
            f"$pbkdf2-sha256$i=7,l=32$c2FsdA${phc64(SALT * 2)}",
        ),
        (f"scrypt:32768:8:1$salt${SALT.hex()}", f"$scrypt$ln=15,r=8,p=1$c2FsdA${phc64(SALT)}"),
    ],
)
def test_an_imported_hash_is_stored_in_one_form(written: str, stored: str) -> None:
    assert canonical(written) == stored


@pytest.mark.parametrize(("encoded", "bound"), TOO_COSTLY)
def test_a_hash_too_costly_to_check_is_refused_with_the_bound(encoded: str, bound: str) -> None:
    with pytest.raises(UnsupportedHash, match=re.escape(bound)) as refused:
        canonical(encoded)
    assert_is_one_safe_line(str(refused.value), encoded)
    assert not verify(encoded, "Password1")


@pytest.mark.parametrize("encoded", AT_THE_BOUND)
def test_a_hash_at_the_bound_is_taken_as_it_is(encoded: str) -> None:
    assert canonical(encoded) == encoded


@pytest.mark.parametrize(("encoded", "reason"), REFUSED)
def test_an_unsupported_or_damaged_hash_is_refused_with_a_reason(encoded: str, reason: str) -> None:
    with pytest.raises(UnsupportedHash, match=re.escape(reason)) as refused:
        canonical(encoded)
    assert_is_one_safe_line(str(refused.value), encoded)
    assert not verify(encoded, "Password1")


STARTS = [start for known in FORMATS for start in known.starts] + ["$argon2id$v=19$m=8,t=1,p=1$", "argon2$"]
DAMAGED = st.builds(
    lambda encoded, at, length, put: encoded[: at % len(encoded)] + put + encoded[at % len(encoded) + length :],
    st.sampled_from(FRAMEWORK_HASHES),
    st.integers(0, 255),
    st.integers(0, 5),
    st.text(st.characters(exclude_categories=["Nd"]), max_size=3),  # a digit could make it costly
)
GARBAGE = ANY_TEXT | st.builds(str.__add__, st.sampled_from(STARTS), ANY_TEXT) | DAMAGED
WELL_FORMED = st.sampled_from(FORMATS).flatmap(lambda known: st.from_regex(known.pattern, fullmatch=True))


@given(encoded=GARBAGE, password=ANY_TEXT)
@settings(deadline=None)
def test_verify_answers_for_any_stored_text(encoded: str, password: str) -> None:
    assert verify(encoded, password) in {True, False}


@given(encoded=GARBAGE | WELL_FORMED)
@settings(deadline=None, max_examples=60)  # drawing from a pattern is slow
def test_canonical_returns_a_fixed_point_or_refuses_safely(encoded: str) -> None:
    try:
        stored = canonical(encoded)
    except UnsupportedHash as refused:
        assert_is_one_safe_line(str(refused), encoded)
    else:
        assert canonical(stored) == stored
