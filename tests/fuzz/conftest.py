"""Prints the table of what was fuzzed, and the seed that makes the same run."""

import pytest
from fuzz_results import SEED, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = list(table())
    if not rows:
        return
    terminalreporter.section("fuzzed")
    for line in rows:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"→ the same again: FUZZ_SEED={SEED}")
