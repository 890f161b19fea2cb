"""`@tool`: a plain function becomes a tool, its signature and docstring the model's manual."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

from agentkit.context import RunContext
from agentkit.errors import UsageError
from agentkit.messages import Effect, ToolSpec
from agentkit.tools.docstring import Manual, manual
from agentkit.tools.isolation import Isolation, IsolationName, isolation_of
from agentkit.tools.tool import DEFAULT_MAX_OUTPUT, NeedsApproval, Tool, checked_name


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
    needs_approval: NeedsApproval = False,
    approve_within_s: float | None = None,
    isolation: IsolationName | Isolation = "in_process",
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    isolation: IsolationName | Isolation = "in_process",
    **options: Any,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a sync or async function, or of a method.

    Types become the JSON Schema, the docstring the description; a parameter is described by
    `Annotated[str, "…"]` or by the docstring's section on parameters. `effect` is `unsafe` unless
    declared otherwise: a tool that may not be called twice must never be taken for one that may. A
    parameter of type `RunContext` is filled with the call's own and not shown to the model. Raises
    UsageError for a function a model could not be told about (no docstring, an untyped parameter,
    `*args`), or one that contradicts its options.
    """

    def decorate(decorated: Callable[..., Any]) -> Tool:
        tool_name = checked_name(name or decorated.__name__)
        docstring = inspect.getdoc(decorated)
        if not docstring:
            raise UsageError(f"Tool {tool_name}: write a docstring; it is what the model reads.")
        said = manual(docstring)
        parameters = _parameters(tool_name, decorated, said)
        hints = _hints(tool_name, decorated)
        context = _context_parameter(tool_name, parameters, hints)
        shown = [parameter for parameter in parameters if parameter.name != context]
        arguments = _arguments_model(tool_name, shown, hints, said)
        return Tool(
            decorated,
            ToolSpec(tool_name, said.description, _schema(arguments)),
            arguments,
            context_parameter=context,
            isolation=isolation_of(isolation),
            is_method=_is_method(decorated),
            **options,
        )

    return decorate if function is None else decorate(function)


def _is_method(function: Callable[..., Any]) -> bool:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and first.name == "self" and first.annotation is first.empty


def _parameters(
    tool_name: str, function: Callable[..., Any], said: Manual
) -> list[inspect.Parameter]:
    """What the function takes, without `self`. Raises UsageError for what no name can fill."""
    parameters = list(inspect.signature(function).parameters.values())[_is_method(function) :]
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UsageError(f"Tool {tool_name}: {parameter} cannot be filled by name.")
    unknown = set(said.parameters) - {parameter.name for parameter in parameters}
    if unknown:
        raise UsageError(
            f"Tool {tool_name}: the docstring describes {', '.join(sorted(unknown))}, which the "
            "function does not take."
        )
    return parameters


def _context_parameter(
    tool_name: str, parameters: list[inspect.Parameter], hints: dict[str, Any]
) -> str | None:
    """The parameter that gets the context."""
    contexts = [
        parameter.name
        for parameter in parameters
        # Also Annotated, or with `| None`.
        if RunContext in (hints.get(parameter.name), *get_args(hints.get(parameter.name)))
    ]
    if len(contexts) > 1:
        raise UsageError(f"Tool {tool_name}: one RunContext is enough, not {', '.join(contexts)}.")
    return contexts[0] if contexts else None


def _arguments_model(
    tool_name: str, parameters: list[inspect.Parameter], hints: dict[str, Any], said: Manual
) -> type[BaseModel]:
    """The model of what a model may give."""
    fields: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter.name
        if name not in hints:
            raise UsageError(f"Tool {tool_name}: give parameter {name} a type.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (_described(hints[name], said.parameters.get(name)), default)
    # Unknown arguments are refused, so that a model which guesses a name is told so.
    return create_model(tool_name, __config__=ConfigDict(extra="forbid"), **fields)


def _hints(tool_name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(
            f"Tool {tool_name}: the type of a parameter cannot be found ({error}): define it at the "
            "top of the module, outside any function and any `if TYPE_CHECKING`."
        ) from None


def _described(hint: Any, said: str | None) -> Any:
    """`Annotated[int, "text"]` with the text as the field's description, else the docstring's."""
    kind, notes = hint, []
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
    described = [Field(description=note) if isinstance(note, str) else note for note in notes]
    # The first: what stands at the parameter itself is applied after it, and wins.
    documented = [Field(description=said)] if said else []
    return Annotated[(kind, *documented, *described)] if documented or described else kind


class _Untitled(GenerateJsonSchema):
    """Without the titles that pydantic makes of names; models are billed for every token."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schema(arguments: type[BaseModel]) -> dict[str, Any]:
    schema = arguments.model_json_schema(schema_generator=_Untitled)
    schema.pop("title", None)
    return schema
