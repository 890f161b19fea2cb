"""What a client may not send, with the field that the refusal names."""

import json
import tracemalloc
from contextlib import nullcontext, suppress

import pytest

from ops_core.errors import InvalidRequest
from ops_core.request import (
    MAX_DEPTH,
    MAX_KEY_LENGTH,
    check_json,
    parse_request,
    parse_request_json,
)

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
        (b'{"task_type": "x", "webhook": "ftp://localhost"}', "webhook.url"),
        (b'{"task_type": "x", "depends_on": [""]}', "depends_on.0"),
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


def nested(depth: int, inside: object) -> object:
    """Lists in lists; the innermost holds the value."""
    return inside if depth == 0 else [nested(depth - 1, inside)]


@pytest.mark.parametrize(
    "wrong",
    [
        nested(MAX_DEPTH, 0),
        {"k" * (MAX_KEY_LENGTH + 1): 0},
        {"a": [{"\x00": 0}]},
        {"a": [0, "\ud800"]},
        [float("nan")],
        {"a": 2**63},
    ],
)
@pytest.mark.parametrize("values", [0, 5_000])
def test_what_is_wrong_is_found_among_few_values_and_among_many(wrong: object, values: int) -> None:
    """Small values are looked at in another way than large ones, for the same faults."""
    with pytest.raises(InvalidRequest):
        check_json({"more": [0] * values, "input": wrong})


@pytest.mark.parametrize("right", [nested(MAX_DEPTH - 1, 0), {"k" * MAX_KEY_LENGTH: 2**63 - 1}])
@pytest.mark.parametrize("values", [0, 5_000])
def test_what_is_just_right_passes_among_few_values_and_among_many(
    right: object, values: int
) -> None:
    """The bounds are the same in both ways."""
    check_json({"more": [0] * values, "input": right})


def test_the_digest_ignores_the_order_of_keys_and_sees_values() -> None:
    """Two requests that ask for the same have one digest; any difference gives another."""
    one = parse_request({"task_type": "x", "input_data": {"a": 1, "b": 2}})
    two = parse_request({"task_type": "x", "input_data": {"b": 2, "a": 1}})
    other = parse_request({"task_type": "x", "input_data": {"b": 2, "a": 3}})
    assert one.digest() == two.digest() != other.digest()


@pytest.mark.parametrize("key", ["k" * 1000, "k" * 500_000])
def test_a_long_name_over_many_values_is_checked_in_little_memory(key: str) -> None:
    """A name is not copied for each value below it: one body of 1 MB must not take down the process."""
    data = {"input_data": {key: [0] * 250_000}}
    tracemalloc.start()
    try:
        with suppress(InvalidRequest):
            check_json(data)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000  # bytes
    finally:
        tracemalloc.stop()


def test_a_body_of_one_megabyte_is_parsed_in_little_memory() -> None:
    """From the text on: what the parser, the model and the check hold together stays bounded."""
    body = b'{"task_type": "x", "input_data": {"k": [' + b",".join([b"0"] * 500_000) + b"]}}"
    tracemalloc.start()
    try:
        parse_request_json(body)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000  # bytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("field", "value"),
    [("depends_on", [0] * 250_000), ("labels", dict.fromkeys(map(str, range(100_000)), 0))],
)
def test_many_wrong_values_are_one_error(field: str, value: object) -> None:
    """The errors of a body take no more memory than the body."""
    body = json.dumps({"task_type": "x", field: value}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest) as refused:
            parse_request_json(body)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000  # bytes
    finally:
        tracemalloc.stop()
    assert [field] == [error.path for error in refused.value.errors]


def test_a_name_without_end_is_refused() -> None:
    """The refusal names the object that has the key, not the key."""
    with pytest.raises(InvalidRequest, match="has a key of more than 1000 characters") as refused:
        parse_request({"task_type": "x", "input_data": {"a": [{"k" * 1001: 1}]}})
    assert ["input_data.a.0"] == [error.path for error in refused.value.errors]


def test_the_first_wrong_field_is_named_in_the_order_of_the_document() -> None:
    """What was walked before the wrong field leaves no trace in its path."""
    with pytest.raises(InvalidRequest) as refused:
        check_json({"a": [[1], {"b": 2}], "c": [0, {"d": [float("nan")]}], "e": "\0"})
    assert ["c.1.d.0"] == [error.path for error in refused.value.errors]


@pytest.mark.parametrize(("levels", "fits"), [(32, True), (33, False)])
def test_the_depth_that_fits(levels: int, fits: bool) -> None:
    """32 levels below the root are stored; one more is refused."""
    nested: object = 0
    for _ in range(levels):
        nested = [nested]
    with nullcontext() if fits else pytest.raises(InvalidRequest, match="nested deeper"):
        check_json(nested)


def test_a_request_has_the_digest_that_older_builds_give_it() -> None:
    """Sent through an old door and again through a new one, it is one task."""
    sent = {"task_type": "noop", "thread_id": "t"}
    digest = "83ee30f857a9fa2f7196b37bcfb819be753844140cad62e23cc79f8f730efb69"
    assert digest == parse_request(sent).digest()
    assert digest != parse_request({**sent, "on_busy": "reject"}).digest()
