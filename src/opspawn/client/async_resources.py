"""What belongs to a client besides tasks, for asyncio: `client.agents`, `client.schedules`, …"""

from collections.abc import AsyncGenerator, Awaitable, Sequence
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

    def __call__(self, call: Call[T], /) -> Awaitable[T]: ...


class Pages(Protocol):
    """Reads every page of a list."""

    def __call__(self, first: Call[Page[T]], /) -> AsyncGenerator[T, None]: ...


class Resource:
    """One of these: how its calls are carried out."""

    def __init__(self, run: Run, pages: Pages) -> None:
        self._run = run
        self._pages = pages


class AsyncAgents(Resource):
    """Named agents. Every method raises `OpspawnError`."""

    async def put(self, name: str, definition: Json) -> Agent:
        """Stores the next version, or the first; what the newest one says already is that one."""
        return await self._run(agents.put_agent(name, definition))

    async def get(self, name: str, version: int | None = None) -> Agent:
        """The newest version, unless one is named."""
        return await self._run(agents.agent(name, version))

    def list(self, **where: Any) -> AsyncGenerator[Agent, None]:
        """Each in its newest version: `archived`, `limit` (of a page)."""
        return self._pages(agents.agents(where))

    def versions(self, name: str) -> AsyncGenerator[Agent, None]:
        """Newest first."""
        return self._pages(agents.versions(name))

    async def archive(self, name: str) -> Agent:
        """No new task can name it; its versions stay."""
        return await self._run(agents.archive(name))


class AsyncThreads(Resource):
    """Conversations. Every method raises `OpspawnError`."""

    async def create(
        self,
        *,
        thread_id: str | None = None,
        name: str | None = None,
        on_busy: str | None = None,
    ) -> Thread:
        """One also begins by itself with the first task that names it."""
        fields = {"thread_id": thread_id, "name": name, "on_busy": on_busy}
        return await self._run(threads.create(fields))

    async def get(self, thread_id: str) -> Thread:
        return await self._run(threads.thread(thread_id))

    def list(self, **where: Any) -> AsyncGenerator[Thread, None]:
        """Newest first: `archived`, `limit` (of a page)."""
        return self._pages(threads.threads(where))

    async def messages(self, thread_id: str, *, after: int = 0, limit: int = 100) -> Items[Message]:
        """One page of what was asked and answered, in order; `after` is the last `seq` seen."""
        return await self._run(threads.messages(thread_id, after, limit))

    async def fork(
        self,
        thread_id: str,
        after_seq: int,
        *,
        new_thread_id: str | None = None,
        name: str | None = None,
    ) -> Thread:
        """A new thread that shares this one up to a message."""
        fields = {"thread_id": new_thread_id, "name": name}
        return await self._run(threads.fork(thread_id, after_seq, fields))

    async def archive(self, thread_id: str) -> Thread:
        """It takes no new tasks; what was said stays."""
        return await self._run(threads.archive(thread_id))


class AsyncSchedules(Resource):
    """Tasks that are submitted by the clock. Every method raises `OpspawnError`."""

    async def create(
        self,
        name: str,
        task: Json,
        *,
        cron: str | None = None,
        every_s: int | None = None,
        **fields: Any,
    ) -> Schedule:
        """`task` is the body of a submit; `fields`: `time_zone`, `overlap`, `missed`, `labels`, …"""
        return await self._run(schedules.create(schedules.body(name, task, cron, every_s, fields)))

    async def get(self, schedule_id: str) -> Schedule:
        return await self._run(schedules.schedule(schedule_id))

    def list(self, **where: Any) -> AsyncGenerator[Schedule, None]:
        """Newest first: `limit` (of a page)."""
        return self._pages(schedules.schedules(where))

    async def change(self, schedule_id: str, **fields: Any) -> Schedule:
        """What is not named stays; None takes it away."""
        return await self._run(schedules.change(schedule_id, fields))

    async def pause(self, schedule_id: str, reason: str | None = None) -> Schedule:
        """No firing until it is resumed."""
        return await self._run(schedules.pause(schedule_id, reason))

    async def resume(self, schedule_id: str) -> Schedule:
        """Goes on with the next firing from now."""
        return await self._run(schedules.resume(schedule_id))

    async def trigger(self, schedule_id: str, *, idempotency_key: str | None = None) -> Task:
        """Submits a task now, once, however often its answer is lost."""
        return await self._run(schedules.trigger(schedule_id, idempotency_key))

    async def upcoming(self, schedule_id: str, count: int = 10) -> Items[datetime]:
        """The next firings, as if it were not paused."""
        return await self._run(schedules.upcoming(schedule_id, count))

    def firings(self, schedule_id: str) -> AsyncGenerator[Firing, None]:
        """What became of the latest ones, newest first."""
        return self._pages(schedules.firings(schedule_id))

    async def delete(self, schedule_id: str) -> None:
        """Its tasks stay."""
        await self._run(schedules.remove(schedule_id))


class AsyncWebhooks(Resource):
    """Subscriptions to events, and what was sent. Every method raises `OpspawnError`."""

    async def create(self, url: str, **fields: Any) -> IssuedWebhook:
        """`fields`: `events`, `task_type`, `agent`, `labels`, … Its secret is told this once."""
        return await self._run(webhooks.create(url, fields))

    async def get(self, webhook_id: str) -> Webhook:
        return await self._run(webhooks.webhook(webhook_id))

    def list(self, **where: Any) -> AsyncGenerator[Webhook, None]:
        """Newest first: `limit` (of a page)."""
        return self._pages(webhooks.webhooks(where))

    async def change(self, webhook_id: str, **fields: Any) -> Webhook:
        """What is not named stays; None takes a filter away."""
        return await self._run(webhooks.change(webhook_id, fields))

    async def rotate_secret(self, webhook_id: str, overlap_s: float | None = None) -> IssuedWebhook:
        """The secret of before signs as well for `overlap_s`: a day, unless it is given."""
        return await self._run(webhooks.rotate(webhook_id, overlap_s))

    async def test(self, webhook_id: str) -> Delivery:
        """Sends a `webhook.test`; the delivery says a moment later what came of it."""
        return await self._run(webhooks.test(webhook_id))

    def deliveries(self, webhook_id: str) -> AsyncGenerator[Delivery, None]:
        """What was sent to it, newest first."""
        return self._pages(webhooks.deliveries(webhook_id))

    def task_deliveries(self, task_id: str) -> AsyncGenerator[Delivery, None]:
        """What was sent of a task, newest first."""
        return self._pages(webhooks.task_deliveries(task_id))

    async def delivery(self, delivery_id: str) -> Delivery:
        return await self._run(webhooks.delivery(delivery_id))

    async def redeliver(self, delivery_id: str) -> Delivery:
        """Sends it again, however it ended."""
        return await self._run(webhooks.redeliver(delivery_id))

    async def delete(self, webhook_id: str) -> None:
        """With its deliveries."""
        await self._run(webhooks.remove(webhook_id))


class AsyncApiKeys(Resource):
    """Keys of the tenant whose key the client has. Every method raises `OpspawnError`."""

    async def create(self, name: str, scopes: Sequence[str], **fields: Any) -> ToldKey:
        """`fields`: `expires_at`, `requests_per_minute`, `burst`. Its secret is told this once."""
        return await self._run(api_keys.create(name, scopes, fields))

    async def get(self, key_id: str) -> ApiKey:
        return await self._run(api_keys.api_key(key_id))

    def list(self, **where: Any) -> AsyncGenerator[ApiKey, None]:
        """Newest first, also those that are revoked."""
        return self._pages(api_keys.api_keys(where))

    async def rotate(self, key_id: str, grace_s: float | None = None) -> ToldKey:
        """The old secret is good for `grace_s` more."""
        return await self._run(api_keys.rotate(key_id, grace_s))

    async def revoke(self, key_id: str) -> ApiKey:
        """For ever."""
        return await self._run(api_keys.revoke(key_id))
