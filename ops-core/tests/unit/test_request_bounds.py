"""What a client may not send, with the field that the refusal names."""

import json

import pytest

from ops_core.errors import InvalidRequest
from ops_core.request import check_json, parse_request, parse_request_json

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b"null", ""),
        (b"\xff\xfe", ""),
        (b"{}", "task_type"),
        (b'{"task_type": 1}', "task_type"),
        (b'{"task_type": ""}', "task_type"),
        (b'{"task_type": "x", "unknown": 1}', "unknown"),
        (b'{"task_type": "x", "priority": "1"}', "priority"),
        (b'{"task_type": "x", "priority": 101}', "priority"),
        (b'{"task_type": "x", "priority": 1.5}', "priority"),
        (b'{"task_type": "x", "deadline_s": 0}', "deadline_s"),
        (b'{"task_type": "x", "scheduled_at": "tomorrow"}', "scheduled_at"),
        (b'{"task_type": "x", "scheduled_at": "2026-01-01T00:00:00"}', "scheduled_at"),
        (b'{"task_type": "x", "scheduled_at": "9999-01-01T00:00:00Z"}', "scheduled_at"),
        (b'{"task_type": "x", "retry_policy": {"max_attempts": 0}}', "retry_policy.max_attempts"),
        (b'{"task_type": "x", "labels": {"a": 1}}', "labels.a"),
        (b'{"task_type": "x", "webhook": "http://localhost"}', "webhook"),
        (b'{"task_type": "x", "depends_on": ["task_1"]}', "depends_on"),
        (rb'{"task_type": "x", "name": "a\u0000b"}', "name"),
        (rb'{"task_type": "x", "input_data": {"goal": "\u0000"}}', "input_data.goal"),
        (b'{"task_type": "x", "input_data": {"n": 1e999}}', "input_data.n"),
        (b'{"task_type": "x", "input_data": {"n": [1, 9223372036854775808]}}', "input_data.n.1"),
    ],
)
def test_a_wrong_body_is_refused_with_its_field(body: bytes, path: str) -> None:
    """Each wrong field is named, in dots."""
    with pytest.raises(InvalidRequest) as refused:
        parse_request_json(body)
    assert [path] == [error.path for error in refused.value.errors]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"task_type": "x", "input_data": {"g": "\ud800"}}',
        b'{"task_type": "x", "input_data": {"g": ' + b"[" * 1000 + b"]" * 1000 + b"}}",
        b'{"task_type": "x", "input_data": {"g": ' + b"9" * 5000 + b"}}",
    ],
)
def test_hostile_json_is_refused(body: bytes) -> None:
    """Lone surrogates, deep nesting and endless numbers are refused, whoever parses them first."""
    with pytest.raises(InvalidRequest):
        parse_request_json(body)


def test_deep_python_data_is_refused_without_recursion() -> None:
    """Data that did not come through a JSON parser is walked without using up the stack."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidRequest, match="nested deeper"):
        check_json(deep)


def test_a_surrogate_in_a_key_is_refused() -> None:
    """Keys are strings too."""
    with pytest.raises(InvalidRequest):
        parse_request({"task_type": "x", "input_data": {"\ud800": 1}})


def test_the_refusal_does_not_repeat_the_value() -> None:
    """A wrong value may be a secret: it is not in the message."""
    with pytest.raises(InvalidRequest) as refused:
        parse_request_json(b'{"task_type": "x", "priority": "hunter2"}')
    assert "hunter2" not in str(refused.value)


def test_both_ways_in_give_the_same_request() -> None:
    """JSON text and Python data are one request, with one digest."""
    data = {"task_type": "x", "input_data": {"b": 1, "a": "é"}, "labels": {"k": "v"}}
    assert parse_request(data).digest() == parse_request_json(json.dumps(data).encode()).digest()


def test_the_digest_ignores_the_order_of_keys_and_sees_values() -> None:
    """Two requests that ask for the same have one digest; any difference gives another."""
    one = parse_request({"task_type": "x", "input_data": {"a": 1, "b": 2}})
    two = parse_request({"task_type": "x", "input_data": {"b": 2, "a": 1}})
    other = parse_request({"task_type": "x", "input_data": {"b": 2, "a": 3}})
    assert one.digest() == two.digest() != other.digest()
