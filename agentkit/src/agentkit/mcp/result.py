"""What came of a call, as text for a model and as JSON for a program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.wire import foreign_json

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ContentBlock

_LONGEST_NOTE = 300


@dataclass(frozen=True, slots=True)
class McpResult:
    """The result of a tool. `structured` is its JSON when the server gave some.

    `is_error` says that the tool itself failed, in its own words: the server has answered.
    """

    text: str
    structured: Any = None
    is_error: bool = False


def result_of(answer: CallToolResult) -> McpResult:
    """The SDK's result as ours."""
    texts = [text_of(block) for block in answer.content]
    structured = answer.structured_content
    if structured is not None and not _is_said(texts, structured):
        texts.append(json.dumps(structured, ensure_ascii=False))
    text = "\n".join(texts) or "(done, no output)"
    return McpResult(text, structured, answer.is_error)


def text_of(block: ContentBlock) -> str:
    """A piece of content as a model reads it; what is no text is named, not shown."""
    import mcp_types as types

    match block:
        case types.TextContent(text=text):
            return text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type}: {_noted(block.mime_type)}, {_size(block.data)} bytes]"
        case types.ResourceLink():
            return f"[resource {_noted(block.uri)}: {_noted(block.description or block.name)}]"
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return f"[resource {_noted(resource.uri)}]\n{resource.text}"
        case types.EmbeddedResource(resource=resource):
            return f"[resource {_noted(resource.uri)}: {_noted(resource.mime_type or 'binary')}]"


def _noted(text: str) -> str:
    return " ".join(text[:_LONGEST_NOTE].split())


def _size(base64: str) -> int:
    return len(base64) * 3 // 4


def _is_said(texts: list[str], value: Any) -> bool:
    """Whether a model reads the value already: whole, or the parts of an object one by one."""
    if any(text == value or _is_json(text, value) for text in texts):
        return True
    parts = value.values() if isinstance(value, dict) else ()
    return bool(parts) and all(
        any(text == part or _is_json(text, part) for text in texts) for part in parts
    )


def _is_json(text: str, value: Any) -> bool:
    try:
        return bool(foreign_json(text) == value)
    except ValueError:
        return False
