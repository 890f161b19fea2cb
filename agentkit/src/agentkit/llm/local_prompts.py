"""The three small questions a model without native tool calling is asked.

Which tool? With which arguments? What is the answer, now that there is a result? Each has its own
few-shot prompt and its own grammar, because a model this small does one thing at a time: asked for
a whole call in one go, the same weights choose the wrong tool most of the time. The examples are a
file; a tool without any there gets two made of its name and description.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from agentkit.messages import ToolSpec
from agentkit.prompts import read_file

ANSWER = "answer"
"""The choice that means: no tool, reply in words."""

MAX_STRING = 120
"""Characters of one argument; without a bound, a small model writes until its tokens end."""

MAX_QUOTE = 300
"""Characters of a result that an answer repeats."""


def choose(tools: Sequence[ToolSpec], request: str) -> tuple[str, str]:
    """The prompt and GBNF grammar for choosing a tool's name, or ANSWER."""
    names = [tool.name for tool in tools]
    manual = [f"{tool.name}: {_first_sentence(tool)}" for tool in tools]
    known = [example for example in _examples() if example["tool"] in {*names, None}]
    # The last examples weigh most: a tool that has only these two needs them there.
    unknown = [tool for tool in tools if not _examples_of(tool.name)]
    made_up = [
        *({"request": _first_sentence(tool), "tool": tool.name} for tool in unknown),
        *({"request": f"Use {tool.name.replace('_', ' ')}", "tool": tool.name} for tool in unknown),
    ]
    prompt = _render(
        "local_choose.md",
        tools="\n".join([*manual, f"{ANSWER}: everything else"]),
        examples=_blocks(
            f"Request: {example['request']}\nTool: {example['tool'] or ANSWER}"
            for example in (*known, *made_up)
        ),
        request=request,
    )
    # Bare names: the same choice written as a JSON string was right half as often.
    return prompt, f'root ::= " " ({" | ".join(map(json.dumps, [*names, ANSWER]))})'


def arguments(tool: ToolSpec, request: str) -> tuple[str, dict[str, Any]]:
    """The prompt and JSON Schema for writing one tool's arguments."""
    prompt = _render(
        "local_arguments.md",
        tool=tool.name,
        examples=_blocks(
            f"Request: {example['request']}\nArguments: {json.dumps(example['arguments'])}"
            for example in _examples_of(tool.name)
        ),
        request=request,
    )
    return prompt, _bounded(tool.parameters)


def answer(tool: str, request: str, result: str) -> tuple[str, str]:
    """The prompt and GBNF grammar for an answer that starts by repeating the result.

    The grammar makes the model quote what the tool found: left to itself, a model this small
    writes down another number about half the time.
    """
    quote = " ".join(result.split())[:MAX_QUOTE]
    worked = _examples_of(tool) or [example for example in _examples() if example["tool"]]
    prompt = _render(
        "local_answer.md",
        examples=_blocks(
            f"Request: {example['request']}\nResult: {example['result']}\n"
            f"Answer: {example['answer']}"
            for example in worked
        ),
        request=request,
        result=quote,
    )
    literal = json.dumps(f" {quote}", ensure_ascii=False)
    # One sentence: it ends at the first full stop that is not inside a number.
    return prompt, f'root ::= {literal} ([^.\\n] | "." [0-9]){{0,60}} "."'


@cache
def _examples() -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = json.loads(read_file("local_examples.json"))
    return examples


def _examples_of(tool: str) -> list[dict[str, Any]]:
    return [example for example in _examples() if example["tool"] == tool]


def _render(name: str, **values: str) -> str:
    # A request of many lines would look like the next example to the model.
    values["request"] = " ".join(values["request"].split())
    return read_file(name).format(**values)


def _blocks(blocks: Iterable[str]) -> str:
    return "".join(f"{block}\n\n" for block in blocks)


def _first_sentence(tool: ToolSpec) -> str:
    return tool.description.split("\n")[0].split(". ")[0].rstrip(".")


def _bounded(schema: Any) -> Any:
    """The schema with a maximum length on every string that has none."""
    if isinstance(schema, list):
        return [_bounded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    bounded = {key: _bounded(value) for key, value in schema.items()}
    if bounded.get("type") == "string" and "enum" not in bounded:
        bounded.setdefault("maxLength", MAX_STRING)
    return bounded
