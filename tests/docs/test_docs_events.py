"""docs/reference/events.md is the catalogue of the events that the code can write."""

import re

from ops_core.log import EventType
from support.documents import names, read, rows

PAGE = read("docs/reference/events.md")


def test_every_event_is_listed_once_in_the_order_of_the_code() -> None:
    listed = [names(row[0])[0] for row in rows(PAGE)]
    assert [str(kind) for kind in EventType] == listed


def test_what_the_page_says_does_not_exist_is_no_event() -> None:
    [said] = re.findall(r"There is no (.+?):", PAGE, flags=re.DOTALL)
    absent = re.findall(r"`([\w.]+)`", said)
    assert ["llm.started", "tool.reserved", "agent.thought"] == absent
    assert set() == set(absent) & set(EventType)
