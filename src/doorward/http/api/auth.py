"""`/auth`: log in, log out, get and check tokens."""

import msgspec

from doorward.http.answers import Answer
from doorward.http.api.fields import Name, Password
from doorward.http.operations import ACCESS, REFRESH, Call, Operation
from doorward.http.params import wants_cookie
from doorward.sessions import flows as sessions
from doorward.signin.login import login
from doorward.tokens.tokens import Use


class Credentials(msgspec.Struct):
    username: Name
    password: Password


def _login(call: Call) -> Answer:
    with_cookie = wants_cookie(call.req)
    credentials: Credentials = call.body
    done = login(call.env, credentials.username, credentials.password, call.client)
    answer = _token(call, done.use, done.token, with_cookie=with_cookie)
    answer.headers.append(("X-Token-Use", done.use))
    return answer


def _logout(call: Call) -> Answer:
    sessions.logout(call.env, call.claims, call.client)
    return Answer(headers=call.gate.cleared_cookies(call.req))


def _access_token(call: Call) -> Answer:
    with_cookie = wants_cookie(call.req)
    return _token(call, "access", sessions.access_token(call.env, call.claims), with_cookie=with_cookie)


def _refresh_token(call: Call) -> Answer:
    with_cookie = wants_cookie(call.req)
    return _token(call, "refresh", sessions.renew(call.env, call.claims), with_cookie=with_cookie)


def _user_id(call: Call) -> dict[str, int]:
    return {"userId": call.claims.user_id}


def _token(call: Call, use: Use, token: str, *, with_cookie: bool) -> Answer:
    return Answer(token, [call.gate.cookie(use, token)] if with_cookie else [])


OPERATIONS = [
    Operation("POST", "/auth/login", _login, body=Credentials),
    Operation("POST", "/auth/logout", _logout, REFRESH),
    Operation("GET", "/auth/accesstoken", _access_token, REFRESH),
    Operation("GET", "/auth/refreshtoken", _refresh_token, REFRESH),
    Operation("GET", "/auth/accesstoken/validate", _user_id, ACCESS, too_long_is_bad_input=False),
    Operation("GET", "/auth/refreshtoken/validate", _user_id, REFRESH, too_long_is_bad_input=False),
]
