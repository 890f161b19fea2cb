"""What this door answers when it cannot do what was asked: error objects of JSON-RPC 2.0 and of A2A.

`metadata.type` is the same string as on every other door.
"""

from typing import Any, Final

import structlog

from ops_core.errors import (
    CallerError,
    InvalidRequest,
    NothingAsked,
    OpsError,
    TaskFinished,
    TaskNotFound,
    Unavailable,
    WebhookNotFound,
)

log = structlog.get_logger(__name__)

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
TASK_NOT_FOUND: Final = -32001
NOT_CANCELABLE: Final = -32002
UNSUPPORTED: Final = -32004
CONTENT_TYPE: Final = -32005
NO_EXTENDED_CARD: Final = -32007
VERSION: Final = -32009

_AWAY: Final = "Something that this request needs is away; send it again in a moment."

#: The names that A2A gives its own errors.
_REASONS: Final = {
    TASK_NOT_FOUND: "TASK_NOT_FOUND",
    NOT_CANCELABLE: "TASK_NOT_CANCELABLE",
    UNSUPPORTED: "UNSUPPORTED_OPERATION",
    CONTENT_TYPE: "CONTENT_TYPE_NOT_SUPPORTED",
    NO_EXTENDED_CARD: "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
    VERSION: "VERSION_NOT_SUPPORTED",
}

_CODES: Final[dict[type[OpsError], int]] = {
    TaskNotFound: TASK_NOT_FOUND,
    WebhookNotFound: TASK_NOT_FOUND,  # of a push notification config, says the protocol
    InvalidRequest: INVALID_PARAMS,
    TaskFinished: UNSUPPORTED,
    NothingAsked: UNSUPPORTED,
    CallerError: INVALID_PARAMS,
}


class Refusal(Exception):
    """A request that this door refuses itself, before a service sees it."""

    def __init__(self, code: int, message: str, type_: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.type = type_


def error_of(error: Exception) -> dict[str, Any]:
    """The error object for what was raised."""
    if isinstance(error, Refusal):
        return _object(error.code, str(error), error.type)
    if isinstance(error, Unavailable):
        # Not always the error's own words: they may name hosts and users.
        said = str(error) if error.is_public else _AWAY
        return _object(INTERNAL, said, error.type)
    if isinstance(error, CallerError):
        code = next(_CODES[cls] for cls in type(error).__mro__ if cls in _CODES)
        return _object(code, str(error), error.type)
    log.error("a2a_request_failed", exc_info=error)
    bug = "This is a fault of the server; its log has the reason."
    return _object(INTERNAL, bug, OpsError.type)


def _object(code: int, message: str, type_: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": _REASONS.get(code, type_.upper()),
        "domain": "a2a-protocol.org" if code in _REASONS else "opspawn",
    }
    if type_:
        info |= {"metadata": {"type": type_}}
    return {"code": code, "message": message, "data": [info]}
