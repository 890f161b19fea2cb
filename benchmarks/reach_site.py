"""What the parts of `reach.py` measure: each is started when a part first asks for it."""

import asyncio
from contextlib import ExitStack
from functools import cached_property

import uvloop
from benchmarks import reach_steps as steps
from benchmarks.dramatiq_peer import DramatiqPeer
from benchmarks.idle import warm_up
from benchmarks.machine import postgres_facts, rabbitmq_facts
from benchmarks.peers.restate import RUN, restate
from benchmarks.report import MISSING, Report, say
from benchmarks.starts import Starts, starts
from benchmarks.systems import Opspawn, on_servers, plain

from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq


class Site:
    """One PostgreSQL and one RabbitMQ for all, Opspawn's four processes, and the peers that stand ready."""

    def __init__(self, running: ExitStack, report: Report) -> None:
        self._running = running
        self._report = report

    @cached_property
    def starts(self) -> Starts:
        return self._running.enter_context(starts())

    @cached_property
    def databases(self) -> Databases:
        postgres = self._running.enter_context(local_postgres(say))
        databases = Databases(postgres.url)
        self._running.callback(databases.close)
        self._report.machine |= asyncio.run(postgres_facts("all", plain(postgres.url)))
        return databases

    @cached_property
    def rabbitmq_url(self) -> str:
        rabbitmq = self._running.enter_context(local_rabbitmq(say))
        self._report.machine |= rabbitmq_facts(rabbitmq.url)
        return rabbitmq.url

    @cached_property
    def opspawn(self) -> Opspawn:
        system = on_servers(self.starts, self.databases, self.rabbitmq_url)
        opspawn = self._running.enter_context(system)
        asyncio.run(warm_up(opspawn))
        return opspawn

    @cached_property
    def dramatiq(self) -> DramatiqPeer:
        peer = DramatiqPeer(self.rabbitmq_url, self.starts)
        self._running.callback(peer.close)
        return peer

    @cached_property
    def restate_port(self) -> int | None:
        """None where it cannot be had, which the report says."""
        try:
            port = self._running.enter_context(restate())
            uvloop.run(steps.restate_idle(port, RUN, 20))
        except MISSING as error:
            self._report.miss(steps.RESTATE, error)
            return None
        return port
