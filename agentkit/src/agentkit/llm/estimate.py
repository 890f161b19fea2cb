"""What a model call may use, before it is made."""

from __future__ import annotations

from typing import Final

from agentkit.llm.port import ModelRequest
from agentkit.messages import Usage
from agentkit.tokens import tokens_of, tokens_of_tools

#: What an answer is taken to need at most where `max_tokens` does not say it.
ANSWER_TOKENS: Final = 8192


def may_use(request: ModelRequest) -> Usage:
    """The tokens that a call may use at most, as well as that can be known: what is sent is estimated by its
    length. A shape that the answer must fit may cost a second call. The price is not known here.
    """
    sent = tokens_of(request.messages) + tokens_of_tools(request.tools)
    answer = request.settings.max_tokens or ANSWER_TOKENS
    calls = 1 if request.output is None else 2
    return Usage(sent * calls + (calls - 1) * answer, answer * calls)
