"""What the Gemini API is asked: the arguments of one request."""

from __future__ import annotations

import re
from typing import Any

from agentkit.errors import BadRequest
from agentkit.llm.google_messages import conversation, instructions
from agentkit.llm.port import ModelRequest, ModelSettings
from agentkit.llm.structured import in_words
from agentkit.messages import ToolSpec

_SCHEMA_BESIDE_TOOLS = 3
"""The first generation that takes an answer's schema beside tools; older ones refuse the request."""


def request(model: str, asked: ModelRequest, provider: str) -> dict[str, Any]:
    """The keyword arguments of `generate_content`; what is None is left out.

    Raises BadRequest for a setting or an attachment that Gemini does not take.
    """
    contents = conversation(asked.messages, provider)
    if not contents:
        raise BadRequest("Gemini wants something to answer to: send more than instructions.")
    told = instructions(asked.messages)
    shape: dict[str, Any] = {}
    if asked.output is not None and asked.tools and _generation(model) < _SCHEMA_BESIDE_TOOLS:
        told = f"{told}\n\n{in_words(asked.output)}".strip()
    elif asked.output is not None:
        shape = {
            "response_mime_type": "application/json",
            "response_json_schema": asked.output.schema,
        }
    wanted = {
        "system_instruction": told or None,
        **_settings(asked.settings),
        **_tools(asked),
        **shape,
        # We call tools, and each request is one request.
        "automatic_function_calling": {"disable": True},
        "automatic_continuation": False,
    }
    config = {name: value for name, value in wanted.items() if value is not None}
    return {"model": model, "contents": contents, "config": config}


def _settings(settings: ModelSettings) -> dict[str, Any]:
    if settings.parallel_tool_calls is False:
        raise BadRequest(
            "Gemini takes no parallel_tool_calls=False: leave it out of the settings, or choose "
            "another model."
        )
    effort = settings.reasoning_effort
    return {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": settings.seed,
        "max_output_tokens": settings.max_tokens,
        "stop_sequences": list(settings.stop) or None,
        "thinking_config": effort and {"thinking_level": effort.upper(), "include_thoughts": True},
        # Milliseconds, for each read; the attempt as a whole is bounded by the caller.
        "http_options": {"timeout": max(1, round(settings.timeout_s * 1000))},
    }


def _tools(asked: ModelRequest) -> dict[str, Any]:
    if not asked.tools:
        return {}
    choice = asked.settings.tool_choice
    config: dict[str, Any] | None
    match choice:
        case "auto":
            config = None
        case "none":
            config = {"mode": "NONE"}
        case "required":
            config = {"mode": "ANY"}
        case _:
            config = {"mode": "ANY", "allowed_function_names": [choice]}
    return {
        "tools": [{"function_declarations": [_tool(spec) for spec in asked.tools]}],
        "tool_config": config and {"function_calling_config": config},
    }


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters_json_schema": spec.parameters,
    }


def _generation(model: str) -> int:
    """The 3 of gemini-3.8-flash; of a name that says nothing, one that takes everything."""
    found = re.search(r"gemini-(\d+)", model)
    return int(found[1]) if found else _SCHEMA_BESIDE_TOOLS
