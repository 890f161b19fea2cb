"""Which error becomes which status code, with details that programs can read (google.rpc)."""

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from ops_core.errors import (
    AgentExists,
    AgentNotFound,
    AlreadyResolved,
    ApiKeyNotFound,
    ApiKeyRevoked,
    AskNotFound,
    BudgetNotFound,
    DeliveryNotFound,
    IdempotencyConflict,
    InvalidRequest,
    LimitNotFound,
    LinksNotConfigured,
    MemoriesNotConfigured,
    MemoryNotFound,
    MissingScope,
    NotADeadLetter,
    NotAuthenticated,
    NothingAsked,
    NotNow,
    OpsError,
    RateLimited,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
    StreamTooSlow,
    TaskFinished,
    TaskNotEnded,
    TaskNotFound,
    TenantExists,
    TenantNotFound,
    ThreadArchived,
    ThreadBusy,
    ThreadExists,
    ThreadNotFound,
    TooManyStreams,
    TooManyWebhooks,
    Unavailable,
    WebhookNotFound,
    WorkerNotFound,
)

#: Our errors that a client may see. Any other one is our bug: INTERNAL.
CODES: Final[dict[type[OpsError], grpc.StatusCode]] = {
    NotAuthenticated: grpc.StatusCode.UNAUTHENTICATED,
    MissingScope: grpc.StatusCode.PERMISSION_DENIED,
    RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    TaskNotFound: grpc.StatusCode.NOT_FOUND,
    IdempotencyConflict: grpc.StatusCode.ALREADY_EXISTS,
    TaskFinished: grpc.StatusCode.FAILED_PRECONDITION,
    TaskNotEnded: grpc.StatusCode.FAILED_PRECONDITION,
    NothingAsked: grpc.StatusCode.FAILED_PRECONDITION,
    NotADeadLetter: grpc.StatusCode.FAILED_PRECONDITION,
    AskNotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyResolved: grpc.StatusCode.FAILED_PRECONDITION,
    LinksNotConfigured: grpc.StatusCode.FAILED_PRECONDITION,
    ScheduleNotFound: grpc.StatusCode.NOT_FOUND,
    ScheduleExists: grpc.StatusCode.ALREADY_EXISTS,
    ScheduleChanged: grpc.StatusCode.ABORTED,
    AgentNotFound: grpc.StatusCode.NOT_FOUND,
    AgentExists: grpc.StatusCode.ALREADY_EXISTS,
    ThreadNotFound: grpc.StatusCode.NOT_FOUND,
    ThreadExists: grpc.StatusCode.ALREADY_EXISTS,
    ThreadBusy: grpc.StatusCode.FAILED_PRECONDITION,
    ThreadArchived: grpc.StatusCode.FAILED_PRECONDITION,
    ApiKeyNotFound: grpc.StatusCode.NOT_FOUND,
    ApiKeyRevoked: grpc.StatusCode.FAILED_PRECONDITION,
    TenantNotFound: grpc.StatusCode.NOT_FOUND,
    WorkerNotFound: grpc.StatusCode.NOT_FOUND,
    TenantExists: grpc.StatusCode.ALREADY_EXISTS,
    WebhookNotFound: grpc.StatusCode.NOT_FOUND,
    DeliveryNotFound: grpc.StatusCode.NOT_FOUND,
    TooManyWebhooks: grpc.StatusCode.FAILED_PRECONDITION,
    LimitNotFound: grpc.StatusCode.NOT_FOUND,
    BudgetNotFound: grpc.StatusCode.NOT_FOUND,
    MemoryNotFound: grpc.StatusCode.NOT_FOUND,
    MemoriesNotConfigured: grpc.StatusCode.FAILED_PRECONDITION,
    NotNow: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    TooManyStreams: grpc.StatusCode.RESOURCE_EXHAUSTED,
    StreamTooSlow: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

#: `ErrorInfo.domain`: who gives the reasons their meaning.
DOMAIN: Final = "opspawn"

#: Details travel as metadata, of which clients accept 8 KiB in all; base64 makes these a third larger,
#: and the message is sent twice, once with its non-ASCII characters three times as large.
_MAX_DETAILS_BYTES: Final = 2500
_MAX_MESSAGE_BYTES: Final = 700

#: Not the error's own words: they may name hosts and users.
_AWAY: Final = (
    "Something that this request needs is away. Send it again; with the same idempotency_key a "
    "task that was stored after all is not stored twice."
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a call is aborted with."""

    code: grpc.StatusCode
    message: str
    details: status_pb2.Status

    @property
    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        return (("grpc-status-details-bin", self.details.SerializeToString()),)


def refusal(error: OpsError, request_id: str) -> Refusal:
    """For an error whose class, or a base of it, is in `CODES`."""
    code = next(CODES[cls] for cls in type(error).__mro__ if cls in CODES)
    if isinstance(error, Unavailable | RateLimited | NotNow):
        message = _AWAY if isinstance(error, Unavailable) and not error.is_public else str(error)
        refused = _refusal(code, error.type, message, request_id)
        refused.details.details.add().Pack(_retry_info(error.retry_after_s))
        return refused
    refused = _refusal(code, error.type, str(error), request_id)
    if isinstance(error, InvalidRequest):
        refused.details.details.add().Pack(_bad_request(error))
    return refused


def _retry_info(seconds: int) -> error_details_pb2.RetryInfo:
    return error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))


def internal(request_id: str) -> Refusal:
    """For a bug: nothing of what happened, but how to find it in the log."""
    message = f"This is a fault of the server. Its log has the reason, under request {request_id}."
    return _refusal(grpc.StatusCode.INTERNAL, "internal", message, request_id)


def _refusal(code: grpc.StatusCode, type_: str, message: str, request_id: str) -> Refusal:
    short = message.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
    number: int = code.value[0]
    details = status_pb2.Status(code=number, message=short)
    details.details.add().Pack(error_details_pb2.ErrorInfo(reason=type_, domain=DOMAIN))
    details.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    return Refusal(code, short, details)


def _bad_request(error: InvalidRequest) -> error_details_pb2.BadRequest:
    """As many of the wrong fields as fit; the first always does."""
    bad = error_details_pb2.BadRequest()
    for field in error.errors:
        violation = bad.field_violations.add(field=field.path, description=field.message)
        if bad.ByteSize() > _MAX_DETAILS_BYTES:
            bad.field_violations.remove(violation)
            break
    return bad
