"""Structured output: asked for in words, held against its schema, and repaired once."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agentkit.errors import OutputInvalid
from agentkit.llm.port import ModelRequest
from agentkit.messages import Reply, UserMessage
from agentkit.output import DoesNotFit, OutputSpec
from agentkit.prompts import read_file


def in_words(output: OutputSpec) -> str:
    """What a model is told that is not held to the schema by its server."""
    return read_file("json_answer.md").format(schema=json.dumps(output.schema))


async def fitting(
    request: ModelRequest, reply: Reply, ask: Callable[[ModelRequest], Awaitable[Reply]]
) -> Reply:
    """The reply with its `structured` value; when it does not fit, that of one more request.

    A reply that is no answer (tool calls, a refusal, a cut) passes as it is. What both requests
    used is added up. Raises OutputInvalid.
    """
    if request.output is None or reply.stop != "end":
        return reply
    try:
        return replace(reply, structured=request.output.parse(_bare(reply.message.text)))
    except DoesNotFit as error:
        told = UserMessage(
            f"Your answer does not fit the schema: {error}. Answer again, with the JSON only."
        )
    again = await ask(replace(request, messages=(*request.messages, reply.message, told)))
    again = replace(again, usage=reply.usage + again.usage)
    if again.stop != "end":
        return again
    try:
        return replace(again, structured=request.output.parse(_bare(again.message.text)))
    except DoesNotFit as error:
        raise OutputInvalid(
            f"{again.model} was told what was wrong with its answer, and it still does not fit "
            f"{request.output.name}: {error}. Simplify the schema, or choose a stronger model.",
            again,
        ) from None


def _bare(text: str) -> str:
    """The answer without a code fence around the whole of it: models put one there unasked."""
    fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", text, re.DOTALL)
    return fenced[1] if fenced else text
