"""Resources and prompts of a server, for a program to read: untrusted text, labelled so."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agentkit.mcp.result import text_of
from agentkit.messages import AssistantMessage, Label, Message, UserMessage
from agentkit.tools.text import bounded

if TYPE_CHECKING:
    import mcp_types as types

T = TypeVar("T")

MOST_ITEMS = 1_000
"""Resources, templates or prompts that are read of one server."""

_MOST_PAGES = 100


@dataclass(frozen=True, slots=True)
class McpResource:
    """Something that a server lets be read. Of a template, `uri` has places to fill in."""

    uri: str
    name: str
    description: str
    media_type: str | None


@dataclass(frozen=True, slots=True)
class McpContent:
    """What was read: `text`, or `data` where it is none. `label` says from which server."""

    uri: str
    media_type: str | None
    label: Label
    text: str | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class McpPrompt:
    """A prompt that a server has; `arguments` are its names, True where one must be given."""

    name: str
    description: str
    arguments: dict[str, bool]


async def paged(
    page: Callable[[str | None], Awaitable[Any]], items: Callable[[Any], list[T]]
) -> list[T]:
    """All items of a list that comes in pages, `MOST_ITEMS` at most."""
    found: list[T] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        answer = await page(cursor)
        found += items(answer)
        cursor = answer.next_cursor
        if cursor is None or len(found) >= MOST_ITEMS:
            break
    return found[:MOST_ITEMS]


def resource_of(listed: types.Resource | types.ResourceTemplate, most: int) -> McpResource:
    """The SDK's resource or template as ours; of its description, `most` characters."""
    import mcp_types as types

    uri = listed.uri if isinstance(listed, types.Resource) else listed.uri_template
    description = bounded(listed.description or "", most)
    return McpResource(uri, listed.name, description, listed.mime_type)


def prompt_of(listed: types.Prompt, most: int) -> McpPrompt:
    """The SDK's prompt as ours."""
    arguments = {one.name: bool(one.required) for one in listed.arguments or ()}
    return McpPrompt(listed.name, bounded(listed.description or "", most), arguments)


def contents_of(answer: types.ReadResourceResult, label: Label) -> tuple[McpContent, ...]:
    """What was read, in the server's order."""
    import mcp_types as types

    return tuple(
        McpContent(one.uri, one.mime_type, label, text=one.text)
        if isinstance(one, types.TextResourceContents)
        else McpContent(one.uri, one.mime_type, label, data=base64.b64decode(one.blob))
        for one in answer.contents
    )


def messages_of(answer: types.GetPromptResult, label: Label) -> tuple[Message, ...]:
    """A prompt as messages for a model; those in the user's role say who really wrote them."""
    return tuple(
        UserMessage(text_of(one.content), label=label)
        if one.role == "user"
        else AssistantMessage(text_of(one.content))
        for one in answer.messages
    )
