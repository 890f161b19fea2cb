"""`opspawn doctor`: prints what `opspawn.doctor` found."""

import sys

from rich.console import Console
from rich.text import Text

from opspawn.cli.text import one_line
from opspawn.doctor import examine


def checkup() -> int:
    """Prints one line a finding; returns 1 when something is wrong."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 1000)
    findings = examine()
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        line = Text("✓ " if finding.ok else "✗ ", style="bold green" if finding.ok else "bold red")
        line.append(f"{finding.what:<{width}} ", style="bold")
        line.append(one_line(finding.words, 500), style="none")
        console.print(line, soft_wrap=True)
    return 0 if all(finding.ok for finding in findings) else 1
