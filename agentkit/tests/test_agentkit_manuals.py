"""What a model is told of a tool's parameters: docstring sections, enums, nested models, methods."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from agentkit.errors import UsageError
from agentkit.tools import tool


def google(city: str, days: int = 3) -> str:
    """Tell the weather.

    It is a guess.

    Args:
        city: Where to look,
            in the local spelling.
        days (int): How far ahead.

    Returns:
        One line for each day.

    Raises:
        OSError: When the station is down.
    """
    return f"{city} {days}"


def sphinx(city: str, days: int = 3) -> str:
    """Tell the weather.

    It is a guess.

    :param city: Where to look,
        in the local spelling.
    :param int days: How far ahead.
    :returns: One line for each day.
    :raises OSError: When the station is down.
    """
    return f"{city} {days}"


def numpy(city: str, days: int = 3) -> str:
    """Tell the weather.

    It is a guess.

    Parameters
    ----------
    city : str
        Where to look,
        in the local spelling.
    days : int
        How far ahead.

    Returns
    -------
    str
        One line for each day.
    """
    return f"{city} {days}"


@pytest.mark.parametrize("function", [google, sphinx, numpy])
def test_a_docstring_describes_the_parameters(function: Any) -> None:
    """Each description goes to its parameter, and the rest stays the tool's."""
    spec = tool(function).spec
    assert "Tell the weather.\n\nIt is a guess.\n\nReturns: One line for each day." == (
        spec.description
    )
    properties = spec.parameters["properties"]
    assert "Where to look, in the local spelling." == properties["city"]["description"]
    assert {"type": "integer", "default": 3, "description": "How far ahead."} == properties["days"]


def test_what_stands_at_the_parameter_wins() -> None:
    """Annotated says it closer to the type than the docstring does; its bounds stay."""

    @tool
    def look(days: Annotated[int, "days ahead", Field(le=7)]) -> str:
        """Look.

        Args:
            days: something older
        """
        return str(days)

    expected = {"type": "integer", "maximum": 7, "description": "days ahead"}
    assert expected == look.spec.parameters["properties"]["days"]


def test_bounds_without_words_leave_the_docstring_its_say() -> None:
    """A Field that only bounds does not take the description away."""

    @tool
    def look(days: Annotated[int, Field(le=7)]) -> str:
        """Look.

        :param days: days ahead
        """
        return str(days)

    expected = {"type": "integer", "maximum": 7, "description": "days ahead"}
    assert expected == look.spec.parameters["properties"]["days"]


def test_a_docstring_without_sections_stays_as_it_is() -> None:
    """Lists and colons in it are words like others."""

    @tool
    def look() -> str:
        """Look: once.

        Note: twice is
          - useless
        """
        return ""

    assert "Look: once.\n\nNote: twice is\n  - useless" == look.spec.description


def test_a_parameter_that_there_is_not_is_found() -> None:
    """A misspelt name would leave the parameter undescribed, and the model misled."""
    with pytest.raises(UsageError, match="the docstring describes dayz, which the function"):

        @tool
        def look(days: int) -> str:
            """Look.

            Args:
                dayz: days ahead
            """
            return str(days)


class Unit(StrEnum):
    """Units."""

    METRE = "m"
    FOOT = "ft"


class Street(BaseModel):
    """A street."""

    name: str
    number: int = Field(default=1, ge=1, description="house number")


class Address(BaseModel):
    """Where somebody lives."""

    street: Street
    tags: list[str] = []


@tool
def move(address: Address, unit: Unit = Unit.METRE, note: str | None = None) -> str:
    """Move there."""
    return f"{address.street.name} {address.street.number} {unit.value} {note}"


async def test_nested_models_arrive_as_such() -> None:
    """Models in models are built, their own defaults and bounds included."""
    keywords = move.parse({"address": {"street": {"name": "High St"}}, "unit": "ft"})
    assert "High St 1 ft None" == await move.call(keywords)


def test_the_schema_of_nested_models_has_no_titles_and_keeps_its_words() -> None:
    """Titles repeat the names, at the model's cost; descriptions and bounds are what it needs."""
    schema = move.spec.parameters
    number = {"default": 1, "description": "house number", "minimum": 1, "type": "integer"}
    assert number == schema["$defs"]["Street"]["properties"]["number"]
    assert {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None} == (
        schema["properties"]["note"]
    )
    assert "m" == schema["properties"]["unit"]["default"]
