"""Mutants: the protocol, broken on purpose in one place each. A matrix that lets one live proves nothing.

A mutant is applied in a forked process, to what is imported there: the text of a statement is replaced (and
must have been there), or a function is. Beside each stands the check that has to find it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection
from sweep_trials import FREEZE_HALF_WAY, KILL, Strike

from ops_core import children, journal, replay, service, writer
from ops_core.log import NewEvent
from ops_core.moves import Move, cancel, release
from ops_core.ports import Append, Appended, Lease, PutOff, TaskKey
from ops_core.request import TaskRequest
from ops_core.step import Step, idempotency_key
from ops_core.store import (
    claim,
    client,
    endings,
    ends,
    history,
    moves,
    reopen,
    repeated,
    submit_together,
    upkeep,
    worker,
)
from ops_core.store.database import SESSION_LIMITS, dump_json
from ops_core.store.rows import task_of
from ops_core.task import NewTask, Task, Usage, submitted_data


@dataclass(frozen=True)
class Sweep:
    """Caught by striking a process at places in an act."""

    strike: Strike
    act: str

    def __str__(self) -> str:
        return f"{self.strike.kind}: {self.act}"


@dataclass(frozen=True)
class Encounter:
    """Caught by a scenario."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Mutant:
    name: str
    apply: Callable[[], None]
    caught_by: Sweep | Encounter
    says: str
    """What its check must say of it (a pattern): that a mutant merely does not work would prove nothing."""


def edit(
    module: ModuleType, name: str, old: str, new: str, *, times: int = 1
) -> Callable[[], None]:
    """Replaces text in a statement of a module, where it must stand so many times."""

    def apply() -> None:
        statement = getattr(module, name)
        sql = statement.text if isinstance(statement, TextClause) else statement
        found = sql.count(old)
        assert found == times, f"{module.__name__}.{name} has {found} times: {old}"
        sql = sql.replace(old, new)
        if isinstance(statement, TextClause):
            statement.text = sql  # its parameters stay
        else:
            setattr(module, name, sql)

    return apply


def replace(owner: Any, name: str, new: object) -> Callable[[], None]:
    """Replaces a function, or another attribute, that must have been there."""

    def apply() -> None:
        assert hasattr(owner, name), f"{owner} has no {name}"
        setattr(owner, name, new)

    return apply


def both(*parts: Callable[[], None]) -> Callable[[], None]:
    def apply() -> None:
        for part in parts:
            part()

    return apply


async def _commit_now(connection: AsyncConnection) -> None:
    """Ends the transaction of somebody who does not know of it."""
    await connection.exec_driver_sql("COMMIT")
    await connection.exec_driver_sql("BEGIN")


# Steps and the journal.

_READ = replay.read


def _read_nothing(history: Any) -> replay.Recorded:
    return replay.Recorded()


def _read_no_intents(history: Any) -> replay.Recorded:
    recorded = _READ(history)
    recorded.opened.clear()
    recorded.doubtful.clear()
    return recorded


def _everything_is_the_same() -> None:
    for module in (journal, replay):
        replace(module, "check_same", lambda *_: None)()


async def _dispatch_nothing(self: journal.Journal, step: Step) -> None:
    return


_EFFECT = journal.Journal._effect


async def _run_then_dispatch(
    self: journal.Journal, step: Step, run: Callable[[], Awaitable[Any]]
) -> Any:
    done = await _EFFECT(self, step, run)
    await self._log.append(self._dispatched(step))
    return done


def _key_of_this_run(self: journal.Journal, path: str) -> str:
    return idempotency_key(f"{self._task.task_id} {self._task.epoch}", path)


def _key_of_children(task_id: str, path: str) -> str:
    return idempotency_key(f"{task_id} {uuid4()}", path)


# The writer.


async def _acknowledge_at_once(
    self: writer.StepWriter,
    lease: Lease,
    events: Sequence[NewEvent],
    usage: Usage,
    settles: Any = None,
) -> None:
    committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    self._waiting.append(writer._Waiting(Append(lease, events, usage, settles), committed))
    self._work.set()


def _answer_stored(self: writer.StepWriter, waiting: Any, outcome: Appended) -> bool:
    if not waiting.committed.done():
        waiting.committed.set_result(None)
    return False


async def _repeat_all(connection: object, batch: Sequence[Append]) -> tuple[set[Any], Any]:
    """An append whose reply was lost is made again, whatever became of it."""
    return set(), batch


# Submit, moves, upkeep.


_SUBMIT_TOGETHER = submit_together.submit_together


async def _submit_in_two(connection: Any, batch: Sequence[NewTask], **settings: Any) -> Any:
    """Tasks are committed before their first events are."""
    whole = submit_together._SUBMIT
    head, _, _ = whole.partition("), logged AS (")
    # All parameters have to be named.
    sql = head + ") SELECT * FROM submitted WHERE $19::jsonb[] IS NOT NULL"  # noqa: S608  # ours
    vars(submit_together)["_SUBMIT"] = sql
    try:
        stored = await _SUBMIT_TOGETHER(connection, batch, **settings)
    finally:
        vars(submit_together)["_SUBMIT"] = whole
    await connection.execute("COMMIT")
    await connection.execute("BEGIN")
    for new, task in zip(batch, stored, strict=True):
        if isinstance(task, Task):
            await connection.execute(
                """INSERT INTO event (tenant_id, task_id, seq, type, data, at)
                   VALUES ($1, $2, 1, 'task.submitted', $3, ops_now())""",
                *(new.tenant_id, new.task_id),
                dump_json(submitted_data(new)),
            )
    return stored


_APPLY = moves.apply


_JSON: Final = ("result", "error", "waiting_for", "data", "journal")


@contextmanager
def _moving_by(sql: str) -> Iterator[None]:
    """Moves are made by another statement inside the block."""
    whole = moves._APPLY
    used = [name for name in _JSON if f":{name}" in sql]
    vars(moves)["_APPLY"] = moves.statement(sql, *used)
    yield
    vars(moves)["_APPLY"] = whole


async def _apply_then_log(
    connection: AsyncConnection, key: TaskKey, move: Move, lease: Lease | None = None
) -> Any:
    """The move is committed before its event is."""
    head, _, _ = moves._APPLY.text.partition("), logged AS (")
    with _moving_by(head + ") SELECT * FROM moved"):  # noqa: S608  # a statement of ours
        row = await _APPLY(connection, key, move, lease)
    if row is None:
        return None
    await _commit_now(connection)
    event = moves.statement(
        """INSERT INTO event (tenant_id, task_id, seq, type, v, data, journal, at)
           VALUES (:tenant_id, :task_id, :seq, :type, :v, :data, :journal, ops_now())""",
        "data",
        "journal",
    )
    said = move.event
    values = {"type": said.type.value, "v": said.v, "data": said.data, "journal": said.journal}
    await connection.execute(event, key._asdict() | {"seq": row.last_seq} | values)
    return row


async def _end_none(connection: object, batch: object) -> set[Any]:
    """Every end is a move of its own."""
    return set()


def _apply_everywhere(apply: Any) -> Callable[[], None]:
    """Whoever imported `apply` by its name gets the mutant's."""

    def replaced() -> None:
        for module in (client, ends, moves, reopen, upkeep, worker):
            assert vars(module)["apply"] is _APPLY
            vars(module)["apply"] = apply

    return replaced


async def _cancel_whatever_it_is(self: client.SqlTaskStore, tenant_id: str, task_id: str) -> Task:
    with _moving_by(moves._APPLY.text.replace("AND status = ANY(:sources)", "")):
        async with self._database.begin() as connection:
            moved = await _APPLY(connection, TaskKey(tenant_id, task_id), cancel())
    return task_of(moved)


async def _tell_nobody(connection: AsyncConnection, ended: Any, concerned: Any) -> None:
    return


def _deaf(move: Move, task: Task) -> Move:
    return cancel() if task.cancel_requested else move


async def _return_nothing(self: upkeep.SqlUpkeepStore, rows: Sequence[PutOff]) -> None:
    return


async def _do_nothing(self: upkeep.SqlUpkeepStore, limit: int) -> int:
    return 0


def _session(**limits: str) -> Callable[[], None]:
    def apply() -> None:
        assert limits.keys() <= SESSION_LIMITS.keys()
        SESSION_LIMITS.update(limits)

    return apply


_EPOCH: Final = "t.epoch = a.epoch AND "
_LEASE: Final = "t.epoch = a.epoch AND t.owner IS NOT DISTINCT FROM a.owner"
_IS_LEASE: Final = "(:any_owner OR (owner = :owner AND epoch = :epoch))"
_LOCKED: Final = "LIMIT share.size\n                FOR NO KEY UPDATE SKIP LOCKED"

RUN: Final = Sweep(KILL, "run")
ZOMBIE: Final = Sweep(FREEZE_HALF_WAY, "run")

MUTANTS: Final = (
    # Who may write.
    Mutant(
        "an append is not fenced",
        edit(worker, "_APPEND", _LEASE, "true"),
        ZOMBIE,
        says="was committed under epoch|was committed before|its result is not",
    ),
    Mutant(
        "an append is fenced by its owner alone",
        edit(worker, "_APPEND", _EPOCH, ""),
        Encounter("the same worker twice"),
        says="under an old epoch",
    ),
    Mutant(
        "a settlement is not fenced",
        edit(moves, "_APPLY", _IS_LEASE, "true"),
        ZOMBIE,
        says="its result is not what its steps brought",
    ),
    Mutant(
        "a settlement is fenced by its owner alone",
        edit(moves, "_APPLY", " AND epoch = :epoch", ""),
        Encounter("the same worker twice"),
        says="settled under an old epoch",
    ),
    Mutant(
        "an end among others is not fenced",
        edit(endings, "_END", _LEASE, "true"),
        Encounter("the same worker twice"),
        says="ended under an old epoch",
    ),
    Mutant(
        "an end among others is fenced by its owner alone",
        edit(endings, "_END", _EPOCH, ""),
        Encounter("the same worker twice"),
        says="ended under an old epoch",
    ),
    Mutant(
        "an end among others waits for locked rows",
        edit(endings, "_END", "FOR NO KEY UPDATE SKIP LOCKED", "FOR NO KEY UPDATE"),
        Encounter("an end in other hands"),
        says="waits for a row in other hands",
    ),
    Mutant(
        "a claim does not raise the epoch",
        edit(claim, "_CLAIM", "epoch      = epoch + 1", "epoch      = GREATEST(epoch, 1)"),
        RUN,
        says="under epoch|its row says epoch 1",
    ),
    Mutant(
        "a lost append is taken for stored",
        replace(writer.StepWriter, "_answer", _answer_stored),
        ZOMBIE,
        says="without its intent on disk",
    ),
    # Claims.
    Mutant(
        "a claim waits for locked rows",
        edit(claim, "_CLAIM", _LOCKED, _LOCKED.removesuffix(" SKIP LOCKED")),
        Encounter("two claims"),
        says="waits for a row in other hands",
    ),
    Mutant(
        "a claim locks nothing",
        edit(claim, "_CLAIM", _LOCKED, "LIMIT share.size"),
        Encounter("two claims"),
        says="null value in column",
    ),
    Mutant(
        "a buried worker may claim",
        edit(
            claim,
            "_CLAIM",
            "SELECT alone, pins, supports FROM worker\n"
            "        WHERE worker_id = :worker_id AND drain_at IS NULL FOR KEY SHARE",
            "SELECT false AS alone, '{}'::jsonb AS pins, '{}'::text[] AS supports",
        ),
        Encounter("a buried worker"),
        says="upkeep has forgotten",
    ),
    Mutant(
        "a claim does not wait for the rest between attempts",
        edit(claim, "_CLAIM", " AND runnable_at <= ops_now()", "", times=2),
        Encounter("a rest between attempts"),
        says="before its rest was over",
    ),
    # Steps and the journal.
    Mutant(
        "the journal is ignored on recovery",
        replace(journal, "read", _read_nothing),
        RUN,
        says="was committed before|announced again",
    ),
    Mutant(
        "only the beginning of the log is replayed",
        edit(history, "_HISTORY", "ORDER BY e.seq", "ORDER BY e.seq LIMIT 4"),
        RUN,
        says="announced again|was committed before",
    ),
    Mutant(
        "an unsafe step is retried",
        replace(journal, "read", _read_no_intents),
        RUN,
        # A kill before the effect shows the second intent alone.
        says="step 3/tool/1 (ran 2 times|was announced again)",
    ),
    Mutant(
        "an intent is never written",
        replace(journal.Journal, "_dispatch", _dispatch_nothing),
        RUN,
        says="without its intent on disk",
    ),
    Mutant(
        "an intent is written after its call",
        both(
            replace(journal.Journal, "_dispatch", _dispatch_nothing),
            replace(journal.Journal, "_effect", _run_then_dispatch),
        ),
        RUN,
        says="unsafe step 3/tool/1 ran",
    ),
    Mutant(
        "a call is repeated under another key",
        replace(journal.Journal, "idempotency_key", _key_of_this_run),
        RUN,
        says="with two keys",
    ),
    Mutant(
        "a step is replayed whatever its input was",
        _everything_is_the_same,
        Encounter("another program"),
        says="a changed program went on",
    ),
    Mutant(
        "an append is acknowledged before its commit",
        replace(writer.StepWriter, "append", _acknowledge_at_once),
        RUN,
        says="without its intent on disk|not what its steps brought",
    ),
    Mutant(
        "an effect begins after a cancellation was promised",
        edit(worker, "_APPEND", "AND NOT (a.opens AND t.cancel_requested)", ""),
        Encounter("a cancelled step before an effect"),
        says="an unsafe effect began",
    ),
    Mutant(
        "an append is repeated when its reply is lost",
        replace(worker, "sort_repeated", _repeat_all),
        Encounter("a lost reply"),
        says="was committed before",
    ),
    Mutant(
        "a repeated append does not look whether it was stored",
        edit(repeated, "_STORED", "e.type = a.type", "false"),
        Encounter("a lost reply"),
        says="was committed before",
    ),
    Mutant(
        "a step takes its number from a row that it has not locked",
        edit(worker, "_APPEND", "FOR NO KEY UPDATE SKIP LOCKED", ""),
        Encounter("append meets cancel"),
        says="event_pkey|deadlock detected",
    ),
    Mutant(
        "an append does not count on the log's length",
        edit(worker, "_APPEND", "t.last_seq + h.events", "t.last_seq + 0 * h.events"),
        RUN,
        says="event_pkey",
    ),
    # Submit.
    Mutant(
        "a task is published inline and woken by nobody later",
        edit(
            submit_together,
            "_SUBMIT",
            "ELSE now + $2 * interval '1 second' END",
            "WHEN $2::float8 > 0 THEN NULL END",
        ),
        Sweep(KILL, "submit"),
        says="never came to rest",
    ),
    Mutant(
        "a task and its first event are two transactions",
        replace(client, "submit_together", _submit_in_two),
        Sweep(KILL, "submit"),
        says="a log begins with its submission",
    ),
    Mutant(
        "the idempotency key is ignored",
        replace(service, "checked_key", lambda _: None),
        Sweep(KILL, "submit"),
        says="one request became two tasks",
    ),
    Mutant(
        "a key answers for any request",
        replace(TaskRequest, "digest", lambda _: "the same"),
        Encounter("one key two bodies"),
        says="two requests share one key",
    ),
    # Rings.
    Mutant(
        "a ring that is taken does not come again",
        edit(
            upkeep,
            "_TAKE_RINGS",
            "ring_at = ops_now() + LEAST",
            "ring_at = NULL::timestamptz + LEAST",
        ),
        Sweep(KILL, "dispatch"),
        says="never came to rest",
    ),
    Mutant(
        "rings that nobody heard are lost",
        replace(upkeep.SqlUpkeepStore, "return_rings", _return_nothing),
        Sweep(KILL, "dispatch, broker away"),
        says="was not given again",
    ),
    Mutant(
        "a task that is given back is not rung for",
        edit(moves, "_APPLY", "WHEN :pending AND dependencies_left = 0", "WHEN false"),
        Sweep(KILL, "bury"),
        says="never came to rest",
    ),
    # Moves.
    Mutant(
        "a move and its event are two transactions",
        both(_apply_everywhere(_apply_then_log), replace(worker, "end_together", _end_none)),
        RUN,
        says="its log",
    ),
    Mutant(
        "a task that is given back keeps its owner",
        edit(moves, "_APPLY", "owner        = NULL", "owner        = owner"),
        Sweep(KILL, "bury"),
        says="never came to rest|task_running_has_owner",
    ),
    Mutant(
        "an end can be overwritten",
        edit(moves, "_APPLY", "AND status = ANY(:sources)", ""),
        Encounter("after the end"),
        says="a completed task answers to retry",
    ),
    Mutant(
        "a cancellation asks for no state",
        replace(client.SqlTaskStore, "cancel", _cancel_whatever_it_is),
        Encounter("after the end"),
        says="a completed task answers to cancel",
    ),
    Mutant(
        "an owner is told to cancel and the row does not know",
        edit(client, "_REQUEST_CANCEL", "cancel_requested = true", "cancel_requested = false"),
        Sweep(KILL, "cancel, running"),
        says="the cancellation that was accepted is forgotten",
    ),
    Mutant(
        "a hand-over forgets a cancellation",
        replace(worker, "met", lambda move, _: move),
        Sweep(KILL, "run, cancelled and drained"),
        says="the cancellation that was accepted is forgotten",
    ),
    Mutant(
        "a hand-over looks for a cancellation without the lock",
        edit(worker, "_HELD", "FOR NO KEY UPDATE", ""),
        Encounter("cancel meets release"),
        says="the cancellation that was accepted is forgotten",
    ),
    Mutant(
        "a call is cut off and the end is silent about it",
        replace(moves, "unknown_effects", lambda *_: []),
        Sweep(KILL, "run, cancelled"),
        says="does not say that",
    ),
    Mutant(
        "a retry does not open a generation",
        edit(moves, "_APPLY", "generation + CAST", "generation + 0 * CAST"),
        Sweep(KILL, "retry"),
        says="its row says generation 1",
    ),
    Mutant(
        "attempts are not counted",
        edit(claim, "_CLAIM", "reason IN ('retrying', 'rate_limited')", "false"),
        Encounter("attempts run out"),
        says="never came to rest",
    ),
    # The dead and the late.
    Mutant(
        "the living are buried",
        edit(
            upkeep,
            "_DEAD",
            "WHERE heartbeat_at < ops_now()",
            "WHERE heartbeat_at < 'infinity'::timestamptz",
        ),
        Encounter("the living"),
        says="taken from a living worker",
    ),
    Mutant(
        "a dead worker is forgotten while it owns tasks",
        edit(
            upkeep,
            "_FORGET",
            "AND NOT EXISTS (SELECT 1 FROM task WHERE owner = w.worker_id)",
            "",
        ),
        Encounter("an orphan in other hands"),
        says="never came to rest",
    ),
    Mutant(
        "the dead owe no cancellation",
        replace(upkeep, "orphaned", lambda _, **__: release("worker_died")),
        Sweep(KILL, "bury, cancelled"),
        says="the cancellation that was accepted is forgotten",
    ),
    Mutant(
        "deadlines are not carried out",
        replace(upkeep.SqlUpkeepStore, "expire", _do_nothing),
        Sweep(KILL, "deadline"),
        says="never came to rest",
    ),
    # What is waited for.
    Mutant(
        "a timer wakes nobody",
        replace(upkeep.SqlUpkeepStore, "wake", _do_nothing),
        Sweep(KILL, "wake"),
        says="never came to rest",
    ),
    Mutant(
        "an answer is stored and wakes nobody",
        replace(client, "wake", release),
        Sweep(KILL, "answer"),
        says="never came to rest",
    ),
    Mutant(
        "an end is told to nobody",
        edit(endings, "_END", "WHERE concerns", "WHERE false"),
        Sweep(KILL, "run, starts a child"),
        says="never came to rest",
    ),
    Mutant(
        "an end is struck off before it was told",
        replace(ends, "_tell", _tell_nobody),
        Sweep(KILL, "tell of an end"),
        says="never came to rest",
    ),
    Mutant(
        "a task is freed and not rung for",
        edit(
            ends,
            "_FREE",
            "ELSE GREATEST(ops_now(), scheduled_at) END,\n        reason",
            "END,\n        reason",
        ),
        Sweep(KILL, "tell of an end, to who depends"),
        says="never came to rest",
    ),
    Mutant(
        "a child is started again by every run",
        replace(children, "idempotency_key", _key_of_children),
        Sweep(KILL, "run, starts a child"),
        says="one request became two tasks",
    ),
    Mutant(
        "what came while a task ran is slept through",
        replace(worker, "met", _deaf),
        Encounter("an answer before the wait"),
        says="waits for an answer that it has",
    ),
    # The session.
    Mutant(
        "a commit does not wait for the disk",
        _session(synchronous_commit="off"),
        Encounter("a durable session"),
        says="synchronous_commit is off",
    ),
    Mutant(
        "a statement waits for ever for a lock",
        _session(lock_timeout="0"),
        Encounter("a durable session"),
        says="waits for ever",
    ),
)
