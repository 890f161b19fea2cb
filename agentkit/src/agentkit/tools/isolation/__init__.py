"""Where a tool's function runs: in this process, in one of its own, or in a sandbox."""

from typing import Literal, TypeAlias, assert_never

from agentkit.tools.isolation.in_process import InProcess
from agentkit.tools.isolation.port import Isolation, RaisedElsewhere
from agentkit.tools.isolation.sandbox import Sandbox, raise_missing
from agentkit.tools.isolation.separate import Subprocess

__all__ = [
    "InProcess",
    "Isolation",
    "IsolationName",
    "RaisedElsewhere",
    "Sandbox",
    "Subprocess",
    "isolation_of",
    "raise_missing",
]

IsolationName: TypeAlias = Literal["in_process", "subprocess", "sandbox"]


def isolation_of(given: IsolationName | Isolation) -> Isolation:
    """The isolation of that name, as it is without options; one that is given, as it is."""
    if not isinstance(given, str):
        return given
    match given:
        case "in_process":
            return InProcess()
        case "subprocess":
            return Subprocess()
        case "sandbox":
            return Sandbox()
        case _:
            assert_never(given)
