"""docs/lifecycle.md shows the states, moves and reasons that the code has."""

import re

from ops_core.task import REASONS, REOPENED, TRANSITIONS, Status
from support.documents import blocks, names, read, rows

PAGE = read("docs/lifecycle.md")


def edges() -> list[tuple[str, str]]:
    [diagram] = blocks(PAGE, "mermaid")
    return re.findall(r"^\s*(\S+) --> ([\w\[\]*]+)", diagram, flags=re.MULTILINE)


def test_the_diagram_shows_the_moves_of_the_code() -> None:
    moves = {(str(source), str(to)) for source, targets in TRANSITIONS.items() for to in targets}
    moves |= {(str(source), str(Status.PENDING)) for source in REOPENED}
    drawn = [edge for edge in edges() if "[*]" not in edge]
    assert sorted(moves) == sorted(drawn)


def test_the_diagram_begins_with_pending_and_ends_with_the_terminal_states() -> None:
    ends = {(str(status), "[*]") for status, to in TRANSITIONS.items() if not to}
    drawn = {edge for edge in edges() if "[*]" in edge}
    assert ends | {("[*]", str(Status.PENDING))} == drawn


def test_the_table_gives_each_state_the_reasons_of_the_code() -> None:
    written = {
        state[0]: set(names(row[1]))
        for row in rows(PAGE)
        if (state := names(row[0])) and state[0] in set(Status)
    }
    assert {
        str(status): {str(r) for r in reasons} for status, reasons in REASONS.items()
    } == written
