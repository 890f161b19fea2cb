import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ops_core.rpc.v1 import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AskStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASK_STATUS_UNSPECIFIED: _ClassVar[AskStatus]
    ASK_STATUS_PENDING: _ClassVar[AskStatus]
    ASK_STATUS_APPROVED: _ClassVar[AskStatus]
    ASK_STATUS_REJECTED: _ClassVar[AskStatus]
    ASK_STATUS_ANSWERED: _ClassVar[AskStatus]
    ASK_STATUS_EXPIRED: _ClassVar[AskStatus]
    ASK_STATUS_CANCELLED: _ClassVar[AskStatus]
ASK_STATUS_UNSPECIFIED: AskStatus
ASK_STATUS_PENDING: AskStatus
ASK_STATUS_APPROVED: AskStatus
ASK_STATUS_REJECTED: AskStatus
ASK_STATUS_ANSWERED: AskStatus
ASK_STATUS_EXPIRED: AskStatus
ASK_STATUS_CANCELLED: AskStatus

class Approval(_message.Message):
    __slots__ = ("approval_id", "task_id", "step", "generation", "status", "question", "tool", "arguments", "hash", "sources", "decision", "comment", "given_arguments", "resolved_by", "requested_at", "expires_at", "resolved_at")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    GIVEN_ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    task_id: str
    step: str
    generation: int
    status: AskStatus
    question: str
    tool: str
    arguments: _struct_pb2.Value
    hash: str
    sources: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    decision: str
    comment: str
    given_arguments: _struct_pb2.Struct
    resolved_by: str
    requested_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    resolved_at: _timestamp_pb2.Timestamp
    def __init__(self, approval_id: _Optional[str] = ..., task_id: _Optional[str] = ..., step: _Optional[str] = ..., generation: _Optional[int] = ..., status: _Optional[_Union[AskStatus, str]] = ..., question: _Optional[str] = ..., tool: _Optional[str] = ..., arguments: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., hash: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., decision: _Optional[str] = ..., comment: _Optional[str] = ..., given_arguments: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., resolved_by: _Optional[str] = ..., requested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("input_id", "task_id", "step", "generation", "status", "question", "answer", "resolved_by", "requested_at", "expires_at", "resolved_at")
    INPUT_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    input_id: str
    task_id: str
    step: str
    generation: int
    status: AskStatus
    question: str
    answer: _struct_pb2.Value
    resolved_by: str
    requested_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    resolved_at: _timestamp_pb2.Timestamp
    def __init__(self, input_id: _Optional[str] = ..., task_id: _Optional[str] = ..., step: _Optional[str] = ..., generation: _Optional[int] = ..., status: _Optional[_Union[AskStatus, str]] = ..., question: _Optional[str] = ..., answer: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., resolved_by: _Optional[str] = ..., requested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListApprovalsRequest(_message.Message):
    __slots__ = ("status", "task_id", "limit", "cursor")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    status: AskStatus
    task_id: str
    limit: int
    cursor: str
    def __init__(self, status: _Optional[_Union[AskStatus, str]] = ..., task_id: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListApprovalsResponse(_message.Message):
    __slots__ = ("approvals", "total", "next_cursor")
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    total: int
    next_cursor: str
    def __init__(self, approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., total: _Optional[int] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class GetApprovalRequest(_message.Message):
    __slots__ = ("approval_id",)
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    def __init__(self, approval_id: _Optional[str] = ...) -> None: ...

class GetApprovalResponse(_message.Message):
    __slots__ = ("approval",)
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ...) -> None: ...

class DecideApprovalRequest(_message.Message):
    __slots__ = ("approval_id", "decision", "comment", "arguments", "hash", "idempotency_key")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    decision: _tasks_pb2.ApprovalDecision
    comment: str
    arguments: _struct_pb2.Struct
    hash: str
    idempotency_key: str
    def __init__(self, approval_id: _Optional[str] = ..., decision: _Optional[_Union[_tasks_pb2.ApprovalDecision, str]] = ..., comment: _Optional[str] = ..., arguments: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., hash: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DecideApprovalResponse(_message.Message):
    __slots__ = ("approval", "replayed")
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    approval: Approval
    replayed: bool
    def __init__(self, approval: _Optional[_Union[Approval, _Mapping]] = ..., replayed: bool = ...) -> None: ...

class CreateApprovalLinkRequest(_message.Message):
    __slots__ = ("approval_id", "decisions", "expires_in_s")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_S_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    decisions: _containers.RepeatedScalarFieldContainer[_tasks_pb2.ApprovalDecision]
    expires_in_s: float
    def __init__(self, approval_id: _Optional[str] = ..., decisions: _Optional[_Iterable[_Union[_tasks_pb2.ApprovalDecision, str]]] = ..., expires_in_s: _Optional[float] = ...) -> None: ...

class CreateApprovalLinkResponse(_message.Message):
    __slots__ = ("url", "expires_at")
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    url: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListInputsRequest(_message.Message):
    __slots__ = ("status", "task_id", "limit", "cursor")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    status: AskStatus
    task_id: str
    limit: int
    cursor: str
    def __init__(self, status: _Optional[_Union[AskStatus, str]] = ..., task_id: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListInputsResponse(_message.Message):
    __slots__ = ("inputs", "total", "next_cursor")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[Input]
    total: int
    next_cursor: str
    def __init__(self, inputs: _Optional[_Iterable[_Union[Input, _Mapping]]] = ..., total: _Optional[int] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class GetInputRequest(_message.Message):
    __slots__ = ("input_id",)
    INPUT_ID_FIELD_NUMBER: _ClassVar[int]
    input_id: str
    def __init__(self, input_id: _Optional[str] = ...) -> None: ...

class GetInputResponse(_message.Message):
    __slots__ = ("input",)
    INPUT_FIELD_NUMBER: _ClassVar[int]
    input: Input
    def __init__(self, input: _Optional[_Union[Input, _Mapping]] = ...) -> None: ...

class AnswerInputRequest(_message.Message):
    __slots__ = ("input_id", "answer", "idempotency_key")
    INPUT_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    input_id: str
    answer: _struct_pb2.Value
    idempotency_key: str
    def __init__(self, input_id: _Optional[str] = ..., answer: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class AnswerInputResponse(_message.Message):
    __slots__ = ("input", "replayed")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    input: Input
    replayed: bool
    def __init__(self, input: _Optional[_Union[Input, _Mapping]] = ..., replayed: bool = ...) -> None: ...
