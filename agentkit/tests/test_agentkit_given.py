"""What rules and people judge is what the tool gets, under the names that the model knows."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, BaseModel, Field, RootModel
from pydantic.dataclasses import dataclass

from agentkit import Agent, Rules, tool
from agentkit.events import ToolFinished
from agentkit.security import Rule, allow, deny, equals
from agentkit.testing import ScriptedLlm, call


@dataclass
class Stamp:
    kind_: Annotated[str, Field(alias="kind")] = "plain"


class Tags(RootModel[list[str]]):
    pass


class Mail(BaseModel):
    to: str
    bcc: str = Field(default="", exclude=True)
    reply: str = Field(default="", validation_alias=AliasChoices("reply-to", "replyTo"))
    stamps: list[Stamp] = []
    tags: Tags = Tags([])


@tool
async def send(
    from_: Annotated[str, Field(alias="from")], mail: Mail, on: date = date(2026, 1, 2)
) -> str:
    """Send a mail."""
    return f"sent from {from_}"


def test_everything_is_given_under_the_names_of_the_schema() -> None:
    """Aliases, what is excluded, defaults, at any depth."""
    mail = {"to": "a", "bcc": "eve", "reply-to": "b", "stamps": [{"kind": "gold"}], "tags": ["x"]}
    expected = {"from": "ceo", "mail": mail, "on": "2026-01-02"}
    assert expected == send.given(send.parse({"from": "ceo", "mail": mail}))
    assert set(expected) == set(send.spec.parameters["properties"])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"from": "ceo", "mail": {"to": "a"}}, deny("ceo", "send", where={"from": equals("ceo")})),
        (
            {"from": "me", "mail": {"to": "a", "bcc": "eve"}},
            deny("bcc", "send", where={"mail.bcc": equals("eve")}),
        ),
    ],
)
async def test_no_alias_and_no_exclusion_hides_from_a_rule(
    arguments: dict[str, Any], rule: Rule
) -> None:
    """The rule is written with the names of the schema, and holds."""
    llm = ScriptedLlm([call(("send", arguments)), "done"])
    agent = Agent(llm, tools=[send], security=Rules([allow("any", "send"), rule]))
    events = (await agent.run("goal")).events
    (seen,) = (event.observation.text for event in events if isinstance(event, ToolFinished))
    assert "Not called" in seen
