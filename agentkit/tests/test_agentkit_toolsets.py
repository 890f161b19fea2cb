"""Toolsets: classes whose methods are tools, groups, names, opening and closing."""

from __future__ import annotations

import pytest

from agentkit import Agent, AllowList, RunContext, Toolset, tool
from agentkit.errors import UsageError
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call
from agentkit.tools import ToolRegistry


class Notes(Toolset):
    """Notes that last as long as the set is open."""

    def __init__(self) -> None:
        super().__init__("notes", [RecordingTool().tool])
        self.lines: list[str] | None = None

    async def open(self) -> None:
        self.lines = []

    async def close(self) -> None:
        self.lines = None

    @tool(effect="idempotent")
    async def note(self, text: str) -> str:
        """Write a note down.

        Args:
            text: the note
        """
        assert self.lines is not None
        self.lines.append(text)
        return f"{len(self.lines)} notes"

    @tool(effect="pure")
    async def when(self, context: RunContext) -> str:
        """Tell the time."""
        return str((await context.now()).year)


class MoreNotes(Notes):
    """With a tool of its own, and one less."""

    when = None  # type: ignore[assignment]

    @tool(effect="pure")
    def count(self) -> int:
        """Count the notes."""
        return len(self.lines or [])


async def test_methods_are_tools_of_their_instance() -> None:
    """What one instance keeps, its tools see, and another's do not."""
    async with Notes() as mine, Notes() as theirs:
        assert "1 notes" == await mine.note.call({"text": "a"})
        assert "2 notes" == await mine.note.call({"text": "b"})
        assert "1 notes" == await theirs.note.call({"text": "c"})


def test_self_is_not_shown_to_the_model() -> None:
    """The model sees the parameters after it."""
    assert {"text"} == set(Notes().note.spec.parameters["properties"])
    assert "the note" == Notes().note.spec.parameters["properties"]["text"]["description"]


def test_a_set_has_the_tools_it_is_given_and_those_of_its_class() -> None:
    """In that order, the class's as they were written; a subclass adds and takes away."""
    assert ["record", "note", "when"] == [one.name for one in Notes()]
    assert ["record", "note", "count"] == [one.name for one in MoreNotes()]


def test_the_method_of_no_instance_is_refused() -> None:
    """It could not be called: there is nothing to be `self`."""
    with pytest.raises(UsageError, match="note is a method: take it from an instance"):
        ToolRegistry([Notes.note])


async def test_an_agent_uses_a_set() -> None:
    """From the model's wish to the instance's state; contexts are filled in as ever."""
    llm = ScriptedLlm([call(("note", {"text": "a"}), ("when", {})), answer("done")])
    async with Notes() as notes:
        await Agent(llm, tools=notes, security=AllowList(["note", "when"])).run("Note it.")
        assert ["a"] == notes.lines
    assert "1 notes" == llm.requests[1].messages[-2].text
    assert llm.requests[1].messages[-1].text.startswith("20")


async def test_a_set_is_closed_when_the_run_has_failed() -> None:
    """Whatever happens inside, what was acquired is given back."""
    notes = Notes()
    with pytest.raises(OSError, match="reset"):
        async with notes:
            raise OSError("reset")
    assert notes.lines is None


async def test_a_prefix_makes_names_unique() -> None:
    """Two sets with the same names can stand side by side; opening a view opens the set."""
    first, second = Notes(), Notes()
    async with first.prefixed() as mine, second.prefixed("b_") as theirs:
        registry = ToolRegistry([*mine, *theirs])
        expected = ["notes_record", "notes_note", "notes_when", "b_record", "b_note", "b_when"]
        assert expected == [one.name for one in registry]
        found = registry.get("b_note")
        assert found is not None
        assert "1 notes" == await found.call({"text": "a"})
    assert first.lines is None


def test_a_prefix_that_makes_a_name_too_long_is_refused() -> None:
    """Providers would refuse it later."""
    with pytest.raises(UsageError, match="a name is letters"):
        Notes().prefixed("n" * 61)


def test_a_set_can_be_narrowed() -> None:
    """To some, to all but some, or by what a tool is."""
    notes = Notes()
    assert ["note"] == [one.name for one in notes.only("note")]
    assert ["record", "when"] == [one.name for one in notes.without("note")]
    pure = notes.where(lambda one: one.effect == "pure")
    assert ["when"] == [one.name for one in pure]


@pytest.mark.parametrize("narrow", [Toolset.only, Toolset.without])
def test_a_name_that_no_tool_has_is_said(narrow) -> None:  # type: ignore[no-untyped-def]
    """Misspelt, `without` would leave in what was meant to go."""
    with pytest.raises(UsageError, match="notes has no tool note5; it has note, record, when"):
        narrow(Notes(), "note5")
