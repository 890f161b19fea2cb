"""What is said when a program of PostgreSQL does not do its work."""

import subprocess

import pytest

from opspawn.embedded.cluster import why_it_failed

ORDINARY = "LOG:  checkpoint starting: shutdown immediate"


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (1, f"{ORDINARY}\ninitdb: error: no room\nhint", "initdb: error: no room"),
        (1, f"{ORDINARY}\nFATAL:  no semaphores", "FATAL:  no semaphores"),
        (-6, f"{ORDINARY}\nPANIC:  could not write\n", "PANIC:  could not write"),
        (-9, f"first\n{ORDINARY}\n", f"postgres ended with signal 9, after: {ORDINARY}"),
        (3, "", "postgres ended with exit code 3"),
    ],
)
def test_the_line_that_says_why_is_told_else_how_it_ended(
    code: int, said: str, expected: str
) -> None:
    """Not its first line, which tells of ordinary work."""
    done = subprocess.CompletedProcess(["/usr/lib/postgresql/15/bin/postgres"], code, "", said)
    assert expected == why_it_failed(done)
