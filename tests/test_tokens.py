"""Tokens: what they say, who verifies them, and that nothing else is taken for one."""

import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

from doorward.core.errors import Refused
from doorward.http.api import OPERATIONS
from doorward.tokens.keys import P256, Ed25519, Rsa, SigningKey, b64url, b64url_decode, generate, load, thumbprint
from tests.support.clock import START_MS
from tests.support.service import EMAIL, PUBLIC_URL, Service
from tests.support.tokens import claims_of, enable_email_otp, user_with_totp, user_without_2fa
from tests.support.wsgi import raw_call

CLAIMS = ["iss", "sub", "aud", "sid", "jti", "iat", "exp", "use", "amr", "auth_time"]
LIVES = {"refresh": 14 * 86_400, "access": 300, "sudo": 300, "partial": 300}
ALGORITHMS = ["EdDSA", "ES256", "RS256"]


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def parts(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    return ".".join(map(b64url, (json.dumps(header).encode(), json.dumps(claims).encode(), signature)))


def validate(service: Service, token: str) -> tuple[int, str]:
    return message(service.call("GET", "/auth/accesstoken/validate", token))


# What a token says


def test_each_kind_has_exactly_the_claims_of_the_contract_and_its_life(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    now = service.clock.now_ms() // 1000
    for use, token in user.tokens.items():
        header, payload, _ = parts(token)
        claims = json.loads(payload)
        # `ver` is a partial token's only state: a changed password ends it, though no session holds it.
        assert list(claims) == [*CLAIMS, *(["ver"] if use == "partial" else [])]
        assert (claims["iss"], claims["aud"], claims["use"]) == (PUBLIC_URL, PUBLIC_URL, use)
        assert claims["sub"] == str(user.id)
        assert (claims["iat"], claims["exp"], claims["auth_time"]) == (now, now + LIVES[use], now)
        assert all(type(claims[name]) is int for name in ("iat", "exp", "auth_time"))
        assert json.loads(header).keys() == {"alg", "typ", "kid"}
        assert len(token) < 1000
    assert len({claims_of(token)["sid"] for use, token in user.tokens.items() if use != "partial"}) == 1
    assert len({claims_of(token)["jti"] for token in user.tokens.values()}) == 4


def test_the_audience_is_a_setting(start: Callable[..., Service]) -> None:
    service = start(audience="the-apps")
    token = user_without_2fa(service, EMAIL)["access"]
    assert claims_of(token)["aud"] == "the-apps"
    assert service.call("GET", "/auth/accesstoken/validate", token).status_code == 200


def test_amr_tells_each_method_that_was_used(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    assert claims_of(user.tokens["partial"])["amr"] == ["pwd"]
    for use in ("refresh", "access", "sudo"):
        assert claims_of(user.tokens[use])["amr"] == ["pwd", "otp", "mfa"]
    assert claims_of(service.access(user.tokens["refresh"]))["amr"] == ["pwd", "otp", "mfa"]
    body = {"recoveryCode": user.recovery_codes[0]}
    tokens = service.call("POST", "/user/2fa/recovery-code/authenticate", user.tokens["partial"], json=body).json()
    assert claims_of(tokens["refreshToken"])["amr"] == ["pwd", "recovery", "mfa"]


def test_a_mailed_code_has_an_amr_of_its_own(service: Service) -> None:
    plain = user_without_2fa(service, EMAIL)
    assert claims_of(plain["refresh"])["amr"] == claims_of(plain["access"])["amr"] == ["pwd"]
    enable_email_otp(service, plain["access"], EMAIL)
    service.clock.advance(60)
    partial = service.login()
    service.call("POST", "/user/2fa/email-otp/challenge", partial)
    body = {"otp": service.mailed_code(EMAIL)}
    tokens = service.call("POST", "/user/2fa/email-otp/authenticate", partial, json=body).json()
    for use in ("refresh", "access", "sudo"):
        assert claims_of(tokens[f"{use}Token"])["amr"] == ["pwd", "email"]


def test_auth_time_stays_when_a_token_is_renewed_and_is_new_after_a_step_up(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    began = claims_of(user.tokens["refresh"])["auth_time"]
    code = service.next_totp_code(user.authenticator)
    refresh = service.call("GET", "/auth/refreshtoken", user.tokens["refresh"]).text
    assert claims_of(refresh)["auth_time"] == claims_of(service.access(refresh))["auth_time"] == began
    answer = service.call("POST", "/user/2fa/totp/authenticate", service.access(refresh), json={"totp": code})
    assert claims_of(answer.json()["sudoToken"])["auth_time"] == service.clock.now_ms() // 1000 != began


# Who verifies it


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_anyone_can_verify_all_four_kinds_offline(start: Callable[..., Service], algorithm: str) -> None:
    service = start(token_algorithm=algorithm)
    user = user_with_totp(service, EMAIL)
    keys = jwt.PyJWKSet.from_json(service.call("GET", "/.well-known/jwks.json").text)
    assert set(user.tokens) == {"refresh", "access", "sudo", "partial"}
    for use, token in user.tokens.items():
        header = jwt.get_unverified_header(token)
        assert header["alg"] == algorithm
        options: Any = {"verify_exp": False, "verify_iat": False}
        key = keys[header["kid"]]
        claims = jwt.decode(token, key, [algorithm], options=options, audience=PUBLIC_URL, issuer=PUBLIC_URL)
        assert (claims["use"], claims["sub"]) == (use, str(user.id))
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(flipped(token, 2, 7), key, [algorithm], options=options, audience=PUBLIC_URL)
    assert service.call("GET", "/auth/accesstoken/validate", user.tokens["access"]).json() == {"userId": user.id}


def test_the_published_keys_hold_nothing_private_and_may_be_cached_for_five_minutes(service: Service) -> None:
    answer = service.call("GET", "/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
    assert key["kid"] == thumbprint({name: key[name] for name in ("kty", "crv", "x")})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pyjwt_signs_what_a_key_of_ours_verifies(algorithm: str) -> None:
    ours = generate(algorithm)
    again = load(algorithm, ours.private_bytes())
    public = jwt.PyJWK(ours.jwk() | {"alg": algorithm})
    signature = again.sign(b"message")
    assert public.Algorithm.verify(b"message", public.key, signature)
    assert ours.verifies(b"message", signature)
    for bad in (b"", signature[:-1], signature + b"\0", bytes(len(signature)), b"\xff" * len(signature)):
        assert not ours.verifies(b"message", bad)
    assert not ours.verifies(b"another", signature)


# RFC vectors


def test_rfc_8037_appendix_a_ed25519() -> None:
    """Sections A.1 to A.5: the key, its thumbprint, a signed message and its verification."""
    key = Ed25519(b64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
    assert key.jwk() == {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(key.jwk()) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    assert b64url(key.sign(signed)) == signature
    assert key.verifies(signed, b64url_decode(signature))


def test_rfc_7515_appendix_a_3_es256() -> None:
    key = P256(b64url_decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"))
    assert key.jwk() == {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    signed = (
        b"eyJhbGciOiJFUzI1NiJ9"
        b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    assert key.verifies(signed, b64url_decode(signature))
    assert not key.verifies(signed + b"x", b64url_decode(signature))


def test_rfc_7638_section_3_1_thumbprint_of_an_rsa_key() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    assert thumbprint({"e": "AQAB", "kty": "RSA", "n": modulus}) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("text", ["=", "AA==", "AB", "A", "A+", "A/", " AA", "AA\n", "ÄÄ", "AAA="])
def test_base64url_has_one_spelling(text: str) -> None:
    """RFC 7515 section 2: no padding; and no bits that decode to nothing (RFC 4648 section 3.5)."""
    with pytest.raises(ValueError, match=r".*"):
        b64url_decode(text)


# What is not a token


def flipped(token: str, segment: int, bit: int) -> str:
    """The token with one bit of a segment changed, counted from the segment's end when negative."""
    segments = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(segments[segment] + "=="))
    raw[bit // 8] ^= 1 << (bit % 8)
    segments[segment] = b64url(bytes(raw))
    return ".".join(segments)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_no_flipped_bit_in_any_segment_is_accepted(start: Callable[..., Service], algorithm: str) -> None:
    service = start(token_algorithm=algorithm)
    token = user_without_2fa(service, EMAIL)["access"]
    read = service.doorward.env.tokens.read
    for segment, raw in enumerate(parts(token)):
        for bit in range(8 * len(raw)):
            with pytest.raises(Refused, match="TOKEN_INVALID"):
                read(flipped(token, segment, bit))
    assert service.call("GET", "/auth/accesstoken/validate", token).status_code == 200


def test_the_bits_that_base64_does_not_use_are_part_of_the_token(service: Service) -> None:
    """A second spelling of a token would get past lists of ended ones, and caches."""
    token = user_without_2fa(service, EMAIL)["access"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = [last for last in alphabet if service.call(
        "GET", "/auth/accesstoken/validate", token[:-1] + last).status_code == 200]  # fmt: skip
    assert accepted == [token[-1]]
    for padded in (token + "=", token + "==", token.replace(".", "=.", 1)):
        assert validate(service, padded) == (401, "TOKEN_INVALID")


def test_a_token_can_not_choose_how_it_is_verified(service: Service) -> None:
    """RFC 8725 sections 2 and 3: no `none`, no key confusion, no key named by the token itself."""
    token = user_without_2fa(service, EMAIL)["access"]
    header, payload, signature = parts(token)
    good, claims = json.loads(header), json.loads(payload)
    (published,) = service.call("GET", "/.well-known/jwks.json").json()["keys"]
    mine = Ed25519()
    theirs = mine.jwk() | {"kid": "mine"}

    def signed(head: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
        text = f"{b64url(json.dumps(head).encode())}.{b64url(json.dumps(claims).encode())}"
        return f"{text}.{b64url(sign(text.encode()))}"

    def hs256(secret: bytes, text: bytes) -> bytes:
        return hmac.digest(secret, text, hashlib.sha256)

    attempts = [forged(good | {"alg": name}, claims) for name in ("none", "None", "NONE", "nOnE", "")]
    attempts += [forged({"alg": "none"}, claims), forged({"alg": "none"}, claims, signature)]
    for secret in (json.dumps(published).encode(), b64url_decode(published["x"]), published["x"].encode(), b""):
        attempts.append(signed(good | {"alg": "HS256"}, functools.partial(hs256, secret)))
    attempts += [
        signed(head, mine.sign)
        for head in (
            good,
            good | {"kid": "mine"},
            {"alg": "EdDSA"},
            good | {"jwk": theirs},
            good | {"kid": "mine", "jku": "https://evil.example/jwks.json"},
            good | {"kid": "mine", "x5u": "https://evil.example/cert.pem"},
            good | {"kid": "../../etc/passwd"},
            good | {"kid": "' OR 1=1 --"},
            good | {"kid": ["x"]},
            good | {"crit": ["exp"]},
            good | {"alg": "ES256"},
        )
    ]
    attempts += [forged(good | {name: "x"}, claims, signature) for name in ("jku", "x5u", "x5c", "jwk", "crit", "zip")]
    # The very header in another spelling, and one with the same meaning, signature kept.
    attempts += [forged(dict(reversed(good.items())), claims, signature), forged(good, claims, signature)]
    for attempt in attempts:
        assert validate(service, attempt) == (401, "TOKEN_INVALID"), attempt


def test_a_header_of_its_own_is_refused_even_under_our_signature(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    header, payload, _ = parts(token)
    key = service.doorward.env.tokens.keyring.signing()
    for change in ({"alg": "none"}, {"kid": "other"}, {"typ": "at+jwt"}, {"crit": ["exp"]}):
        text = f"{b64url(json.dumps(json.loads(header) | change).encode())}.{b64url(payload)}"
        assert validate(service, f"{text}.{b64url(key.pair.sign(text.encode()))}") == (401, "TOKEN_INVALID"), change


def test_an_edited_claim_is_refused(service: Service) -> None:
    user_without_2fa(service, "other@example.org")
    token = user_without_2fa(service, EMAIL)["access"]
    head, _, signature = token.split(".")
    claims = claims_of(token)
    for name, value in {
        "sub": "1", "use": "sudo", "exp": 2**40, "iss": "https://evil.example", "sid": "x", "aud": "x",
        "amr": ["pwd", "otp"], "admin": True,
    }.items():  # fmt: skip
        payload = b64url(json.dumps(claims | {name: value}, separators=(",", ":")).encode())
        assert validate(service, f"{head}.{payload}.{signature}") == (401, "TOKEN_INVALID"), name


def test_a_token_of_another_installation_is_refused(start: Callable[..., Service]) -> None:
    """The same key, but another issuer or audience: a copied database must not make one a master of the other."""
    service = start()
    token = user_without_2fa(service, EMAIL)["access"]
    other = "https://other.example.org"
    for elsewhere in (start(public_url=other), start(audience="other"), start(public_url=other, audience=PUBLIC_URL)):
        assert validate(elsewhere, token) == (401, "TOKEN_INVALID")


NO_TOKENS: list[str] = [
    ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "null", "{}", "[]", "e30.e30.", "e30.e30.e30",
    "%2e%2e", "\t", "0", "-", "a" * 4096, "." * 4096, "e30" * 1300, "Bearer x", "Bearer Bearer",
]  # fmt: skip


def test_what_is_no_token_is_invalid(service: Service) -> None:
    for text in NO_TOKENS:
        for verb, path in (("GET", "/auth/accesstoken"), ("GET", "/auth/accesstoken/validate"), ("GET", "/user/2fa")):
            answer = service.call(verb, path, text)
            expected = "TOKEN_INVALID" if text.strip() else "NO_TOKEN_PROVIDED"
            assert message(answer) == (401, expected)


def test_a_token_that_is_not_ascii_is_invalid(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    for text in (
        "\u00e9",
        "\u00ff" * 100,
        token.replace(".", "\u00ad.", 1),
        f"{token}\u00a0",
        f"\u00b2{token}",
        "\udc80",
    ):
        answer = raw_call(service, "GET", "/auth/accesstoken/validate", HTTP_AUTHORIZATION=f"Bearer {text}")
        assert message(answer) == (401, "TOKEN_INVALID"), text


def test_parts_of_a_token_are_no_token(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    head, payload, signature = token.split(".")
    for text in (
        f"{head}.{payload}", f"{head}.{payload}.", f".{payload}.{signature}", f"{head}..{signature}", f"{token}.",
        f".{token}", f"{token}.{signature}", f"{head}.{payload}.{payload}.{signature}", token[:-1], token[1:],
        token + token, token.upper(), f"{head} .{payload}.{signature}", f"{head}.{payload}\t.{signature}",
        b64url(token.encode()), f"{b64url(head.encode())}.{b64url(payload.encode())}.{b64url(signature.encode())}",
        f"{token} {token}", f"{token},{token}",
    ):  # fmt: skip
        assert validate(service, text) == (401, "TOKEN_INVALID"), text


def test_the_scheme_is_read_in_any_case_and_blanks_around_the_token_do_not_matter(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    for header in (f"bearer {token}", f"BEARER {token}", f"Bearer   {token}", f"Bearer {token} "):
        answer = service.call("GET", "/auth/accesstoken/validate", headers={"Authorization": header})
        assert answer.status_code == 200, header
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        token,
        f"Token {token}",
        f"Bearer{token}",
        f"Bearer\t{token}",
    ):
        answer = service.call("GET", "/auth/accesstoken/validate", headers={"Authorization": header})
        assert message(answer) == (401, "NO_TOKEN_PROVIDED"), header


def test_the_longest_token_has_4096_characters(service: Service) -> None:
    for operation in OPERATIONS:
        if operation.tokens:
            answer = service.call(operation.verb, operation.path, "a" * 4096)
            assert message(answer) == (401, "TOKEN_INVALID"), operation.path
            answer = service.call(operation.verb, operation.path, "a" * 4097)
            expected = (400, "id_token is too long") if operation.too_long_is_bad_input else (401, "TOKEN_INVALID")
            assert message(answer) == expected, operation.path


def test_a_missing_token_is_told_by_every_operation_that_wants_one(service: Service) -> None:
    for operation in OPERATIONS:
        if operation.tokens:
            answer = service.call(operation.verb, operation.path)
            assert message(answer) == (401, "NO_TOKEN_PROVIDED"), operation.path
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_of_one_kind_is_never_accepted_as_another(service: Service) -> None:
    """All operations with all kinds. The body is empty: an accepted token shows by any answer but a 401."""
    user = user_with_totp(service, EMAIL)
    for operation in OPERATIONS:
        if not operation.tokens:
            continue
        for use, token in user.tokens.items():
            if operation.path == "/auth/logout" and use == "refresh":
                continue
            if operation.verb == "DELETE" and use == "sudo":
                continue
            answer = service.call(operation.verb, operation.path, token, json={"otp": "1"})
            if use == "partial" and use not in operation.tokens:
                expected = "2FA_REQUIRED_PARTIAL_TOKEN"
            elif use not in operation.tokens:
                expected = "WRONG_TOKEN_TYPE"
            elif use == "access" and operation.step_up:
                expected = "SUDO_TOKEN_REQUIRED"
            else:
                assert answer.status_code != 401, (operation.path, use)
                continue
            assert message(answer) == (401, expected), (operation.path, use)


def test_an_access_token_serves_for_sensitive_changes_only_while_there_is_no_second_factor(service: Service) -> None:
    access = user_without_2fa(service, EMAIL)["access"]
    assert service.call("POST", "/user/2fa/totp/setup", access).status_code == 200
    service.enable_totp(access)
    assert message(service.call("POST", "/user/2fa/totp/setup", access)) == (401, "SUDO_TOKEN_REQUIRED")


# Time


def test_a_token_expires_to_the_second(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    checks = {
        "access": ("GET", "/auth/accesstoken/validate"),
        "sudo": ("POST", "/user/2fa/totp/setup"),
        "partial": ("GET", "/user/2fa"),
        "refresh": ("GET", "/auth/refreshtoken/validate"),
    }
    issued = service.clock.now_ms()
    for use, (verb, path) in checks.items():
        service.clock.advance((issued - service.clock.now_ms()) / 1000 + LIVES[use] - 0.001)
        assert service.call(verb, path, user.tokens[use]).status_code == 200, use
        service.clock.advance(0.001)
        assert message(service.call(verb, path, user.tokens[use])) == (401, "TOKEN_EXPIRED"), use


def test_an_expired_token_that_was_never_seen_before_is_expired_too(service: Service) -> None:
    token = user_without_2fa(service, EMAIL)["access"]
    service.clock.advance(301)
    assert validate(service, token) == (401, "TOKEN_EXPIRED")
    assert validate(service, token[:-2]) == (401, "TOKEN_INVALID")


# Keys


def kids(service: Service) -> list[str]:
    return [key["kid"] for key in service.call("GET", "/.well-known/jwks.json").json()["keys"]]


def kid(token: str) -> str:
    found: str = jwt.get_unverified_header(token)["kid"]
    return found


def test_a_new_key_is_published_before_it_signs_and_the_old_one_verifies_until_its_tokens_are_over(
    service: Service,
) -> None:
    service.add_user()
    (old,) = kids(service)
    new = service.doorward.env.tokens.keyring.rotate().kid
    service.clock.advance(60)
    assert kids(service) == [old, new]
    before = service.login()
    assert kid(before) == old
    # Every verifier that keeps the published keys for as long as it may has the new one by then.
    service.clock.advance(6 * 60 - 1)
    assert kid(service.login()) == old
    service.clock.advance(1)
    assert kid(service.login()) == new
    last_of_old = service.access(before)
    assert kid(last_of_old) == new
    assert service.call("GET", "/auth/refreshtoken/validate", before).status_code == 200
    service.clock.advance(13 * 86_400)
    assert service.call("GET", "/auth/refreshtoken/validate", before).status_code == 200
    assert kids(service) == [old, new]
    service.clock.advance(86_400 + 60)
    assert kids(service) == [new]


def test_a_server_that_has_not_seen_a_new_key_learns_of_it_from_a_token(start: Callable[..., Service]) -> None:
    one, other = start(), start()
    one.add_user()
    one.doorward.env.tokens.keyring.rotate()
    one.clock.advance(7 * 60)
    token = one.login()
    assert other.call("GET", "/auth/refreshtoken/validate", token).status_code == 200


def test_a_changed_algorithm_makes_a_new_key_and_old_tokens_stay_good(start: Callable[..., Service]) -> None:
    before = start()
    token = user_without_2fa(before, EMAIL)["refresh"]
    after = start(token_algorithm="ES256")
    assert len(kids(after)) == 2
    assert after.call("GET", "/auth/refreshtoken/validate", token).status_code == 200
    after.clock.advance(7 * 60)
    assert jwt.get_unverified_header(after.login())["alg"] == "ES256"


def test_a_retired_key_that_is_over_verifies_nothing(service: Service) -> None:
    """A thief of a key of last year can not make tokens with it."""
    service.add_user()
    keyring = service.doorward.env.tokens.keyring
    stolen = keyring.signing()
    claims = claims_of(service.login())
    keyring.rotate()
    service.clock.advance(15 * 86_400)
    now = service.clock.now_ms() // 1000
    text = f"{stolen.header}.{b64url(json.dumps(claims | {'iat': now, 'exp': now + 60}).encode())}"
    token = f"{text}.{b64url(stolen.pair.sign(text.encode()))}"
    assert message(service.call("GET", "/auth/refreshtoken/validate", token)) == (401, "TOKEN_INVALID")


def test_keys_of_a_kind_have_the_size_that_their_algorithm_asks_for() -> None:
    assert len(b64url_decode(Rsa().jwk()["n"])) * 8 == 3072
    assert SigningKey.of(Ed25519(), START_MS, START_MS).public_jwk()["use"] == "sig"
