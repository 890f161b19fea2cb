"""Reading every page of a list, one after the other, as they are asked for."""

from dataclasses import replace
from typing import TypeVar

from opspawn.client.call import Call
from opspawn.client.rules import Give, Gives, Patience, answered
from opspawn.client.views import Page

Item = TypeVar("Item")


def all_of(first: Call[Page[Item]], patience: Patience) -> Gives[Item]:
    """Each item once, newest first; what is made meanwhile is not among them."""
    call = first
    while True:
        page = yield from answered(call, patience)
        for item in page.items:
            yield Give(item)
        if page.next_cursor is None:
            return
        call = replace(call, params={**call.params, "cursor": page.next_cursor})
