"""`@tool`: a plain function becomes a tool, its signature and docstring the model's manual."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, create_model

from agentkit.context import RunContext
from agentkit.errors import UsageError
from agentkit.messages import Effect, ToolSpec
from agentkit.tools.tool import DEFAULT_MAX_OUTPUT, Tool

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
"""What every provider accepts as the name of a function."""


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    effect: Effect = "unsafe",
    timeout_s: float = 30.0,
    max_output: int = DEFAULT_MAX_OUTPUT,
    retries: int = 0,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a sync or async function.

    Types become the JSON Schema, the docstring the description, `Annotated[str, "…"]` the
    description of one parameter. `effect` is `unsafe` unless declared otherwise: a tool that may
    not be called twice must never be taken for one that may. A parameter of type `RunContext` is
    filled with the call's own and not shown to the model. Raises UsageError for a function a
    model could not be told about (no docstring, an untyped parameter, `*args`).
    """

    def decorate(decorated: Callable[..., Any]) -> Tool:
        tool_name = name or decorated.__name__
        description = inspect.getdoc(decorated)
        if not _NAME.fullmatch(tool_name):
            raise UsageError(f"Tool {tool_name!r}: a name is letters, digits, _ and -, at most 64.")
        if not description:
            raise UsageError(f"Tool {tool_name}: write a docstring; it is what the model reads.")
        arguments, context = _arguments_model(tool_name, decorated)
        spec = ToolSpec(tool_name, description, _schema(arguments))
        return Tool(decorated, spec, arguments, context_parameter=context, **options)

    return decorate if function is None else decorate(function)


def _arguments_model(
    tool_name: str, function: Callable[..., Any]
) -> tuple[type[BaseModel], str | None]:
    """The model of what a model may give, and the parameter that gets the context."""
    hints = _hints(tool_name, function)
    fields: dict[str, Any] = {}
    contexts: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UsageError(f"Tool {tool_name}: {parameter} cannot be filled by name.")
        if parameter.name not in hints:
            raise UsageError(f"Tool {tool_name}: give parameter {parameter.name} a type.")
        hint = hints[parameter.name]
        if RunContext in (hint, *get_args(hint)):  # also Annotated, or with `| None`
            contexts.append(parameter.name)
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (_described(hint), default)
    if len(contexts) > 1:
        raise UsageError(f"Tool {tool_name}: one RunContext is enough, not {', '.join(contexts)}.")
    # Unknown arguments are refused, so that a model which guesses a name is told so.
    model = create_model(tool_name, __config__=ConfigDict(extra="forbid"), **fields)
    return model, contexts[0] if contexts else None


def _hints(tool_name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(
            f"Tool {tool_name}: the type of a parameter cannot be found ({error}): define it at the "
            "top of the module, outside any function and any `if TYPE_CHECKING`."
        ) from None


def _described(hint: Any) -> Any:
    """`Annotated[int, "text"]` with the text as the field's description."""
    if get_origin(hint) is not Annotated:
        return hint
    kind, *notes = get_args(hint)
    described = [Field(description=note) if isinstance(note, str) else note for note in notes]
    return Annotated[(kind, *described)]


def _schema(arguments: type[BaseModel]) -> dict[str, Any]:
    schema = arguments.model_json_schema()
    # pydantic's generated titles repeat the names; models are billed for every token of them.
    schema.pop("title", None)
    for parameter in schema.get("properties", {}).values():
        parameter.pop("title", None)
    return schema
