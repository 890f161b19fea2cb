"""What of a soak is there already: the reports of this commit."""

import json
from pathlib import Path
from typing import Any

#: Of a checkout with changes that are in no commit: whether a report is of the same ones, nobody can tell.
DIRTY = "-dirty"


def finished(folder: Path, report_name: str, commit: str, *, is_quick: bool) -> Path | None:
    """The newest whole report of this commit, in this size."""
    if commit.endswith(DIRTY):
        return None
    found = sorted(folder.glob(f"{report_name}-2*.json"), reverse=True)
    return next((file for file in found if _is_of(_read(file), commit, is_quick)), None)


def _is_of(report: dict[str, Any], commit: str, is_quick: bool) -> bool:
    return (
        report.get("machine", {}).get("opspawn") == commit
        and report.get("options", {}).get("quick") == is_quick
        and not report.get("not_measured")
    )


def _read(file: Path) -> dict[str, Any]:
    """Empty for what is no report: a run that was killed while it wrote left half of one."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
