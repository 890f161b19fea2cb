"""What steps returned, as the model reads it that writes the answer."""

from __future__ import annotations

from collections.abc import Mapping

from agentkit.messages import ToolMessage, UserMessage


def shown(returned: Mapping[str, ToolMessage], most: int) -> list[UserMessage]:
    """A message for each step, with `most` characters of results in all.

    Where that is not enough, what is short is shown whole, and what is long says how much of it.
    """
    share = _share([len(message.text) for message in returned.values()], most)
    return [_returned(step, message, share) for step, message in returned.items()]


def _share(lengths: list[int], most: int) -> int:
    """What each may have of `most`, when nobody takes more than it needs."""
    left, share = most, most
    for done, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - done)
        if length > share:
            break
        left -= length
    else:
        return most
    return share


def _returned(step: str, message: ToolMessage, share: int) -> UserMessage:
    text = message.text
    if len(text) > share:
        text = f"{text[:share]}\n[cut: {share} of {len(text)} characters shown]"
    said = f"Step {step} ({message.tool}) returned:\n{text}"
    return UserMessage(said, label=message.label)
