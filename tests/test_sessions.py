"""Sessions: renewed, ended, limited; their cookies, and calls from other web origins."""

from collections.abc import Callable
from http.cookies import SimpleCookie

import httpx
import pytest
import sqlalchemy as sa

from doorward.accounts.view import view
from doorward.core.errors import Refused
from doorward.core.tables import events
from doorward.sessions import flows
from tests.support.service import EMAIL, PASSWORD, Service
from tests.support.tokens import claims_of, user_with_totp, user_without_2fa

APP = "https://app.example.org"
DAY = 86_400


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def event_types(service: Service) -> list[str]:
    with service.doorward.env.db.read() as tx:
        return list(tx.execute(sa.select(events.c.type).order_by(events.c.id)).scalars())


def cookies(answer: httpx.Response) -> dict[str, dict[str, str]]:
    """Each cookie that the answer sets: its value and its attributes."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            attributes = {key: str(value) for key, value in morsel.items() if value}
            found[name] = attributes | {"value": morsel.value}
    return found


# Renewal and logout


def test_logout_ends_the_session_at_once_for_every_token_and_no_other_session(service: Service) -> None:
    user = user_with_totp(service, EMAIL)
    body = {"totp": service.next_totp_code(user.authenticator)}
    second = service.call("POST", "/user/2fa/totp/authenticate", service.login(), json=body).json()["refreshToken"]
    renewed = service.call("GET", "/auth/refreshtoken", user.tokens["refresh"]).text
    assert service.call("POST", "/auth/logout", renewed).status_code == 204
    for verb, path, use in (
        ("GET", "/auth/accesstoken", "refresh"),
        ("GET", "/auth/refreshtoken", "refresh"),
        ("GET", "/auth/refreshtoken/validate", "refresh"),
        ("POST", "/auth/logout", "refresh"),
        ("GET", "/auth/accesstoken/validate", "access"),
        ("GET", "/user/2fa", "access"),
        ("POST", "/user/2fa/totp/setup", "sudo"),
        ("DELETE", "/user/2fa/totp", "sudo"),
    ):
        assert message(service.call(verb, path, user.tokens[use])) == (401, "TOKEN_REVOKED"), path
    assert message(service.call("GET", "/auth/accesstoken", renewed)) == (401, "TOKEN_REVOKED")
    assert service.call("GET", "/auth/refreshtoken/validate", second).status_code == 200
    # A login under way is not of that session.
    assert service.call("GET", "/user/2fa", user.tokens["partial"]).status_code == 200


def test_a_renewed_token_is_of_the_same_session_with_a_full_life_and_the_older_one_stays_good(service: Service) -> None:
    service.add_user()
    first = service.login()
    service.clock.advance(10 * DAY)
    second = service.call("GET", "/auth/refreshtoken", first).text
    before, after = claims_of(first), claims_of(second)
    assert after["sid"] == before["sid"]
    assert after["jti"] != before["jti"]
    assert after["exp"] == service.clock.now_ms() // 1000 + 14 * DAY
    service.clock.advance(4 * DAY - 1)
    for token in (first, second, first):
        assert service.call("GET", "/auth/accesstoken", token).status_code == 200
    service.clock.advance(1)
    assert message(service.call("GET", "/auth/accesstoken", first)) == (401, "TOKEN_EXPIRED")
    service.clock.advance(10 * DAY - 1)
    assert service.call("GET", "/auth/accesstoken", second).status_code == 200
    service.clock.advance(1)
    assert message(service.call("GET", "/auth/accesstoken", second)) == (401, "TOKEN_EXPIRED")


def test_a_renewal_of_the_older_token_does_not_shorten_the_newer_one(service: Service) -> None:
    service.add_user()
    first = service.login()
    tokens = [service.call("GET", "/auth/refreshtoken", first).text for _ in range(5)]
    assert len(set(tokens)) == 5
    service.clock.advance(14 * DAY - 1)
    assert all(service.call("GET", "/auth/refreshtoken", token).status_code == 200 for token in tokens)


def test_a_partial_token_leaves_nothing_behind(service: Service) -> None:
    user_with_totp(service, EMAIL)

    def rows() -> int:
        with service.doorward.env.db.read() as tx:
            return int(tx.execute(sa.text("SELECT count(*) FROM sessions")).scalar_one())

    before = rows()
    assert [claims_of(service.login())["use"] for _ in range(3)] == ["partial"] * 3
    assert rows() == before


def test_login_tells_the_kind_of_its_token_in_a_header(service: Service) -> None:
    service.add_user("plain@example.org")
    user_with_totp(service, EMAIL)
    for name, use in ((EMAIL, "partial"), ("plain@example.org", "refresh")):
        answer = service.call("POST", "/auth/login", json={"username": name, "password": PASSWORD})
        assert answer.headers["x-token-use"] == claims_of(answer.text)["use"] == use


# Strict rotation


def test_strict_rotation_gives_a_lost_answer_again_within_the_grace(start: Callable[..., Service]) -> None:
    service = start(refresh_rotation="strict", refresh_grace="30")
    service.add_user()
    first = service.login()
    second = service.call("GET", "/auth/refreshtoken", first).text
    service.clock.advance(29.999)
    again = service.call("GET", "/auth/refreshtoken", first).text
    assert claims_of(again) == claims_of(second)
    assert service.call("GET", "/auth/accesstoken", first).status_code == 200
    third = service.call("GET", "/auth/refreshtoken", second).text
    assert claims_of(third)["jti"] != claims_of(second)["jti"]
    assert service.call("GET", "/auth/accesstoken", third).status_code == 200


@pytest.mark.parametrize("path", ["/auth/refreshtoken", "/auth/accesstoken", "/auth/refreshtoken/validate"])
def test_strict_rotation_ends_the_session_when_a_used_token_comes_again(
    start: Callable[..., Service], path: str
) -> None:
    service = start(refresh_rotation="strict", refresh_grace="30")
    service.add_user()
    first = service.login()
    second = service.call("GET", "/auth/refreshtoken", first).text
    access = service.access(second)
    service.clock.advance(30)
    assert "session.reuse_detected" not in event_types(service)
    assert message(service.call("GET", path, first)) == (401, "TOKEN_REVOKED")
    assert event_types(service)[-1] == "session.reuse_detected"
    assert message(service.call("GET", "/auth/refreshtoken", second)) == (401, "TOKEN_REVOKED")
    assert message(service.call("GET", "/auth/accesstoken/validate", access)) == (401, "TOKEN_REVOKED")


def test_strict_rotation_takes_no_token_but_the_newest_two_even_within_the_grace(start: Callable[..., Service]) -> None:
    service = start(refresh_rotation="strict")
    service.add_user()
    first = service.login()
    second = service.call("GET", "/auth/refreshtoken", first).text
    service.call("GET", "/auth/refreshtoken", second)
    assert message(service.call("GET", "/auth/refreshtoken", first)) == (401, "TOKEN_REVOKED")
    assert message(service.call("GET", "/auth/refreshtoken", second)) == (401, "TOKEN_REVOKED")


def test_strict_rotation_gives_no_access_token_for_the_last_but_two(start: Callable[..., Service]) -> None:
    service = start(refresh_rotation="strict")
    service.add_user()
    first = service.login()
    second = service.call("GET", "/auth/refreshtoken", first).text
    third = service.call("GET", "/auth/refreshtoken", second).text
    assert service.call("GET", "/auth/accesstoken", second).status_code == 200
    assert message(service.call("GET", "/auth/accesstoken", first)) == (401, "TOKEN_REVOKED")
    assert message(service.call("GET", "/auth/accesstoken", third)) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize(("used", "waited_s"), [(0, 0), (1, 30)])
def test_strict_rotation_judges_again_where_another_renewal_came_between(
    start: Callable[..., Service], used: int, waited_s: int
) -> None:
    """The gate has let the token in, and then it is the last but two, or its grace is over."""
    service = start(refresh_rotation="strict", refresh_grace="30")
    service.add_user()
    refreshes = [service.login()]
    for _ in range(2):
        refreshes.append(service.call("GET", "/auth/refreshtoken", refreshes[-1]).text)
    env = service.doorward.env
    let_in = env.tokens.read(refreshes[used])
    service.clock.advance(waited_s)
    with pytest.raises(Refused, match="TOKEN_REVOKED"):
        flows.renew(env, let_in)
    assert event_types(service)[-1] == "session.reuse_detected"


def test_strict_rotation_can_have_no_grace(start: Callable[..., Service]) -> None:
    service = start(refresh_rotation="strict", refresh_grace="0")
    service.add_user()
    first = service.login()
    service.call("GET", "/auth/refreshtoken", first)
    assert message(service.call("GET", "/auth/refreshtoken", first)) == (401, "TOKEN_REVOKED")


# Limits


def test_an_idle_session_ends(start: Callable[..., Service]) -> None:
    service = start(session_idle_limit="3600")
    service.add_user()
    refresh = service.login()
    for _ in range(3):
        service.clock.advance(3500)
        assert service.call("GET", "/auth/accesstoken", refresh).status_code == 200
    service.clock.advance(3600)
    assert message(service.call("GET", "/auth/accesstoken", refresh)) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("limit", ["session_idle_limit", "session_absolute_limit"])
def test_a_session_that_is_over_by_a_limit_is_not_shown_as_living(start: Callable[..., Service], limit: str) -> None:
    service = start(**{limit: "3600"})
    service.add_user()
    service.login()
    service.clock.advance(3600)
    env = service.doorward.env
    assert [each.created_at for each in flows.living(env, env.tokens.read(service.login()))] == [env.clock.now_ms()]
    assert view(env, EMAIL).sessions == 1


def test_a_session_ends_at_its_absolute_limit_however_often_it_is_renewed(start: Callable[..., Service]) -> None:
    service = start(session_absolute_limit=str(20 * DAY))
    service.add_user()
    refresh = service.login()
    ends = claims_of(refresh)["auth_time"]
    service.clock.advance(13 * DAY)
    refresh = service.call("GET", "/auth/refreshtoken", refresh).text
    assert claims_of(refresh)["exp"] == int(str(ends)) + 20 * DAY
    service.clock.advance(7 * DAY - 1)
    assert service.call("GET", "/auth/refreshtoken", refresh).status_code == 200
    service.clock.advance(1)
    assert service.call("GET", "/auth/refreshtoken", refresh).status_code == 401


def test_a_limit_that_is_set_later_ends_older_sessions_too(start: Callable[..., Service]) -> None:
    service = start()
    service.add_user()
    refresh = service.login()
    limited = start(session_absolute_limit="3600")
    service.clock.advance(3599)
    assert limited.call("GET", "/auth/accesstoken", refresh).status_code == 200
    service.clock.advance(1)
    assert message(limited.call("GET", "/auth/accesstoken", refresh)) == (401, "TOKEN_REVOKED")


def test_no_token_outlives_its_session(service: Service) -> None:
    service.add_user()
    refresh = service.login()
    service.clock.advance(14 * DAY - 1)
    access = service.access(refresh)
    service.clock.advance(1)
    assert message(service.call("GET", "/auth/accesstoken/validate", access)) == (401, "TOKEN_REVOKED")


def test_there_is_no_limit_unless_one_is_set(service: Service) -> None:
    service.add_user()
    refresh = service.login()
    for _ in range(20):
        service.clock.advance(14 * DAY - 1)
        refresh = service.call("GET", "/auth/refreshtoken", refresh).text
    assert service.call("GET", "/auth/refreshtoken/validate", refresh).status_code == 200


# Cookies


def test_a_token_is_set_as_a_cookie_when_asked(service: Service) -> None:
    service.add_user()
    body = {"username": EMAIL, "password": PASSWORD}
    login = service.call("POST", "/auth/login?cookie=true", json=body)
    strict = {"httponly": "True", "secure": "True", "samesite": "Strict"}
    in_auth = strict | {"path": "/auth", "max-age": str(14 * DAY)}
    assert cookies(login) == {"refreshToken": in_auth | {"value": login.text}}
    renewed = service.call("GET", "/auth/refreshtoken?cookie=yes", login.text)
    assert cookies(renewed) == {"refreshToken": in_auth | {"value": renewed.text}}
    access = service.call("GET", "/auth/accesstoken?cookie=1", login.text)
    everywhere = strict | {"path": "/", "max-age": "300"}
    assert cookies(access) == {"accessToken": everywhere | {"value": access.text}}


def test_a_partial_token_is_never_kept_as_the_refresh_cookie(service: Service) -> None:
    user_with_totp(service, EMAIL)
    login = service.call("POST", "/auth/login?cookie=true", json={"username": EMAIL, "password": PASSWORD})
    assert set(cookies(login)) == {"accessToken"}


def test_same_site_and_domain_of_cookies_are_settings(start: Callable[..., Service]) -> None:
    service = start(cookie_same_site="None", cookie_domain="example.org")
    service.add_user()
    login = service.call("POST", "/auth/login?cookie=true", json={"username": EMAIL, "password": PASSWORD})
    kept = cookies(login)["refreshToken"]
    assert (kept["samesite"], kept["domain"], kept["secure"]) == ("None", "example.org", "True")


PUBLIC_URLS: list[tuple[str, bool]] = [
    ("http://localhost:8000", False), ("http://127.0.0.1:8000", False), ("http://[::1]:8000", False),
    ("https://localhost", True), ("http://auth.example.org", True), ("http://localhost.example.org", True),
]  # fmt: skip


def test_cookies_are_secure_except_for_http_on_localhost(start: Callable[..., Service]) -> None:
    start().add_user()
    for public_url, secure in PUBLIC_URLS:
        service = start(public_url=public_url)
        login = service.call("POST", "/auth/login?cookie=true", json={"username": EMAIL, "password": PASSWORD})
        assert ("secure" in cookies(login)["refreshToken"]) == secure


def test_no_cookie_is_set_unasked(service: Service) -> None:
    service.add_user()
    for query in ("", "?cookie=false", "?cookies=true"):
        answer = service.call("POST", f"/auth/login{query}", json={"username": EMAIL, "password": PASSWORD})
        assert "set-cookie" not in answer.headers
    bad = service.call("POST", "/auth/login?cookie=true", json={"username": EMAIL, "password": "wrong"})
    assert "set-cookie" not in bad.headers
    assert "set-cookie" not in service.call("POST", "/auth/logout", service.login()).headers


def test_a_cookie_serves_in_place_of_the_header_and_the_header_wins(service: Service) -> None:
    ann, bob = user_without_2fa(service, EMAIL), user_without_2fa(service, "bob@example.org")
    kept = {"Cookie": f"refreshToken={ann['refresh']}; accessToken={ann['access']}"}
    validate = "/auth/accesstoken/validate"
    assert service.call("GET", "/auth/accesstoken", headers=kept).status_code == 200
    by_cookie = service.call("GET", validate, headers=kept).json()
    by_header = service.call("GET", validate, bob["access"], headers=kept).json()
    assert by_cookie != by_header
    assert by_header == service.call("GET", validate, bob["access"]).json()
    assert message(service.call("GET", validate, "bad", headers=kept)) == (401, "TOKEN_INVALID")
    swapped = {"Cookie": f"refreshToken={ann['access']}; accessToken={ann['refresh']}"}
    assert message(service.call("GET", validate, headers=swapped)) == (401, "WRONG_TOKEN_TYPE")


ORIGINS: list[tuple[dict[str, str], bool]] = [
    ({}, False),
    ({"Origin": "https://auth.example.org"}, True),
    ({"Origin": APP}, True),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Origin": "http://auth.example.org"}, False),
    ({"Origin": "https://auth.example.org.evil.example"}, False),
    ({"Origin": "https://auth.example.org:444"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
    ({"Referer": "https://auth.example.org/"}, False),
]


def test_a_cookie_serves_on_unsafe_verbs_only_for_an_allowed_origin(start: Callable[..., Service]) -> None:
    service = start(web_origins=APP)
    service.add_user()
    for headers, serves in ORIGINS:
        refresh = service.login()
        tokens = {"refresh": refresh, "access": service.access(refresh)}
        kept = headers | {"Cookie": f"refreshToken={tokens['refresh']}; accessToken={tokens['access']}"}
        setup = service.call("POST", "/user/2fa/totp/setup", headers=kept)
        logout = service.call("POST", "/auth/logout", headers=kept)
        if serves:
            assert (setup.status_code, logout.status_code) == (200, 204)
        else:
            assert message(setup) == message(logout) == (401, "NO_TOKEN_PROVIDED")
            # A header is no cookie: a browser does not send it for another site.
            assert service.call("POST", "/auth/logout", tokens["refresh"], headers=headers).status_code == 204


def test_the_own_origin_is_that_of_the_public_url_without_its_path(start: Callable[..., Service]) -> None:
    service = start(public_url="https://Example.org:443/auth-service/")
    tokens = user_without_2fa(service, EMAIL)
    headers = {"Origin": "https://example.org", "Cookie": f"refreshToken={tokens['refresh']}"}
    assert service.call("POST", "/auth/logout", headers=headers).status_code == 204


def test_logout_clears_the_cookies_it_came_with(service: Service) -> None:
    tokens = user_without_2fa(service, EMAIL)
    headers = {
        "Origin": "https://auth.example.org",
        "Cookie": f"refreshToken={tokens['refresh']}; accessToken={tokens['access']}",
    }
    answer = service.call("POST", "/auth/logout", headers=headers)
    cleared = {name: (kept["value"], kept["max-age"], kept["path"]) for name, kept in cookies(answer).items()}
    assert cleared == {"refreshToken": ("", "0", "/auth"), "accessToken": ("", "0", "/")}


# Other web origins


def test_a_configured_web_origin_may_read_every_answer(start: Callable[..., Service]) -> None:
    service = start(web_origins=f"{APP},https://other.example.org")
    tokens = user_without_2fa(service, EMAIL)
    for verb, path in (
        ("GET", "/auth/accesstoken"), ("POST", "/auth/login"), ("PUT", "/auth/login"), ("GET", "/nowhere"),
        ("GET", "/.well-known/jwks.json"), ("GET", "/openapi.json"), ("POST", "/auth/logout"),
    ):  # fmt: skip
        answer = service.call(verb, path, tokens["refresh"], headers={"Origin": APP})
        # Exactly one: a browser refuses an answer with two.
        (origin,) = answer.headers.get_list("access-control-allow-origin")
        assert origin in {APP, "*"}, path
        assert origin == "*" or answer.headers["vary"] == "Origin"
    answer = service.call("GET", "/auth/accesstoken", headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"retry-after", "x-token-use", "x-request-id"}


OTHER_ORIGINS: list[str] = ["https://evil.example", "null", f"{APP}.evil.example", "http://app.example.org", ""]


def test_no_web_origin_may_read_pages(start: Callable[..., Service]) -> None:
    service = start(web_origins=APP)
    for path in ("/account", "/account/sign-in", "/admin", "/admin/users", "/admin/users/1/disable", "/dev/inbox"):
        for verb, headers in (("GET", {}), ("POST", {}), ("OPTIONS", {"Access-Control-Request-Method": "POST"})):
            answer = service.call(verb, path, headers={"Origin": APP} | headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")], (verb, path)
    answer = service.call("GET", "/admin/api/users", headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP


def test_another_web_origin_may_read_nothing(start: Callable[..., Service]) -> None:
    service = start(web_origins=APP)
    for origin in OTHER_ORIGINS:
        for verb, headers in (("GET", {}), ("OPTIONS", {"Access-Control-Request-Method": "GET"})):
            answer = service.call(verb, "/auth/accesstoken", headers={"Origin": origin} | headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["vary"] == "Origin"


def test_a_preflight_of_a_configured_origin_is_answered(start: Callable[..., Service]) -> None:
    service = start(web_origins=APP)
    asked = {"Origin": APP, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    answer = service.call("OPTIONS", "/user/password/old-password", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type"} <= allowed
    methods = {name.strip() for name in answer.headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "PUT", "DELETE"}


def test_without_web_origins_no_answer_speaks_of_origins(service: Service) -> None:
    answer = service.call("GET", "/auth/accesstoken", headers={"Origin": APP})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
