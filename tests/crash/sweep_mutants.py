"""Mutants: the protocol, broken on purpose in one place each. A matrix that lets one live proves nothing.

A mutant is applied in a forked process, to what is imported there: the text of a statement is replaced (and
must have been there), or a function is. Beside each stands the check that has to find it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from sqlalchemy import TextClause, text
from sweep_trials import FREEZE_HALF_WAY, KILL, Strike

from ops_core import service, writer
from ops_core.log import NewEvent
from ops_core.ports import Appended, Lease, PutOff, TaskKey
from ops_core.request import TaskRequest
from ops_core.store import claim, client, moves, upkeep, worker
from ops_core.store.database import SESSION_LIMITS
from ops_core.task import Move, Task, Usage
from opspawn.agents import journal


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


# Steps and the journal.


def _read_nothing(history: object) -> tuple[dict[str, Any], set[str]]:
    return {}, set()


_READ = journal._read


def _read_no_intents(history: Any) -> tuple[dict[str, Any], set[str]]:
    finished, _ = _READ(history)
    return finished, set()


async def _intent_after_the_call(self: Any, step: Any, run: Callable[[], Awaitable[Any]]) -> Any:
    earlier = self._finished.get(step.path)
    if earlier is not None:
        return earlier["value"]
    value = await run()
    if step.effect != "pure":
        await self._log.append(journal._dispatched(step))
    event, usage = journal._finished(step, value, 0.0)
    await self._log.append(event, usage=usage)
    return value


# The writer.


async def _acknowledge_at_once(
    self: writer.StepWriter, lease: Lease, events: Sequence[NewEvent], usage: Usage
) -> None:
    committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    self._waiting.append(writer._Waiting(writer.Append(lease, events, usage), committed))
    self._work.set()


def _answer_stored(self: writer.StepWriter, waiting: Any, outcome: Appended) -> bool:
    if not waiting.committed.done():
        waiting.committed.set_result(None)
    return False


_COMMIT = writer.StepWriter._commit


async def _commit_until_answered(self: writer.StepWriter, batch: Any) -> bool:
    """Appends again when it is not known whether the first time was stored."""
    honest = self._store.append

    async def append(asked: Any) -> list[Appended]:
        try:
            return await honest(asked)
        except writer.StoreUnavailable:
            return await honest(asked)

    self._store.append = append  # type: ignore[method-assign]
    try:
        return await _COMMIT(self, batch)
    finally:
        self._store.append = honest  # type: ignore[method-assign]


# Submit, moves, upkeep.


async def _submit_in_two(self: client.SqlTaskStore, new: Any) -> tuple[Task, bool]:
    whole = client._SUBMIT
    head, _, tail = whole.text.partition("), logged AS (")
    row = text(head + ") SELECT * FROM submitted").bindparams(
        *(whole._bindparams[name] for name in ("labels", "input_data", "retry_policy"))
    )
    parameters = client._submit_parameters(new) | {"ring_grace_s": self._ring_grace_s}
    async with self._database.begin() as connection:
        stored = (await connection.execute(row, parameters)).one_or_none()
        if stored is None:
            stored = (await connection.execute(client._BY_KEY, parameters)).one()
            return client.task_of(stored), False
    event = client.statement(
        """INSERT INTO event (tenant_id, task_id, seq, type, data, at)
           VALUES (:tenant_id, :task_id, 1, :type, :data, ops_now())""",
        "data",
    )
    async with self._database.begin() as connection:
        await connection.execute(event, parameters)
    return client.task_of(stored), True


_APPLY = moves.apply


async def _apply_then_log(
    connection: Any, key: TaskKey, move: Move, lease: Lease | None = None
) -> Any:
    """The move is committed before its event is."""
    whole = moves._APPLY.text
    head, _, tail = whole.partition("), logged AS (")
    logged = (
        tail.partition(")\n    SELECT * FROM moved")[0]
        .replace("FROM moved", "FROM task WHERE tenant_id = :tenant_id AND task_id = :task_id")
        .replace("updated_at", "ops_now()")
    )
    moves._APPLY.text = head + ") SELECT * FROM moved"
    try:
        row = await _APPLY(connection, key, move, lease)
    finally:
        moves._APPLY.text = whole
    if row is None:
        return None
    await connection.commit()
    event = {
        "tenant_id": key.tenant_id,
        "task_id": key.task_id,
        "type": move.event.type.value,
        "v": move.event.v,
        "data": move.event.data,
        "journal": move.event.journal,
    }
    await connection.execute(moves.statement(logged, "data", "journal"), event)
    return row


def _apply_everywhere(apply: Any) -> Callable[[], None]:
    """Whoever imported `apply` by its name gets the mutant's."""

    def replaced() -> None:
        for module in (client, moves, upkeep, worker):
            assert module.apply is _APPLY  # type: ignore[attr-defined]
            module.apply = apply  # type: ignore[attr-defined]

    return replaced


async def _cancel_whatever_it_is(self: client.SqlTaskStore, tenant_id: str, task_id: str) -> Task:
    moves._APPLY.text = moves._APPLY.text.replace("AND status = ANY(:sources)", "")
    async with self._database.begin() as connection:
        moved = await _APPLY(connection, TaskKey(tenant_id, task_id), client.cancel())
    assert moved is not None
    return client.task_of(moved)


async def _return_nothing(self: upkeep.SqlUpkeepStore, rows: Sequence[PutOff]) -> None:
    return


async def _expire_nothing(self: upkeep.SqlUpkeepStore, limit: int) -> int:
    return 0


def _no_key(key: str | None) -> None:
    return None


def _session(**limits: str) -> Callable[[], None]:
    def apply() -> None:
        assert limits.keys() <= SESSION_LIMITS.keys()
        SESSION_LIMITS.update(limits)

    return apply


_LEASE_HOLDS: Final = (
    "t.epoch = a.epoch AND t.owner = a.owner AND t.status = 'running'\n        ORDER"
)
_IS_LEASE: Final = "(:any_owner OR (owner = :owner AND epoch = :epoch))"
_LOCKED: Final = "LIMIT share.size\n            FOR NO KEY UPDATE SKIP LOCKED"

RUN: Final = Sweep(KILL, "run")
ZOMBIE: Final = Sweep(FREEZE_HALF_WAY, "run")

MUTANTS: Final = (
    # Who may write.
    Mutant(
        "an append is not fenced",
        edit(worker, "_APPEND", _LEASE_HOLDS, "t.status = 'running'\n        ORDER"),
        ZOMBIE,
    ),
    Mutant(
        "an append is fenced by its owner alone",
        edit(worker, "_APPEND", _LEASE_HOLDS, _LEASE_HOLDS.replace("t.epoch = a.epoch AND ", "")),
        Encounter("the same worker twice"),
    ),
    Mutant(
        "a settlement is not fenced",
        edit(moves, "_APPLY", _IS_LEASE, "true"),
        ZOMBIE,
    ),
    Mutant(
        "a settlement is fenced by its owner alone",
        edit(moves, "_APPLY", " AND epoch = :epoch", ""),
        Encounter("the same worker twice"),
    ),
    Mutant(
        "a claim does not raise the epoch",
        edit(claim, "_CLAIM", "epoch      = epoch + 1", "epoch      = GREATEST(epoch, 1)"),
        RUN,
    ),
    Mutant(
        "a lost append is taken for stored",
        replace(writer.StepWriter, "_answer", _answer_stored),
        ZOMBIE,
    ),
    # Claims.
    Mutant(
        "a claim waits for locked rows",
        edit(claim, "_CLAIM", _LOCKED, _LOCKED.removesuffix(" SKIP LOCKED")),
        Encounter("two claims"),
    ),
    Mutant(
        "a claim locks nothing",
        edit(claim, "_CLAIM", _LOCKED, "LIMIT share.size"),
        Encounter("two claims"),
    ),
    Mutant(
        "a buried worker may claim",
        edit(claim, "_CLAIM", "WHERE EXISTS (SELECT 1 FROM me)", "WHERE true"),
        Encounter("a buried worker"),
    ),
    Mutant(
        "a claim does not wait for the rest between attempts",
        edit(claim, "_CLAIM", " AND runnable_at <= ops_now()", "", times=2),
        Encounter("a rest between attempts"),
    ),
    # Steps and the journal.
    Mutant("the journal is ignored on recovery", replace(journal, "_read", _read_nothing), RUN),
    Mutant(
        "only the beginning of the log is replayed",
        edit(worker, "_HISTORY", "ORDER BY seq", "ORDER BY seq LIMIT 4"),
        RUN,
    ),
    Mutant("an unsafe step is retried", replace(journal, "_read", _read_no_intents), RUN),
    Mutant(
        "an intent is written after its call",
        replace(journal.TaskJournal, "record", _intent_after_the_call),
        RUN,
    ),
    Mutant(
        "a step is replayed whatever its input was",
        replace(journal, "_check_same", lambda step, earlier: None),
        Encounter("another program"),
    ),
    Mutant(
        "an append is acknowledged before its commit",
        replace(writer.StepWriter, "append", _acknowledge_at_once),
        RUN,
    ),
    Mutant(
        "an append is repeated when its reply is lost",
        replace(writer.StepWriter, "_commit", _commit_until_answered),
        Encounter("a lost reply"),
    ),
    Mutant(
        "a step takes its number from a row that it has not locked",
        edit(worker, "_APPEND", "FOR NO KEY UPDATE OF t SKIP LOCKED", ""),
        Encounter("append meets cancel"),
    ),
    Mutant(
        "an append does not count on the log's length",
        edit(worker, "_APPEND", "t.last_seq + a.events", "t.last_seq + 0 * a.events"),
        RUN,
    ),
    # Submit.
    Mutant(
        "a task is published inline and woken by nobody later",
        edit(
            client,
            "_SUBMIT",
            "ELSE now + :ring_grace_s * interval '1 second' END",
            "WHEN :ring_grace_s > 0 THEN NULL END",
        ),
        Sweep(KILL, "submit"),
    ),
    Mutant(
        "a task and its first event are two transactions",
        replace(client.SqlTaskStore, "submit", _submit_in_two),
        Sweep(KILL, "submit"),
    ),
    Mutant(
        "the idempotency key is ignored",
        replace(service, "_checked_key", _no_key),
        Sweep(KILL, "submit"),
    ),
    Mutant(
        "a key answers for any request",
        replace(TaskRequest, "digest", lambda request: "the same"),
        Encounter("one key two bodies"),
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
    ),
    Mutant(
        "rings that nobody heard are lost",
        replace(upkeep.SqlUpkeepStore, "return_rings", _return_nothing),
        Sweep(KILL, "dispatch, broker away"),
    ),
    Mutant(
        "a task that is given back is not rung for",
        edit(
            moves,
            "_APPLY",
            "ring_at      = CASE WHEN :pending THEN ops_now() + :delay * interval '1 second' END",
            "ring_at      = NULL",
        ),
        Sweep(KILL, "bury"),
    ),
    # Moves.
    Mutant(
        "a move and its event are two transactions",
        _apply_everywhere(_apply_then_log),
        RUN,
    ),
    Mutant(
        "a task that is given back keeps its owner",
        edit(moves, "_APPLY", "owner        = NULL", "owner        = owner"),
        Sweep(KILL, "bury"),
    ),
    Mutant(
        "an end can be overwritten",
        edit(moves, "_APPLY", "AND status = ANY(:sources)", ""),
        Encounter("after the end"),
    ),
    Mutant(
        "a cancellation asks for no state",
        replace(client.SqlTaskStore, "cancel", _cancel_whatever_it_is),
        Encounter("after the end"),
    ),
    Mutant(
        "an owner is told to cancel and the row does not know",
        edit(client, "_REQUEST_CANCEL", "cancel_requested = true", "cancel_requested = false"),
        Sweep(KILL, "cancel, running"),
    ),
    Mutant(
        "a hand-over forgets a cancellation",
        edit(worker, "_OWED", "SELECT cancel_requested", "SELECT false"),
        Sweep(KILL, "run, cancelled and drained"),
    ),
    Mutant(
        "a hand-over looks for a cancellation without the lock",
        edit(worker, "_OWED", "FOR NO KEY UPDATE", ""),
        Encounter("cancel meets release"),
    ),
    Mutant(
        "a retry does not open a generation",
        edit(moves, "_APPLY", "generation + CAST", "generation + 0 * CAST"),
        Sweep(KILL, "retry"),
    ),
    Mutant(
        "attempts are not counted",
        edit(claim, "_CLAIM", "reason IN ('retrying', 'rate_limited')", "false"),
        Encounter("attempts run out"),
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
    ),
    Mutant(
        "the dead owe no cancellation",
        edit(upkeep, "_ORPHANS", "cancel_requested", "false AS cancel_requested"),
        Sweep(KILL, "bury, cancelled"),
    ),
    Mutant(
        "deadlines are not carried out",
        replace(upkeep.SqlUpkeepStore, "expire", _expire_nothing),
        Sweep(KILL, "deadline"),
    ),
    # The session.
    Mutant(
        "a commit does not wait for the disk",
        _session(synchronous_commit="off"),
        Encounter("a durable session"),
    ),
    Mutant(
        "a statement waits for ever for a lock",
        _session(lock_timeout="0"),
        Encounter("a durable session"),
    ),
)
