"""What a stranger's regular expressions may cost."""

import time

import pytest

from agentkit.foreign_schema import ForeignSchema, SchemaRefused
from agentkit.pattern_effort import Effort, size_of

#: Without a bound these take from ten seconds to minutes.
LONG_S = 5.0


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^(a+)+$", 3),
        ("a{10}{10}", 100),
        ("((ab){10}c){10}", 210),
        ("a{,7}b{3,}", 10),
        (r"[\]{]{5}", 100),
        (r"\d{4}", 80),
        ("(?x)(a) {9}", 20_000_000),
        ("))((", 2),
        ("{{{", 3),
        ("\\", 1),
    ],
)
def test_repetitions_are_written_out(pattern: str, expected: int) -> None:
    """Also nested ones, and those of what is no expression at all."""
    assert expected == size_of(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "0" * 36, False),
        (r"^\d{4}-\d{2}-\d{2}$", "2027-01-31", True),
        (r"^[\w.+-]{1,64}@[\w-]+\.[\w.]+$", "ada@example.org", True),
    ],
)
def test_what_people_write_is_matched_many_times(pattern: str, text: str, fits: bool) -> None:
    """A list of a thousand of them is no effort."""
    schema = ForeignSchema({"items": {"pattern": pattern}})
    assert (0 if fits else 1000) == len(schema.problems([text] * 1000))


@pytest.mark.parametrize(
    "pattern",
    ["(?:[a-z]?){30000}z", "(?:.?){5000}z", "(a|b|ab){1,5000}c", "(?x)(?:[a-z]?) {30000}z"],
)
def test_what_would_take_minutes_is_not_matched(pattern: str) -> None:
    """Counted repetitions multiply even where time is linear: such a pattern holds."""
    started = time.perf_counter()
    assert [] == ForeignSchema({"pattern": pattern}).problems("ab" * 50_000)
    assert time.perf_counter() - started < LONG_S


def test_many_patterns_share_one_bound() -> None:
    """Each alone would do."""
    effort = Effort()
    allowed = [effort.allows(f"(?:[a-z]?){{{size}}}", "x" * 10_000) for size in range(100, 200)]
    assert (True, False) == (allowed[0], allowed[-1])


def test_expressions_that_are_slow_to_make_are_not_all_made() -> None:
    """Each sign may cost milliseconds; a mistake in a short one is told of."""
    started = time.perf_counter()
    ForeignSchema({"pattern": "(?i)" + "[\x01-\U0010ffff]x" * 20_000})
    assert time.perf_counter() - started < LONG_S
    with pytest.raises(SchemaRefused, match="regex"):
        ForeignSchema({"pattern": "("})
