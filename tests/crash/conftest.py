"""Prints the table of the crash matrix at the end of a run that had a part of it."""

import pytest
from results import results_file, rows, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = rows()
    if not found:
        return
    terminalreporter.section("crash matrix")
    for line in table(found):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"→ {results_file()}")
