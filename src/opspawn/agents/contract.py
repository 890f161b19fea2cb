"""What the doors know of agent tasks: pure data, so that no API process imports an agent or an SDK.

What is refused here is a 422 and nothing is stored; the handler reads the same fields again.
"""

from collections.abc import Iterator
from typing import Any, Final

from ops_core.errors import FieldError
from ops_core.ports import AgentKind, TaskType
from ops_core.references import wrong_reference
from ops_core.task import JsonObject

AGENT_RUN: Final = "agent_run"

PROVIDERS: Final = ("openai", "anthropic", "google", "openrouter", "local")

#: What an agent has when nobody says.
DEFAULT_TOOLS: Final = ("calculator", "current_time")

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

_TOOL_PATTERNS: Final[dict[str, Any]] = {
    "type": "array",
    "description": "Names of tools, or patterns with *.",
    "items": {"type": "string", "pattern": r"^[A-Za-z0-9_*-]{1,64}$"},
    "minItems": 1,
    "maxItems": 64,
}

#: One of these, for an argument: exactly this value, one of several, or a number between two.
_CONSTRAINT: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "equals": {},
        "one_of": {"type": "array", "minItems": 1, "maxItems": 100},
        "between": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 2,
            "maxItems": 2,
        },
    },
}

_RULES: Final[dict[str, Any]] = {
    "type": "array",
    "maxItems": 64,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "tools"],
        "properties": {
            "id": {"type": "string", "minLength": 1, "maxLength": 64},
            "tools": _TOOL_PATTERNS,
            "effects": {
                "type": "array",
                "items": {"enum": ["pure", "idempotent", "unsafe"]},
                "minItems": 1,
                "uniqueItems": True,
            },
            "where": {
                "type": "object",
                "description": "What arguments must be for the rule to apply, by their names.",
                "maxProperties": 16,
                "additionalProperties": _CONSTRAINT,
            },
            "after_untrusted": {
                "type": "boolean",
                "description": "Only once the model was shown words that no person of ours wrote.",
            },
            "says": {"type": "string", "minLength": 1, "maxLength": 500},
        },
    },
}

#: What a definition of an agent may hold: what a task says of its agent, and what only its operator may say.
_DEFINITION: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **_AGENT_CONFIG["properties"],
        "description": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1000,
            "description": "What it is good for: agents that hand work over to it read this.",
        },
        "handoffs": {
            "type": "array",
            "description": "Agents it may hand work over to: `name`, as it is when a task is submitted, or "
            "`name@3`. Each is a tool of its name.",
            "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}(@[1-9][0-9]{0,8})?$"},
            "uniqueItems": True,
            "maxItems": 16,
        },
        "memory": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "window_tokens": {"type": "integer", "minimum": 500, "maximum": 1_000_000},
                "thread_tokens": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
            },
        },
        "policy": {
            "type": "object",
            "description": "What of its tools' calls is denied, and what a person is asked about.",
            "additionalProperties": False,
            "properties": {"deny": _RULES, "ask": _RULES},
        },
        "overrides": {
            "type": "array",
            "description": "Fields of a task's agent_config that a task may set for itself.",
            "items": {"enum": [*_AGENT_CONFIG["properties"]]},
            "uniqueItems": True,
        },
    },
    "if": _AGENT_CONFIG["if"],
    "then": {"properties": {"tools": _NO_TOOLS, "approve": _NO_TOOLS, "handoffs": _NO_TOOLS}},
}


def contradictions(definition: JsonObject) -> Iterator[FieldError]:
    """What a schema cannot say of a definition that fits it."""
    tools = definition.get("tools", DEFAULT_TOOLS)
    for place, name in enumerate(definition.get("approve", ())):
        if name not in tools:
            yield FieldError(f"definition.approve.{place}", "is not among its tools")
    problem = wrong_reference(definition.get("output_schema", {}))
    if problem is not None:
        yield FieldError("definition.output_schema", problem)
    yield from _wrong_rules(definition.get("policy", {}))


def _wrong_rules(policy: JsonObject) -> Iterator[FieldError]:
    ids = {"tools", "approve", "default"}
    for kind, rules in policy.items():
        for place, rule in enumerate(rules):
            path = f"definition.policy.{kind}.{place}"
            if rule["id"] in ids:
                yield FieldError(f"{path}.id", "is taken by another rule")
            ids.add(rule["id"])
            for argument, held in rule.get("where", {}).items():
                low, high = held.get("between", (0, 0))
                if low > high:
                    problem = "holds for no number: the smaller one comes first"
                    yield FieldError(f"{path}.where.{argument}.between", problem)


AGENT_KIND: Final = AgentKind(
    definition_schema=_DEFINITION,
    contradictions=contradictions,
    config=("agent_config",),
    # How it is asked, not what it may do or spend.
    overridable=("llm_provider", "llm_model", "temperature", "output_schema"),
)

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
            "user": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "pattern": r"^[^\x00-\x1f\x7f]+$",
                "description": "For whom it works: its agents remember what is of that user only.",
            },
            "agent_config": _AGENT_CONFIG,
        },
    },
    aliases={"prompt": "goal"},
    output_schema=("agent_config", "output_schema"),
    agent_kind=AGENT_KIND,
    asked="goal",
    answered="output",
    overrides={
        "goal": ("goal",),
        "agent_config": ("agent_config",),
        "provider": ("agent_config", "llm_provider"),
        "model": ("agent_config", "llm_model"),
    },
)

TASK_TYPES: Final = {AGENT_RUN: AGENT_RUN_TYPE}
