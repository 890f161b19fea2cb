"""Arithmetic without eval: the expression is parsed, and only arithmetic nodes are computed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Annotated, TypeAlias

from agentkit.tools.decorator import tool

Number: TypeAlias = int | float

MAX_CHARACTERS = 200
MAX_BITS = 4_096
"""Size of the largest whole number: `9**9**9` would otherwise take the machine with it."""

_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@tool(effect="pure", timeout_s=5.0)
def calculator(
    expression: Annotated[
        str, "Arithmetic with + - * / // % ** and parentheses, as in 2 * (3 + 4)"
    ],
) -> str:
    """Work out an arithmetic expression and return the number."""
    if len(expression) > MAX_CHARACTERS:
        raise ValueError(f"the expression is longer than {MAX_CHARACTERS} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        raise ValueError(f"{expression!r} is not an arithmetic expression") from None
    value = _value(tree.body)
    # 144 / 12 is 12, not 12.0; beyond 2**53 a float no longer holds whole numbers exactly.
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return str(int(value) if whole else value)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return _value(operand)
        case ast.BinOp(left, ast.Pow(), right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left, kind, right) if type(kind) in _BINARY:
            return _divided(_BINARY[type(kind)], _value(left), _value(right))
    raise ValueError(f"only numbers, + - * / // % ** and parentheses: {ast.unparse(node)}")


def _divided(compute: Callable[[Number, Number], Number], left: Number, right: Number) -> Number:
    try:
        return _bounded(compute(left, right))
    except ZeroDivisionError:
        raise ValueError("division by zero") from None
    except OverflowError:
        raise ValueError("the number is too large") from None


def _power(base: Number, exponent: Number) -> Number:
    # Judged before it is computed: the result of 9**999999999 never exists.
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(exponent) * max(1, int(base).bit_length()) > MAX_BITS:
        raise ValueError("the power is too large")
    if base < 0 and not float(exponent).is_integer():
        raise ValueError("a root of a negative number is not a real number")
    return _divided(operator.pow, base, exponent)


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and number.bit_length() > MAX_BITS:
        raise ValueError("the number is too large")
    return number
