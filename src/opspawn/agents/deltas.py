"""What clients see of a model's answer while it is written."""

from agentkit.events import Event, ModelDelta, ModelReplied
from agentkit.messages import Delta, ReasoningDelta, TextDelta, ToolCallDelta
from ops_core.streams.pieces import Pieces


def hear(pieces: Pieces, event: Event) -> None:
    """Takes what is a piece of an answer, and drops what was collected when the answer is whole."""
    match event:
        case ModelDelta(step, delta):
            _add(pieces, step, delta)
        case ModelReplied():
            pieces.drop()


def _add(pieces: Pieces, step: int, delta: Delta) -> None:
    """A tool call is told as JSON in the making; each piece says which of the calls."""
    place = {"path": f"{step}/llm", "step": step}
    match delta:
        case TextDelta(text):
            pieces.add(place | {"kind": "text"}, text)
        case ReasoningDelta(text):
            pieces.add(place | {"kind": "reasoning"}, text)
        case ToolCallDelta(index, _, tool, arguments):
            if tool:
                pieces.add(place | {"kind": "tool", "index": index}, tool)
            pieces.add(place | {"kind": "arguments", "index": index}, arguments)
