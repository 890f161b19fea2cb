"""One stage of the soak: how large it is, what it is held to and how it is measured."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Report
from benchmarks.targets import Target
from benchmarks.windows import Window


@dataclass(frozen=True, slots=True)
class Stage:
    """`full` and `quick` are its sizes by name, which `measure` finds in the options of its report."""

    name: str
    what: str
    full: Mapping[str, Any]
    quick: Mapping[str, Any]
    targets: Sequence[Target]
    measure: Callable[[Report, Window], None]

    @property
    def report_name(self) -> str:
        return f"soak-{self.name}"

    def report(self, *, is_quick: bool) -> Report:
        sizes = self.quick if is_quick else self.full
        options = Namespace(stage=self.name, quick=is_quick, **sizes)
        return Report(self.report_name, options, self.targets)
