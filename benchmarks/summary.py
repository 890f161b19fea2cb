"""The one table at the end of `make bench`: each target beside what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

from benchmarks.markdown import table
from benchmarks.table import PLAIN_WIDTH, number
from rich.console import Console
from rich.table import Table

COLUMNS: Final = ("", "target", "ours", "peer or base", "ratio", "held to", "met?")

QUICK: Final = "A small run (--quick): it shows that everything runs, and its figures mean nothing"

Found = Mapping[str, Any]
"""A target as a report's JSON has it, with `why` where it could not be measured."""


def explained(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The targets of a report, each that was not measured with the reason that the report has for it."""
    missing: Mapping[str, str] = report["not_measured"]
    for target in report["targets"]:
        yield target if target["values"] else {**target, "why": _why(target, missing)}


def _why(target: Found, missing: Mapping[str, str]) -> str:
    """What was missed is named by its system or by its measurement; the base is what is missing most."""
    for side in (target["base"], target["ours"]):
        for name in (side["system"], side["measurement"].partition(", p")[0]) if side else ():
            if name in missing:
                return f"{name}: {missing[name]}"
    return "; ".join(missing.values()) or "the run ended before it"


def line(target: Found) -> tuple[str, ...]:
    """Its cells, in the order of `COLUMNS`."""
    return (
        str(target["point"] or ""),
        target["what"],
        _side(target["ours"]),
        _side(target["base"], named=True) if target["base"] else "",
        _ratio(target["values"], target["median"]) if target["base"] else "",
        target["target"],
        target["verdict"] if target["values"] else f"NOT MEASURED: {target['why']}",
    )


def _side(side: Found, *, named: bool = False) -> str:
    if side["median"] is None:
        return side["system"] if named else ""
    shown = f"{number(side['median'])} {side['unit']}".strip()
    return f"{side['system']} {shown}" if named else shown


def _ratio(values: Sequence[float], middle: float | None) -> str:
    if middle is None or len(values) == 1:
        return "" if middle is None else f"{middle:.3g}"
    return f"{middle:.3g} ({min(values):.3g}–{max(values):.3g})"


def show_summary(output: TextIO, targets: Sequence[Found], *, is_quick: bool) -> None:
    title = "Targets (medians; ratios within each round)"
    shown = Table(title=QUICK if is_quick else title, title_justify="left")
    for name in COLUMNS:
        shown.add_column(name, justify="right" if name in {"ours", "ratio"} else "left")
    for target in targets:
        shown.add_row(*line(target))
    Console(file=output, highlight=False, width=None if output.isatty() else PLAIN_WIDTH).print(
        shown
    )


def summary(targets: Sequence[Found]) -> Iterator[str]:
    """The same as Markdown."""
    yield from table(COLUMNS, map(line, targets))
