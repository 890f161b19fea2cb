"""Python code that a model wrote, in a process of its own. Not in a sandbox: see below."""

from __future__ import annotations

import ast
import contextlib
import io
import traceback
from typing import Annotated, Any

from pydantic import Field

from agentkit.tools.decorator import tool
from agentkit.tools.isolation import Subprocess

MAX_CODE = 20_000
"""Characters: more than a model writes in one go."""

MAX_MEMORY_BYTES = 1 << 30

_SOURCE = "<code>"


@tool(
    effect="unsafe",
    timeout_s=10.0,
    needs_approval=True,
    isolation=Subprocess(max_memory_bytes=MAX_MEMORY_BYTES),
)
def python_code(
    code: Annotated[str, "Python; print what you want to see", Field(max_length=MAX_CODE)],
) -> str:
    """Run Python code in a fresh interpreter and return what it prints, and its last expression.

    Nothing is kept between two calls: neither variables nor files.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            value = _executed(code)
        # Whatever the code raises, SystemExit too, is what the model asked to see.
        except BaseException:  # noqa: BLE001
            print(_trace())  # noqa: T201  redirected
        else:
            if value is not None:
                print(repr(value))  # noqa: T201  redirected
    return printed.getvalue() or "(nothing was printed)"


def _executed(code: str) -> object:
    """Run the statements; the value of the last one if it is an expression."""
    tree = ast.parse(code, _SOURCE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(tree, _SOURCE, "exec"), names)  # noqa: S102  what this tool is for
    if not isinstance(last, ast.Expr):
        return None
    value: object = eval(compile(ast.Expression(last.value), _SOURCE, "eval"), names)  # noqa: S307
    return value


def _trace() -> str:
    """The traceback without our own frames."""
    lines = traceback.format_exc().splitlines()
    begins = next((at for at, line in enumerate(lines) if f'"{_SOURCE}"' in line), len(lines) - 1)
    return "\n".join(lines[begins:])
