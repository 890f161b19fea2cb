"""What belongs to a client besides tasks, carried out by blocking: `client.agents`, `client.schedules`, …"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from opspawn.client import agents, api_keys, schedules, threads, webhooks
from opspawn.client.agents import Agent
from opspawn.client.api_keys import ApiKey, ToldKey
from opspawn.client.call import Call, Json
from opspawn.client.schedules import Firing, Schedule
from opspawn.client.threads import Message, Thread
from opspawn.client.views import Page, Task
from opspawn.client.webhooks import Delivery, IssuedWebhook, Webhook

T = TypeVar("T")
# `list` is a method here.
Items: TypeAlias = list[T]


class Run(Protocol):
    """Carries out one call."""

    def __call__(self, call: Call[T], /) -> T: ...


class Pages(Protocol):
    """Reads every page of a list."""

    def __call__(self, first: Call[Page[T]], /) -> Iterator[T]: ...


class Resource:
    """One of these: how its calls are carried out."""

    def __init__(self, run: Run, pages: Pages) -> None:
        self._run = run
        self._pages = pages


class Agents(Resource):
    """Named agents. Every method raises `OpspawnError`."""

    def put(self, name: str, definition: Json) -> Agent:
        """Stores the next version, or the first; what the newest one says already is that one."""
        return self._run(agents.put_agent(name, definition))

    def get(self, name: str, version: int | None = None) -> Agent:
        """The newest version, unless one is named."""
        return self._run(agents.agent(name, version))

    def list(self, **where: Any) -> Iterator[Agent]:
        """Each in its newest version: `archived`, `limit` (of a page)."""
        return self._pages(agents.agents(where))

    def versions(self, name: str) -> Iterator[Agent]:
        """Newest first."""
        return self._pages(agents.versions(name))

    def archive(self, name: str) -> Agent:
        """No new task can name it; its versions stay."""
        return self._run(agents.archive(name))


class Threads(Resource):
    """Conversations. Every method raises `OpspawnError`."""

    def create(
        self,
        *,
        thread_id: str | None = None,
        name: str | None = None,
        on_busy: str | None = None,
    ) -> Thread:
        """One also begins by itself with the first task that names it."""
        fields = {"thread_id": thread_id, "name": name, "on_busy": on_busy}
        return self._run(threads.create(fields))

    def get(self, thread_id: str) -> Thread:
        return self._run(threads.thread(thread_id))

    def list(self, **where: Any) -> Iterator[Thread]:
        """Newest first: `archived`, `limit` (of a page)."""
        return self._pages(threads.threads(where))

    def messages(self, thread_id: str, *, after: int = 0, limit: int = 100) -> Items[Message]:
        """One page of what was asked and answered, in order; `after` is the last `seq` seen."""
        return self._run(threads.messages(thread_id, after, limit))

    def fork(
        self,
        thread_id: str,
        after_seq: int,
        *,
        new_thread_id: str | None = None,
        name: str | None = None,
    ) -> Thread:
        """A new thread that shares this one up to a message."""
        fields = {"thread_id": new_thread_id, "name": name}
        return self._run(threads.fork(thread_id, after_seq, fields))

    def archive(self, thread_id: str) -> Thread:
        """It takes no new tasks; what was said stays."""
        return self._run(threads.archive(thread_id))


class Schedules(Resource):
    """Tasks that are submitted by the clock. Every method raises `OpspawnError`."""

    def create(
        self,
        name: str,
        task: Json,
        *,
        cron: str | None = None,
        every_s: int | None = None,
        **fields: Any,
    ) -> Schedule:
        """`task` is the body of a submit; `fields`: `time_zone`, `overlap`, `missed`, `labels`, …"""
        return self._run(schedules.create(schedules.body(name, task, cron, every_s, fields)))

    def get(self, schedule_id: str) -> Schedule:
        return self._run(schedules.schedule(schedule_id))

    def list(self, **where: Any) -> Iterator[Schedule]:
        """Newest first: `limit` (of a page)."""
        return self._pages(schedules.schedules(where))

    def change(self, schedule_id: str, **fields: Any) -> Schedule:
        """What is not named stays; None takes it away."""
        return self._run(schedules.change(schedule_id, fields))

    def pause(self, schedule_id: str, reason: str | None = None) -> Schedule:
        """No firing until it is resumed."""
        return self._run(schedules.pause(schedule_id, reason))

    def resume(self, schedule_id: str) -> Schedule:
        """Goes on with the next firing from now."""
        return self._run(schedules.resume(schedule_id))

    def trigger(self, schedule_id: str, *, idempotency_key: str | None = None) -> Task:
        """Submits a task now, once, however often its answer is lost."""
        return self._run(schedules.trigger(schedule_id, idempotency_key))

    def upcoming(self, schedule_id: str, count: int = 10) -> Items[datetime]:
        """The next firings, as if it were not paused."""
        return self._run(schedules.upcoming(schedule_id, count))

    def firings(self, schedule_id: str) -> Iterator[Firing]:
        """What became of the latest ones, newest first."""
        return self._pages(schedules.firings(schedule_id))

    def delete(self, schedule_id: str) -> None:
        """Its tasks stay."""
        self._run(schedules.remove(schedule_id))


class Webhooks(Resource):
    """Subscriptions to events, and what was sent. Every method raises `OpspawnError`."""

    def create(self, url: str, **fields: Any) -> IssuedWebhook:
        """`fields`: `events`, `task_type`, `agent`, `labels`, … Its secret is told this once."""
        return self._run(webhooks.create(url, fields))

    def get(self, webhook_id: str) -> Webhook:
        return self._run(webhooks.webhook(webhook_id))

    def list(self, **where: Any) -> Iterator[Webhook]:
        """Newest first: `limit` (of a page)."""
        return self._pages(webhooks.webhooks(where))

    def change(self, webhook_id: str, **fields: Any) -> Webhook:
        """What is not named stays; None takes a filter away."""
        return self._run(webhooks.change(webhook_id, fields))

    def rotate_secret(self, webhook_id: str, overlap_s: float | None = None) -> IssuedWebhook:
        """The secret of before signs as well for `overlap_s`: a day, unless it is given."""
        return self._run(webhooks.rotate(webhook_id, overlap_s))

    def test(self, webhook_id: str) -> Delivery:
        """Sends a `webhook.test`; the delivery says a moment later what came of it."""
        return self._run(webhooks.test(webhook_id))

    def deliveries(self, webhook_id: str) -> Iterator[Delivery]:
        """What was sent to it, newest first."""
        return self._pages(webhooks.deliveries(webhook_id))

    def task_deliveries(self, task_id: str) -> Iterator[Delivery]:
        """What was sent of a task, newest first."""
        return self._pages(webhooks.task_deliveries(task_id))

    def delivery(self, delivery_id: str) -> Delivery:
        return self._run(webhooks.delivery(delivery_id))

    def redeliver(self, delivery_id: str) -> Delivery:
        """Sends it again, however it ended."""
        return self._run(webhooks.redeliver(delivery_id))

    def delete(self, webhook_id: str) -> None:
        """With its deliveries."""
        self._run(webhooks.remove(webhook_id))


class ApiKeys(Resource):
    """Keys of the tenant whose key the client has. Every method raises `OpspawnError`."""

    def create(self, name: str, scopes: Sequence[str], **fields: Any) -> ToldKey:
        """`fields`: `expires_at`, `requests_per_minute`, `burst`. Its secret is told this once."""
        return self._run(api_keys.create(name, scopes, fields))

    def get(self, key_id: str) -> ApiKey:
        return self._run(api_keys.api_key(key_id))

    def list(self, **where: Any) -> Iterator[ApiKey]:
        """Newest first, also those that are revoked."""
        return self._pages(api_keys.api_keys(where))

    def rotate(self, key_id: str, grace_s: float | None = None) -> ToldKey:
        """The old secret is good for `grace_s` more."""
        return self._run(api_keys.rotate(key_id, grace_s))

    def revoke(self, key_id: str) -> ApiKey:
        """For ever."""
        return self._run(api_keys.revoke(key_id))
