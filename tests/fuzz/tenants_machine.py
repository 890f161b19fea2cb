"""Two tenants who try everything, each with his own things, with those of the other, and with nonsense."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import grpc.aio
from fuzz_draft import About, Draft
from fuzz_operation import Operation, Sent, Told
from fuzz_tenant import Tenant, unguessable
from fuzz_values import OF_OPERATION, VALUES
from fuzz_watch import Watch
from operations_agents import a2a_operations, mcp_operations
from operations_rest import rest_operations
from operations_rpc import rpc_operations
from world import World

#: How often each is tried, in percent.
_ABOUT: Final = {About.OWN: 58, About.OTHER: 28, About.MISSING: 5, About.JUNK: 9}

#: One operation in so many is tried without a key, and one with a lesser key of the tenant's own.
STRANGERS: Final = 40
LESSER: Final = 30

#: Two answers that should be the same must differ so often: another client of the same tenant may have come
#: between them once, and deleted one of too many webhooks.
PAIRS: Final = 3

#: After so many operations the worker works.
WORK_EVERY: Final = 10

#: Operations that make what others are about: tried three times as often.
_MAKES: Final = ("create", "fork", "Create", "Fork", "submit", "run_", "SendMessage", "trigger")


@dataclass
class Score:
    """What was done."""

    operations: int = 0
    pairs: int = 0
    ok: Counter[str] = field(default_factory=Counter)
    """By the label of the operation, how often it did something."""


@dataclass
class Machine:
    """Walks at random; several walkers may share one machine."""

    world: World
    operations: Sequence[Operation]
    tenants: tuple[Tenant, Tenant]
    watch: Watch = field(default_factory=Watch)
    score: Score = field(default_factory=Score)

    async def walk(self, dice: Random, until: int) -> None:
        """Does operations until there were so many, by all walkers together, or something was violated."""
        weights = [3 if any(m in op.label for m in _MAKES) else 1 for op in self.operations]
        while self.score.operations < until and not self.watch.violations:
            [operation] = dice.choices(self.operations, weights)
            await self._try(operation, dice)
            if self.score.operations % WORK_EVERY == 0:
                await self.world.hand.work()

    async def _try(self, operation: Operation, dice: Random) -> None:
        me, other = dice.sample(self.tenants, 2)
        [about] = dice.choices([*_ABOUT], [*_ABOUT.values()])
        draft = Draft(me, other, dice, about)
        sent = operation.draft(draft)
        if dice.randrange(STRANGERS) == 0 and about is not About.JUNK:  # a path may be nonsense
            told = await self._send(me, operation, sent, None)
            if told is not None:
                self.watch.told_stranger(operation, sent, told)
            return
        secrets = me.told["secret"]
        lesser = secrets and draft.foreign is None and dice.randrange(LESSER) == 0
        told = await self._asked(me, operation, sent, dice.choice(secrets) if lesser else me.key)
        if told is not None and draft.foreign and draft.missing:
            await self._again(operation, draft, sent, told)

    async def _again(self, operation: Operation, draft: Draft, sent: Sent, told: Told) -> None:
        """The same, about an id that does not exist."""
        assert draft.foreign is not None
        assert draft.missing is not None
        twin = sent.swapped(draft.foreign, draft.missing)
        if twin == sent:  # the id was spoilt, or is one that this operation does not send
            return
        self.score.pairs += 1
        for left in reversed(range(PAIRS)):
            nobodys = await self._asked(draft.me, operation, twin, draft.me.key)
            if nobodys is None or self.watch.same(draft, told, nobodys):
                return
            if not left:
                self.watch.differ(operation, sent, told, nobodys)
                return
            again = await self._asked(draft.me, operation, sent, draft.me.key)
            if again is None:
                return
            told = again

    async def _asked(self, me: Tenant, operation: Operation, sent: Sent, key: str) -> Told | None:
        told = await self._send(me, operation, sent, key)
        if told is None:
            return None
        self.watch.told(me, operation, sent, told)
        if told.is_ok:
            self.score.ok[operation.label] += 1
            me.learn(told.content)
        return told

    async def _send(
        self, me: Tenant, operation: Operation, sent: Sent, key: str | None
    ) -> Told | None:
        self.score.operations += 1
        self.watch.sending(me, sent)
        try:
            return await operation.send(sent, key)
        except TimeoutError:
            self.watch.hangs(operation, sent)
            return None


async def machine_for(world: World, channel: grpc.aio.Channel, dice: Random) -> Machine:
    """The machine over all doors of the world, with two new tenants in it."""
    made = [await _tenant(world, dice) for _ in range(2)]
    operations: list[Operation] = [
        *rest_operations(world.app),
        *rpc_operations(channel),
        *a2a_operations(world.app),
        *await mcp_operations(world.app, made[0].key),
    ]
    unknown = {
        f"{operation.label}: {name}"
        for operation in operations
        for name in getattr(operation, "names", set)()
        if name not in VALUES and (getattr(operation, "name", ""), name) not in OF_OPERATION
    }
    assert not unknown, f"say in tests/fuzz/fuzz_values.py what tenants put into {sorted(unknown)}"
    machine = Machine(world, operations, (made[0], made[1]))
    await _hear_what_is_public(machine)
    return machine


async def _tenant(world: World, dice: Random) -> Tenant:
    name = f"t{dice.getrandbits(40):x}"
    marker = f"{dice.getrandbits(124) | 1 << 124:032x}".replace("0", "f")
    return Tenant(name, await world.tenant(name), marker)


async def _hear_what_is_public(machine: Machine) -> None:
    """What the documents say to everybody holds examples that look unguessable."""
    for operation in machine.operations:
        if operation.is_public and operation.label.startswith("GET") and "{" not in operation.label:
            told = await operation.send(Sent("GET", operation.label.split()[1]), None)
            machine.watch.public |= unguessable(told.data)


async def run(machine: Machine, seed: int, count: int, walkers: int) -> None:
    """`count` operations, by so many walkers at once."""
    walks = [machine.walk(Random(f"{seed} {n}"), count) for n in range(walkers)]
    await asyncio.gather(*walks)
