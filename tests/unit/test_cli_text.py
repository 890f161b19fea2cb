"""Untrusted text on its way to a terminal."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opspawn.cli.text import bounded, json_text, one_line, plain

ANY_TEXT = st.text(st.characters(codec=None))
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\rb", "ab"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\x9b31mred", "31mred"),
        ("abc\u202edef", "abcdef"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("naïve 中文 🙂", "naïve 中文 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, expected: str) -> None:
    """Sequences go whole, other controls alone; words of any language stay."""
    assert plain(text) == expected


@given(ANY_TEXT)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    """Whatever a model writes, and it can be encoded."""
    shown = plain(text)
    assert OBEYED.search(shown) is None
    shown.encode()


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)))
def test_json_for_people_is_the_same_json_and_safe(value: object) -> None:
    """Printed JSON parses back to what it was, and a terminal obeys none of it."""
    text = json_text(value)
    assert json.loads(text) == value
    assert OBEYED.search(text) is None


def test_json_stays_readable_in_any_language() -> None:
    """Only what is dangerous is escaped."""
    assert json_text({"a": "中文\x9b"}, indent=None) == '{"a": "中文\\u009b"}'


def test_a_long_line_is_cut_with_a_sign() -> None:
    """One line of the width that was asked for."""
    assert one_line("a b\n c" * 100, 10) == "a b ca b …"


def test_a_long_text_says_what_is_missing() -> None:
    """The beginning, and how much is not shown."""
    assert bounded("line\n" * 5, lines=2) == "line\nline\n… (15 more characters)"
