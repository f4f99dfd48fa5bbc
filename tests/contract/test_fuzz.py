"""Schemathesis over the whole contract, with all its checks: what it draws from the schema is answered as that says.

Every call has a good token of a kind that the operation accepts. The gate draws the same few inputs each time;
`make fuzz` draws many.
"""

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from doorward.factors.recovery import SEPARATORS
from tests.support import contract
from tests.support.service import Service
from tests.support.tokens import user_with_totp, user_without_2fa

IN_GATE = hypothesis.settings.default is not None and hypothesis.settings.default.derandomize
EXAMPLES = 5 if IN_GATE else 1_000
SEED = 1 if IN_GATE else None


class AnyApp:
    """Stands for the service of the test that runs."""

    def __init__(self) -> None:
        self.app: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


class Caller:
    """Gives a good token for each call, of each accepted kind in turn; never one whose user may have been changed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._calls = itertools.count()
        self._users = itertools.count()
        self._plain: dict[str, str] = {}
        self._stepped_up: dict[str, str] = {}

    def headers(self, case: Case[Any]) -> dict[str, str]:
        accepted = case.operation.definition.raw.get("x-accepted-tokens")
        if accepted is None:
            return {}
        return {"Authorization": f"Bearer {self._token(accepted[next(self._calls) % len(accepted)])}"}

    def _token(self, use: str) -> str:
        email = f"user{next(self._users)}@example.org"
        if use in {"sudo", "partial"}:
            self._stepped_up = self._stepped_up or user_with_totp(self._service, email).tokens
            return self._stepped_up[use]
        self._plain = self._plain or user_without_2fa(self._service, email)
        return self._plain[use.removesuffix("-without-2fa")]

    def saw(self, case: Case[Any], status: int) -> None:
        if case.operation.method != "get" and status < 300:
            self._plain, self._stepped_up = {}, {}


def document() -> dict[str, Any]:
    """The contract, with a narrower pattern for new passwords: to draw one for the contract's own takes a minute."""
    narrower = copy.deepcopy(contract.DOCUMENT)
    for path in ("/user/password/old-password", "/user/password/otp"):
        body = narrower["paths"][path]["put"]["requestBody"]["content"]["application/json"]
        body["schema"]["properties"]["newPassword"]["pattern"] = "^[a-z][A-Z][0-9].{5,253}$"
    return narrower


def beyond_the_schema(case: Case[Any]) -> list[Any]:
    """The checks that CONTRACT.md overrules: of a recovery code, the length is counted without its separators."""
    code = case.body.get("recoveryCode") if isinstance(case.body, dict) else None
    separated = isinstance(code, str) and code != code.translate(SEPARATORS)
    return [positive_data_acceptance] if separated else []


APP = AnyApp()
SCHEMA = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig(seed=SEED))
SCHEMA.app = APP


@pytest.fixture
def caller(service: Service) -> Caller:
    APP.app = service.doorward.app
    return Caller(service)


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_what_the_schema_draws_is_answered_as_it_says(case: Case[Any], caller: Caller) -> None:
    answer = case.call_and_validate(headers=caller.headers(case), excluded_checks=beyond_the_schema(case))
    caller.saw(case, answer.status_code)
