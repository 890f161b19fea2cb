"""The composition root of streams: which signals there are, and what reads the logs."""

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from ops_core.store import Database, SqlNews
from ops_core.streams.hub import StreamSettings
from ops_core.streams.local import LocalSignals
from ops_core.streams.ports import Tasks
from ops_core.streams.service import EventStreams
from opspawn.settings import Settings

if TYPE_CHECKING:
    from ops_core.queue.signals import RabbitSignals

AnySignals: TypeAlias = "RabbitSignals | LocalSignals"


def signals_of(settings: Settings) -> AnySignals:
    """Over RabbitMQ where there is one, else in process. Not started."""
    url = settings.rabbitmq_url
    if url is None:
        return LocalSignals()
    from ops_core.queue.signals import RabbitSignals  # a process without RabbitMQ needs no pika

    return RabbitSignals(url.get_secret_value())


def streams_of(
    settings: Settings, tasks: Tasks, database: Database, signals: AnySignals
) -> EventStreams:
    """What the doors follow tasks with."""
    bounds = StreamSettings(
        max_streams=settings.max_streams,
        max_tenant_streams=settings.max_tenant_streams,
        buffer=settings.stream_buffer,
        poll_s=settings.stream_poll_s,
        idle_s=settings.stream_idle_s,
        keepalive_s=settings.stream_keepalive_s,
        max_wait_s=settings.max_wait_s,
    )
    return EventStreams(tasks, SqlNews(database), signals, settings=bounds)


async def close_at(stop: asyncio.Event, streams: EventStreams) -> None:
    """When the process is told to stop: a stream would go on for as long as its task."""
    await stop.wait()
    streams.close()
