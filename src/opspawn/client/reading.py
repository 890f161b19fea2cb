"""Makes values of the JSON that answers a call."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from opspawn.client.call import Json
from opspawn.client.views import Page, View


def page_of(name: str, item: type[View]) -> Callable[[Json], Any]:
    """Reads a page whose items are in the field `name`."""

    def read(body: Json) -> Page[Any]:
        items = [item.model_validate(each) for each in body.get(name, [])]
        return Page[Any](items=items, total=body.get("total"), next_cursor=body.get("next_cursor"))

    return read


def list_of(name: str, item: type[BaseModel]) -> Callable[[Json], Any]:
    return lambda body: [item.model_validate(each) for each in body.get(name, [])]


def raw_page(body: Json) -> Page[Json]:
    """A page of anything: the one list among its fields."""
    lists = [value for value in body.values() if isinstance(value, list)]
    return Page[Json](
        items=lists[0] if lists else [],
        total=body.get("total"),
        next_cursor=body.get("next_cursor"),
    )


def as_it_is(body: Json) -> Json:
    return body
