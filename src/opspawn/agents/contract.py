"""What the doors know of agent tasks: pure data, so that no API process imports an agent or an SDK.

What is refused here is a 422 and nothing is stored; the handler reads the same fields again.
"""

from typing import Any, Final

from ops_core.ports import TaskType

AGENT_RUN: Final = "agent_run"

PROVIDERS: Final = ("openai", "anthropic", "google", "openrouter", "local")

PLANNERS: Final = ("react", "plan_execute", "simple")

_NO_TOOLS: Final[dict[str, Any]] = {
    "maxItems": 0,
    "$comment": "must be left out: planner_type simple is one model call without tools",
}

_AGENT_CONFIG: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What this run does differently from the server's defaults.",
    "additionalProperties": False,
    "properties": {
        "llm_provider": {"type": "string", "enum": list(PROVIDERS)},
        "llm_model": {"type": "string", "minLength": 1, "maxLength": 200},
        "planner_type": {"type": "string", "enum": list(PLANNERS)},
        "instructions": {"type": "string", "minLength": 1, "maxLength": 20_000},
        "tools": {
            "type": "array",
            "description": "Names of tools that the worker has; calculator and current_time unless given.",
            "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "uniqueItems": True,
            "maxItems": 64,
        },
        "approve": {
            "type": "array",
            "description": "Those of the tools of which each call needs a person's leave.",
            "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "uniqueItems": True,
            "maxItems": 64,
        },
        "answer_within_s": {
            "type": "number",
            "description": "How long a person has to answer a question or to decide on a call, in "
            "seconds; after that the question counts as not answered, the call as rejected.",
            "exclusiveMinimum": 0,
            "maximum": 31_536_000,
        },
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "max_steps": {"type": "integer", "minimum": 1, "maximum": 1000},
        "max_tokens": {"type": "integer", "minimum": 1},
        "output_schema": {
            "type": "object",
            # Known to the validator: nothing is fetched.
            "$ref": "https://json-schema.org/draft/2020-12/schema",
            "description": "The JSON Schema of the answer, which is then in result.structured.",
        },
    },
    "if": {"required": ["planner_type"], "properties": {"planner_type": {"const": "simple"}}},
    "then": {"properties": {"tools": _NO_TOOLS, "approve": _NO_TOOLS}},
}

AGENT_RUN_TYPE: Final = TaskType(
    name=AGENT_RUN,
    input_schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["goal"],
        "properties": {
            "goal": {
                "type": "string",
                "minLength": 1,
                "maxLength": 100_000,
                "pattern": r"\S",
                "description": "What the agent should achieve.",
            },
            "agent_config": _AGENT_CONFIG,
        },
    },
    aliases={"prompt": "goal"},
    output_schema=("agent_config", "output_schema"),
    overrides={
        "goal": ("goal",),
        "agent_config": ("agent_config",),
        "provider": ("agent_config", "llm_provider"),
        "model": ("agent_config", "llm_model"),
    },
)

TASK_TYPES: Final = {AGENT_RUN: AGENT_RUN_TYPE}
