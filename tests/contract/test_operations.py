"""The table of operations in the code and the contract say the same."""

import msgspec
import pytest

from doorward.http.api import OPERATIONS
from doorward.http.bodies import NoFields
from doorward.http.operations import Operation
from tests.support import contract

BY_ROUTE = {(each.verb, each.path): each for each in OPERATIONS}
DOCUMENTED_TOKENS = {
    frozenset(): None,
    frozenset({"refresh"}): ["refresh"],
    frozenset({"access"}): ["access"],
    frozenset({"sudo"}): ["sudo"],
    frozenset({"sudo", "access"}): ["sudo", "access-without-2fa"],
    frozenset({"access", "partial"}): ["access", "partial"],
}


def test_the_code_has_exactly_the_28_operations_of_the_contract() -> None:
    assert len(OPERATIONS) == len(BY_ROUTE) == 28
    assert set(BY_ROUTE) == set(contract.OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.verb} {each.path}")
def test_an_operation_takes_the_tokens_and_the_body_that_the_contract_says(operation: Operation) -> None:
    documented = contract.OPERATIONS[operation.verb, operation.path]
    assert DOCUMENTED_TOKENS[operation.tokens] == documented.get("x-accepted-tokens")
    assert operation.step_up == ("access-without-2fa" in documented.get("x-accepted-tokens", []))
    assert operation.too_long_is_bad_input == ("400" in documented["responses"])
    body = documented.get("requestBody")
    assert (operation.body is not None) == (body is not None)
    if operation.body is not None and body is not None:
        schema = body["content"]["application/json"]["schema"]
        fields = msgspec.structs.fields(operation.body)
        assert [each.encode_name for each in fields if each.required] == schema["required"]
        assert {each.encode_name for each in fields} == set(schema["properties"])
        assert (operation.body is NoFields) == (not body["required"])


def test_the_contract_has_the_published_operation_ids_and_tags() -> None:
    assert len({each["operationId"] for each in contract.OPERATIONS.values()}) == 28
    assert contract.OPERATIONS["GET", "/auth/accesstoken"]["operationId"] == "accesstoken"
    assert {tag for each in contract.OPERATIONS.values() for tag in each["tags"]} == {"Authentication", "User"}


def test_what_reads_bodies_is_made_before_there_are_threads() -> None:
    # Two threads that make the first decoder of a struct crash the process.
    for operation in OPERATIONS:
        assert isinstance(operation.decoder, msgspec.json.Decoder) == (operation.body is not None)
