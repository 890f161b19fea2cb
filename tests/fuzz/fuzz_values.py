"""What the tenants of the state machine say, by the names of fields and parameters, for every door.

A name that is missing here fails the test: whoever adds a field to a door says here what tenants put into it.
Whatever is text holds the tenant's marker or an id, so that no leak of it stays unseen.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fuzz_draft import About, Draft, Value

from ops_core.log import rfc3339
from ops_core.scopes import Scope

EVENT_TYPES: Final = ("task.*", "*", "task.completed", "approval.*", "input.requested")


def task(draft: Draft) -> dict[str, Any]:
    """A task, as schedules hold one."""
    return {"task_type": "agent_run", "input_data": {"goal": draft.word()}}


def definition(draft: Draft) -> dict[str, Any]:
    return {"instructions": draft.word(), "description": draft.word(), "tools": ["calculator"]}


def moment(draft: Draft) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(seconds=draft.dice.randrange(-3600, 36_000)))


def cursor(draft: Draft) -> str:
    """One's own, somebody else's, or none of anybody's."""
    known = [*draft.me.told["cursor"], *draft.other.told["cursor"]]
    return draft.dice.choice(known) if known and draft.maybe(0.9) else "bm9uc2Vuc2U"


def budget(draft: Draft) -> str:
    return draft.dice.choice(["day", "month", "total", draft.id("task")])


def step(draft: Draft) -> str:
    known = [*draft.me.told["step"][-20:], "1/tool/1", "1/tool/1/input/1", "1/tool/2/approval/1"]
    return draft.dice.choice(known)


def agent(draft: Draft) -> str:
    return "default" if draft.maybe(0.7) else draft.name("agent")


def thread(draft: Draft) -> str:
    return draft.name("thread") if draft.maybe(0.7) else draft.id("thread")


def tenant(draft: Draft) -> str:
    return draft.dice.choice([draft.me.name, draft.other.name, "default", "nobody"])


def in_status(draft: Draft, status: str) -> str:
    """A task that was seen in that status last, most of the time."""
    known = draft.me.told[f"task {status}"][-20:]
    if draft.about in {About.OTHER, About.MISSING} or not known or draft.maybe(0.2):
        return draft.id("task")
    return draft.dice.choice(known)


def text(draft: Draft) -> str:
    return draft.word()


def url(draft: Draft) -> str:
    return f"https://hooks.example.org/{draft.me.marker}/{draft.dice.randrange(100)}"


def one_of(*values: Any) -> Value:
    return lambda draft: draft.dice.choice(values)


def an_id(kind: str) -> Value:
    return lambda draft: draft.id(kind)


VALUES: Final[dict[str, Value]] = {
    # Ids.
    **{f"{kind}_id": an_id(kind) for kind in ("task", "approval", "input", "webhook", "delivery")},
    **{f"{kind}_id": an_id(kind) for kind in ("schedule", "key", "memory")},
    "id": an_id("task"),
    "parent_task_id": an_id("task"),
    "depends_on": lambda draft: [draft.id("task") for _ in range(draft.dice.randrange(1, 3))],
    "thread_id": thread,
    "new_thread_id": lambda draft: draft.name("thread"),
    "budget_id": budget,
    "tenant_id": tenant,
    "worker_id": text,
    "max_unfinished_tasks": one_of(10, 1000),
    "key": lambda draft: draft.name("limit"),
    "concurrency_key": lambda draft: draft.name("limit"),
    "agent": agent,
    "version": lambda draft: draft.dice.randrange(1, 4),
    "step": step,
    "cursor": cursor,
    "token": an_id("link"),
    "object": lambda draft: draft.id(draft.dice.choice(["task", "schedule", "webhook"])),
    "hash": lambda draft: draft.id("hash"),
    # Which and how many.
    "limit": lambda draft: draft.dice.randrange(1, 30),
    "count": lambda draft: draft.dice.randrange(1, 10),
    "after": lambda draft: draft.dice.randrange(0, 4),
    "after_seq": lambda draft: draft.dice.randrange(1, 6),
    "created_after": lambda _draft: rfc3339(datetime.now(UTC) - timedelta(minutes=5)),
    "archived": one_of(True, False),
    "deltas": one_of(True, False),
    "label": lambda draft: f"team:{draft.word()}",
    "status": one_of("pending", "waiting", "completed", "failed", "cancelled"),
    "subject": lambda draft: draft.me.key_id,
    "action": one_of("cancel_task", "create_api_key", "retry_task"),
    # Tasks.
    "task_type": one_of("agent_run"),
    "input_data": lambda draft: {"goal": draft.word()},
    "goal": text,
    "labels": lambda draft: {"team": draft.word()},
    "priority": lambda draft: draft.dice.randrange(-5, 6),
    "scheduled_at": lambda _draft: rfc3339(datetime.now(UTC) + timedelta(seconds=1)),
    "deadline_s": one_of(600, 0.5),
    "retry_policy": one_of({"max_attempts": 1}, {"max_attempts": 2, "backoff_s": 0}),
    "budget": lambda draft: {"tokens": draft.dice.randrange(1, 1000)},
    "allowed": lambda draft: {"tokens": draft.dice.randrange(1, 10**6)},
    "output_schema": lambda draft: {"type": "object", "description": draft.word()},
    "on_busy": one_of("reject", "enqueue", "interrupt"),
    "webhook": lambda draft: {"url": url(draft), "events": ["*"], "decides": draft.maybe(0.3)},
    "overrides": lambda draft: {"goal": draft.word()},
    "idempotency_key": lambda draft: f"key-{draft.dice.randrange(40)}",
    "within_s": one_of(0),
    # Answers.
    "answer": lambda draft: {"said": draft.word()},
    "decision": one_of("approve", "reject"),
    "decisions": one_of(["approve", "reject"], ["approve"]),
    "comment": text,
    "arguments": lambda draft: {"to": draft.word()},
    "outcome": one_of("happened", "run_again", "fail"),
    "result": lambda draft: {"came": draft.word()},
    "expires_in_s": one_of(60, 3600),
    # Agents, threads, schedules.
    "definition": definition,
    "name": text,
    "cron": one_of("* * * * *", "30 7 * * mon-fri"),
    "every_s": one_of(1, 60),
    "time_zone": one_of("UTC", "Europe/Berlin"),
    "task": task,
    "overlap": one_of("skip", "queue", "allow"),
    "missed": one_of("skip", "run_once", "run_all"),
    "catchup_window_s": one_of(0, 60),
    "start_at": moment,
    "end_at": lambda _draft: rfc3339(datetime.now(UTC) + timedelta(days=2)),
    "jitter_s": one_of(0, 1),
    "reason": text,
    "change": lambda draft: {"name": draft.word(), "labels": {"team": draft.word()}},
    # Memories.
    "text": text,
    "query": text,
    "user": lambda draft: draft.name("user"),
    "metadata": lambda draft: f"topic:{draft.word()}",
    # Webhooks.
    "url": url,
    "events": lambda draft: [draft.dice.choice(EVENT_TYPES)],
    "enabled": one_of(True, True, True, False),
    "description": text,
    "clear_labels": one_of(True, False),
    "overlap_s": one_of(0, 60),
    "decides": one_of(True, False),
    # Limits.
    "concurrency": lambda draft: draft.dice.randrange(1, 5),
    "rate": one_of({"count": 5, "per_s": 1.0}),
    "cost_usd": one_of("0.50", "2"),
    "tokens": lambda draft: draft.dice.randrange(1, 10**6),
    "steps": lambda draft: draft.dice.randrange(1, 10**6),
    "seconds": lambda draft: draft.dice.randrange(1, 10**6),
    # Keys.
    "scopes": lambda draft: draft.dice.sample([str(scope) for scope in Scope], 3),
    "expires_at": lambda _draft: rfc3339(datetime.now(UTC) + timedelta(seconds=30)),
    "requests_per_minute": one_of(60, 600),
    "burst": one_of(1, 10),
    "grace_s": one_of(0, 60),
    # Headers.
    "Idempotency-Key": lambda draft: f"key-{draft.dice.randrange(40)}",
    "Prefer": one_of("wait=0"),
    "Last-Event-ID": lambda draft: str(draft.dice.randrange(0, 4)),
}


#: Names that are said whenever they can be, required or not: without them an operation is about nothing.
ALWAYS: Final = frozenset(
    {
        *("task_type", "input_data", "definition", "name", "task", "scopes", "url", "key", "step"),
        *("answer", "outcome", "decision", "decisions", "after_seq", "allowed", "change", "goal"),
        *("tenant_id", "budget_id", "task_id", "approval_id", "input_id", "webhook_id", "within_s"),
        *("delivery_id", "schedule_id", "key_id", "tokens", "id", "memory_id", "text", "user"),
    }
)

#: Of these exactly one makes sense.
EITHER: Final = (("cron", "every_s"),)

#: Names that mean something else in some operations.
OF_OPERATION: Final[dict[tuple[str, str], Value]] = {
    **{
        (operation, "name"): lambda draft: draft.name("agent")
        for operation in (
            *("create_agent", "put_agent", "get_agent", "archive_agent"),
            *("list_agent_versions", "get_agent_version"),
        )
    },
    **{
        (operation, "status"): one_of("pending", "approved", "answered", "cancelled")
        for operation in ("list_approvals", "list_inputs")
    },
    **{
        (operation, "task_id"): lambda draft: in_status(draft, "waiting")
        for operation in ("resolve_effect", "resolve_approval", "send_input", "answer_task")
    },
    **{
        (operation, "task_id"): lambda draft: in_status(draft, "failed")
        for operation in ("retry_dead_letter", "discard_dead_letter", "retry_task")
    },
    ("resolve_effect", "step"): one_of("1/tool/1"),
    ("resolve_approval", "step"): one_of("1/tool/2/approval/1"),
    ("send_input", "step"): one_of("1/tool/1/input/1"),
    ("answer_task", "step"): one_of("1/tool/1/input/1"),
    ("create_memory", "metadata"): lambda draft: {"topic": draft.word()},
    ("create_task", "retry_policy"): one_of({"max_attempts": 1}, {"backoff_s": 0}),
}

#: In these an id in a list or a filter is what they are about, and is said more often than by chance.
OFTEN: Final = frozenset({"parent_task_id", "depends_on", "thread_id", "cursor"})


def chosen(operation: str, required: set[str], possible: list[str], draft: Draft) -> dict[str, Any]:
    """Values for an operation's names: those it needs, and others as the dice say."""
    said: dict[str, Any] = {}
    for name in possible:
        often = 0.35 if name in OFTEN and draft.about is About.OTHER else 0.15
        if name in required or name in ALWAYS or draft.maybe(often):
            value = OF_OPERATION.get((operation, name)) or VALUES[name]
            said[name] = draft.spoil(value(draft))
    for names in EITHER:
        if set(names) <= set(possible) and operation.startswith("create"):
            for name in names:
                said.pop(name, None)
            one = draft.dice.choice(names)
            said[one] = VALUES[one](draft)
    if draft.about in {About.OTHER, About.MISSING}:
        # The twin of the operation must not meet what the first one stored.
        said.pop("idempotency_key", None)
        said.pop("Idempotency-Key", None)
    return said
