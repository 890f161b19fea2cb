"""Between rows and values: threads and their messages."""

from ops_core.store.rows import Row
from ops_core.task import Status
from ops_core.threads.port import Message, OnBusy, Thread


def thread_of(row: Row) -> Thread:
    return Thread(
        tenant_id=row.tenant_id,
        thread_id=row.thread_id,
        name=row.name,
        on_busy=OnBusy(row.on_busy),
        last_seq=row.last_seq,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
        forked_from=row.forked_from,
    )


def message_of(row: Row) -> Message:
    return Message(
        seq=row.seq,
        task_id=row.task_id,
        task_type=row.task_type,
        status=Status(row.status),
        input_data=row.input_data,
        result=row.result,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )
