"""The client as a program calls it: each method one call of the contract, carried out by blocking."""

from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

from opspawn.client import calls
from opspawn.client.blocking_bounds import Budgets, Limits, Tenants
from opspawn.client.blocking_memories import Memories
from opspawn.client.blocking_resources import Agents, ApiKeys, Schedules, Threads, Webhooks
from opspawn.client.blocking_transport import BlockingTransport
from opspawn.client.blocking_workers import Workers
from opspawn.client.call import Json, get
from opspawn.client.following import Following
from opspawn.client.reading import raw_page
from opspawn.client.rules import Patience
from opspawn.client.settling import settled
from opspawn.client.views import Approval, Event, Question, Step, Task

T = TypeVar("T")
# `list` is a method here.
Items: TypeAlias = list[T]


class OpspawnClient(BlockingTransport):
    """One server. Close it, or use `with`. Any number of threads may share it.

    `base_url` and `api_key` that are not given are OPSPAWN_URL and OPSPAWN_API_KEY. Every method raises
    `OpspawnError`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        patience: Patience = Patience(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(base_url, api_key, patience=patience)
        self.agents = Agents(self._run, self._pages)
        self.threads = Threads(self._run, self._pages)
        self.schedules = Schedules(self._run, self._pages)
        self.memories = Memories(self._run, self._pages)
        self.webhooks = Webhooks(self._run, self._pages)
        self.api_keys = ApiKeys(self._run, self._pages)
        self.limits = Limits(self._run, self._pages)
        self.budgets = Budgets(self._run, self._pages)
        self.tenants = Tenants(self._run, self._pages)
        self.workers = Workers(self._run, self._pages)

    def submit(self, body: Json, *, idempotency_key: str | None = None) -> Task:
        """Stores a task from the whole body of `POST /tasks/`, once, however often its answer is lost."""
        return self._run(calls.submit(body, idempotency_key))

    def run(
        self,
        goal: str,
        *,
        agent_config: Json | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Task:
        """Submits a goal for an agent; `fields` are others of the task: `name`, `labels`, `deadline_s`, …"""
        body = calls.goal_body(goal, agent_config, fields)
        return self._run(calls.submit(body, idempotency_key))

    def get(self, task_id: str) -> Task:
        return self._run(calls.task(task_id))

    def list(self, **where: Any) -> Iterator[Task]:
        """Every task that matches, newest first: `status`, `agent`, `label`, `limit` (of a page), …"""
        return self._pages(calls.tasks(where))

    def children(self, task_id: str) -> Iterator[Task]:
        return self._pages(calls.children(task_id))

    def cancel(self, task_id: str) -> Task:
        """Asks for it; the task that comes back may still be running. Raises `TaskFinished`."""
        return self._run(calls.cancel(task_id))

    def retry(self, task_id: str) -> Task:
        """Opens the next generation of a failed or cancelled task. Raises `TaskNotRetriable`."""
        return self._run(calls.retry(task_id))

    def fork(
        self,
        task_id: str,
        after_seq: int,
        overrides: Json | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Task:
        """A new task that shares the log of this one up to an event."""
        return self._run(calls.fork(task_id, after_seq, overrides, idempotency_key))

    def steps(self, task_id: str, *, after: int = 0, limit: int = 100) -> Items[Step]:
        """One page; `after` leaves out so many."""
        return self._run(calls.steps(task_id, after, limit))

    def events(self, task_id: str, *, after: int = 0, limit: int = 100) -> Items[Event]:
        """One page of the log as it stands; `follow` goes on to its end."""
        return self._run(calls.events(task_id, after, limit))

    def answer(self, task_id: str, answer: Any, *, step: str | None = None) -> Task:
        """Answers a question of the task. Raises `NothingAsked`."""
        return self._run(calls.answer(task_id, answer, step))

    def resolve_effect(
        self, task_id: str, step: str, outcome: calls.Outcome, result: Any = None
    ) -> Task:
        """Says of a call whose outcome nobody knows what came of it, or what to do."""
        return self._run(calls.resolve_effect(task_id, step, outcome, result))

    def approvals(self, **where: Any) -> Iterator[Approval]:
        """Calls that need a person's leave, newest first: `status`, `task_id`, `limit` (of a page)."""
        return self._pages(calls.approvals(where))

    def approval(self, approval_id: str) -> Approval:
        return self._run(calls.approval(approval_id))

    def approve(
        self,
        approval_id: str,
        *,
        comment: str | None = None,
        arguments: Json | None = None,
        seen_hash: str | None = None,
        idempotency_key: str | None = None,
    ) -> Approval:
        """Lets the call be made, with other `arguments` if they are given; `seen_hash`: only if its `hash` is
        that one. Raises `AlreadyResolved`, `InvalidRequest`.
        """
        return self._run(
            calls.decide(approval_id, "approve", comment, arguments, idempotency_key, seen_hash)
        )

    def reject(
        self,
        approval_id: str,
        *,
        comment: str | None = None,
        seen_hash: str | None = None,
        idempotency_key: str | None = None,
    ) -> Approval:
        """The agent reads `comment`; `seen_hash` as above. Raises `AlreadyResolved`, `InvalidRequest`."""
        return self._run(
            calls.decide(approval_id, "reject", comment, None, idempotency_key, seen_hash)
        )

    def questions(self, **where: Any) -> Iterator[Question]:
        """What tasks ask people, newest first: `status`, `task_id`, `limit` (of a page)."""
        return self._pages(calls.questions(where))

    def question(self, input_id: str) -> Question:
        return self._run(calls.question(input_id))

    def answer_question(
        self, input_id: str, answer: Any, *, idempotency_key: str | None = None
    ) -> Question:
        """Raises `AlreadyResolved`."""
        return self._run(calls.answer_question(input_id, answer, idempotency_key))

    def dead_letters(self) -> Iterator[Task]:
        """Tasks that failed for an operator to look at, newest first."""
        return self._pages(calls.dead_letters())

    def retry_dead_letter(self, task_id: str) -> Task:
        return self._run(calls.retry_dead_letter(task_id))

    def discard_dead_letter(self, task_id: str) -> Task:
        return self._run(calls.discard_dead_letter(task_id))

    def wait(
        self, task_id: str, timeout_s: float | None = None, *, through_waiting: bool = False
    ) -> Task:
        """The task once it has ended, or (unless `through_waiting`) waits for something from outside.

        Raises `WaitTimedOut`; the task goes on then.
        """
        rules = settled(
            task_id, self._patience, timeout_s=timeout_s, through_waiting=through_waiting
        )
        return self._carried_out(rules)

    def follow(self, task_id: str, after: int = 0) -> Iterator[Event]:
        """Each event after `after`, live and once, to the end of the task; a broken connection is resumed."""
        return self._given(Following(task_id, after, self._patience).events)

    def request(
        self, method: str, path: str, *, params: Json | None = None, body: Json | None = None
    ) -> Json:
        """Any route under `/api/v1`, such as `/schedules`, as JSON."""
        return self._run(calls.anything(method, path, params, body))

    def pages(self, path: str, **where: Any) -> Iterator[Json]:
        """Each item of a list under `/api/v1`, such as `/schedules`, over all of its pages."""
        return self._pages(get(path, raw_page, **where))
