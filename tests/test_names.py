"""Names and addresses: what is the same, what only looks the same, and what is no address."""

import pytest

from doorward.accounts.flows import NameTaken
from doorward.core.errors import BadInput
from doorward.users import names
from tests.support.service import PASSWORD, Service

# Each pair is one name: typed in another case, with blanks around, composed or decomposed, in U- or A-labels.
SAME = [
    ("ann@example.org", "ANN@EXAMPLE.ORG"),
    ("ann@example.org", " \t ann@example.org \n"),
    ("ann@example.org", "\u00a0ann@example.org\u3000"),
    ("jos\u00e9@example.org", "jose\u0301@example.org"),
    ("jos\u00e9@example.org", "JOS\u00c9@example.org"),
    ("\u00e5ke@example.org", "\u212bke@example.org"),
    ("\u03b1\u03c3@example.org", "\u0391\u03a3@example.org"),
    ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example"),
    ("ann@B\u00dcCHER.example", "ann@XN--BCHER-KVA.example"),
    ("ann@bu\u0308cher.example", "ann@b\u00fccher.example"),
    ("ann@stra\u00dfe.example", "ann@xn--strae-oqa.example"),
    ("ann@STRA\u1e9eE.example", "ann@stra\u00dfe.example"),
    ("ann@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "ann@xn--nxasmm1c.example"),
    ("stra\u00dfe@example.org", "STRA\u1e9eE@example.org"),
    ("o'neil+tag@example.org", "O'Neil+Tag@Example.org"),
]
# Each pair looks the same, or becomes the same by a mapping that is none of NFC, trim and case folding.
DIFFERENT = [
    ("mike@example.org", "m\u0131ke@example.org"),
    ("MIKE@example.org", "M\u0130KE@example.org"),
    ("sam@example.org", "\u017fam@example.org"),
    ("fiona@example.org", "\ufb01ona@example.org"),
    ("straffe@example.org", "stra\ufb00e@example.org"),
    ("strasse@example.org", "stra\u00dfe@example.org"),
    ("strasse@example.org", "stra\u1e9ee@example.org"),
    ("kate@example.org", "\u212aate@example.org"),
    ("ann@example.org", "\u0430nn@example.org"),
    ("ann@example.org", "ann@ex\u0430mple.org"),
    ("ann@example.org", "\uff41nn@example.org"),
    ("ann@example.org", "ann@\uff45xample.org"),
    ("ann@example.org", "ann@example\u3002org"),
    ("ann@example.org", "ann@example\uff0eorg"),
    ("ann@kite.example", "ann@\u212aite.example"),
    ("ann@sun.example", "ann@\u017fun.example"),
    ("ann@strasse.example", "ann@stra\u00dfe.example"),
    ("ann@\u03b2\u03cc\u03bb\u03bf\u03c3.example", "ann@\u03b2\u03cc\u03bb\u03bf\u03c2.example"),
    ("ann@example.org", "ann+tag@example.org"),
    ("ann@example.org", "a.nn@example.org"),
    ("ann@example.org", "ann@example.org."),
    ("ann@example.org", "ann@example.org\0"),
    ("ann@example.org", "a\u00adnn@example.org"),
    ("ann@example.org", "a\u200bnn@example.org"),
    ("ann@example.org", "\ufeffann@example.org"),
    ("ann@example.org", "a\u0301nn@example.org"),
    ("ann", "ann@"),
    ("jose@example.org", "jos\u00e9@example.org"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_name_is_the_same_after_nfc_trim_and_case_folding(one: str, other: str) -> None:
    assert names.key(one) == names.key(other)
    assert names.key(names.address(other)) == names.key(one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_name_that_only_looks_the_same_is_another(one: str, other: str) -> None:
    assert names.key(one) != names.key(other)
    # Nor by the way of the address that it would be stored as.
    try:
        stored = names.address(other)
    except BadInput:
        return
    assert names.key(stored) == names.key(other)


def test_the_key_of_a_stored_name_is_its_own() -> None:
    for name in {name for pair in SAME + DIFFERENT for name in pair}:
        for stored in (names.address, names.username):
            try:
                kept = stored(name)
            except BadInput:
                continue
            assert names.key(kept) == names.key(name)
            assert stored(kept) == kept


def test_login_takes_the_name_in_all_its_spellings_and_no_look_alike(service: Service) -> None:
    def status(name: str) -> int:
        body = {"username": name, "password": PASSWORD}
        return service.call("POST", "/auth/login", json=body).status_code

    for one, other in SAME:
        try:
            service.add_user(one)
        except NameTaken:
            continue
        assert (status(one), status(other)) == (200, 200), (one, other)
    for one, other in DIFFERENT:
        if "@" in one and names.key(one) not in {names.key(each) for each, _ in SAME}:
            try:
                service.add_user(one)
            except NameTaken:
                continue
        service.clock.advance(3600)
        assert status(other) == 401 or names.key(other) in {names.key(each) for pair in SAME for each in pair}, other


def test_a_reset_for_a_look_alike_mails_nothing(service: Service) -> None:
    service.add_user("kate@example.org")
    for typed in ("\u212aate@example.org", "kat\u0435@example.org", "kate@example\u3002org"):
        service.clock.advance(61)
        assert service.call("POST", "/user/password/reset/send", json={"email": typed}).status_code in {204, 400}
        service.deliver()
        assert service.smtp.mails == []


def test_a_reset_is_mailed_to_the_stored_address_whatever_was_typed(service: Service) -> None:
    service.add_user("Ann@Example.org")
    assert service.call("POST", "/user/password/reset/send", json={"email": " ANN@EXAMPLE.ORG "}).status_code == 204
    otp = service.mailed_code("Ann@example.org")
    body = {"userEmail": "ann@example.org", "otp": otp, "newPassword": "Another-Horse-2"}
    assert service.call("PUT", "/user/password/otp", json=body).status_code == 204


def test_login_takes_the_username_and_the_address(service: Service) -> None:
    service.add_user("ann@example.org", username="Ann")
    assert {service.login(name).count(".") for name in ("ann", "ANN ", "ann@example.org", "Ann@Example.Org")} == {2}


def test_one_users_name_is_never_anothers(service: Service) -> None:
    service.add_user("ann@example.org", username="Ann")
    for email, username in (
        ("ANN@example.org", "x"), ("b@example.org", "ann"), ("b@example.org", "ann@example.org"),
        ("b@example.org", "ann@EXAMPLE.org"),
    ):  # fmt: skip
        with pytest.raises(NameTaken):
            service.add_user(email, username=username)
    service.add_user("b@example.org", username="b")


@pytest.mark.parametrize(
    "address",
    [
        "", "@", "a", "a@", "@b", "a@b@c", "a b@c.d", "a@b c", "a@b..c", "a@.b", "a@b.", "a@-b.c", "a@b-.c", "a@b_c.d",
        ".a@b.c", "a.@b.c", "a..b@c.d", "a,b@c.d", "a;b@c.d", "<a@b.c>", "Ann <a@b.c>", "a@b.c,d@e.f",
        "a@b.c\r\nBcc:d@e.f",
        "a\r\nb@c.d", "a\0b@c.d", "a@b\0.c", "\ufeffa@b.c", "a\u200b@b.c", "a\u202e@b.c", "a@[127.0.0.1]", "a@xn--.c",
        "a@xn--zzzzzz99999.c", "a@" + "b" * 64 + ".c", "a" * 257, "a" * 250 + "@b.cdef", "a\u2028@b.c", "\ud800@b.c",
        "a@\u2603.c", "\u212a@b.c", "a\u037e@b.c", "a@b.c\u1fef", '"a\nb"@c.d', "a@b.c:25", "a@b/c",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_the_published_words(address: str) -> None:
    with pytest.raises(BadInput, match="Invalid email address"):
        names.address(address)


@pytest.mark.parametrize(
    "address",
    [
        "a@b", "a@localhost", "a+b@c.d", "a.b.c@d.e", "a!#$%&'*+/=?^_`{|}~-b@c.d", '"a b"@c.d', '"a\\"b"@c.d', "1@2.3",
        "\u00e9@b.c", "\u30a2@\u30a4.\u30a6", "a@xn--bcher-kva.c", "a@b-c.d", "A@B.C", "a" * 252 + "@b.c",
    ],
)  # fmt: skip
def test_what_is_an_address_is_taken(address: str) -> None:
    assert names.address(address) == address


def test_an_address_of_256_characters_is_taken_and_a_longer_one_is_not(service: Service) -> None:
    longest = f"{'a' * 244}@example.org"
    assert len(longest) == 256
    assert service.call("POST", "/user/password/reset/send", json={"email": longest}).status_code == 204
    answer = service.call("POST", "/user/password/reset/send", json={"email": f"a{longest}"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid email address")
    at_older_door = [
        service.call("POST", "/v1/auth/forgot-password", json={"email": f"{'a' * count}@b.c"}).status_code
        for count in (1, 96, 97)
    ]
    assert at_older_door == [204, 204, 400]


def test_a_masked_address_tells_only_its_owner() -> None:
    assert names.mask("john.doe@example.org") == "j•••@e•••.org"
    assert names.mask("a@b") == "a•••@b•••"
