"""Everything that a run measures, started once and stopped at the end, whatever the end is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks import latency, throughput
from benchmarks.dramatiq_peer import DramatiqPeer
from benchmarks.machine import postgres_facts, rabbitmq_facts
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.starts import Starts, starts
from benchmarks.systems import Opspawn, embedded, on_servers

from support.databases import Databases
from support.local_servers import local_postgres, local_rabbitmq

Say = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """The systems that stand ready. Only one at a time is given work."""

    opspawns: list[Opspawn] = field(default_factory=list)
    dramatiq: DramatiqPeer | None = None
    facts: dict[str, str] = field(default_factory=dict)

    async def measure(self, part: str, options: Options, results: Results) -> None:
        """One round of one part, system after system."""
        for system in self.opspawns:
            if part == "latency":
                await latency.measure(system, options.samples, results)
            else:
                await throughput.measure(system, options.tasks, results)
        if self.dramatiq is not None and part == "latency":
            await self.dramatiq.latency(options.samples, results)
        elif self.dramatiq is not None:
            await self.dramatiq.throughput(options.tasks, results)


@contextmanager
def stage(options: Options, say: Say) -> Iterator[Stage]:
    """Starts the chosen systems, private servers included, and warms them up."""
    with ExitStack() as running:
        ready = Stage()
        pipe = running.enter_context(starts())
        if "embedded" in options.systems:
            say("starting Opspawn embedded")
            ready.opspawns.append(running.enter_context(embedded(pipe)))
        if {"servers", "dramatiq"} & set(options.systems):
            rabbitmq = running.enter_context(local_rabbitmq(say))
            ready.facts |= rabbitmq_facts(rabbitmq.url)
            if "servers" in options.systems:
                say("starting Opspawn's processes: dispatcher, worker, grpc, api")
                ready.opspawns.append(_on_servers(running, pipe, rabbitmq.url, say))
            if "dramatiq" in options.systems:
                ready.dramatiq = DramatiqPeer(rabbitmq.url, pipe)
                running.callback(ready.dramatiq.close)
        for system in ready.opspawns:
            asyncio.run(latency.warm_up(system))
            ready.facts |= asyncio.run(postgres_facts(system.name, system.database_url))
        yield ready


def _on_servers(running: ExitStack, pipe: Starts, rabbitmq_url: str, say: Say) -> Opspawn:
    postgres = running.enter_context(local_postgres(say))
    databases = Databases(postgres.url)
    running.callback(databases.close)
    return running.enter_context(on_servers(pipe, databases, rabbitmq_url))
