"""The ledger against a state machine: never more is spent than there was, and everything is given back."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ops_core.amounts import Allowance, Amounts
from ops_core.budgets.ledger import Budget, Settlement, Wanted
from ops_core.errors import LostOwnership
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, release
from ops_core.ports import Append, Lease
from ops_core.task import NewTask, Task
from ops_core.testing import FrozenClock, MemoryBudgetStore, MemoryStore

ROOT, MOST = "task_root", 100
TTL_S = 10.0

#: A call uses as much as it reserved, or less.
parts = st.sampled_from([0, 1, 2, 3])
picks = st.integers(0, 20)


class LedgerMachine(RuleBasedStateMachine):
    """A root with a budget, its children, and workers that come and go in the middle of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock, heartbeat_ttl_s=TTL_S)
        self.budgets = MemoryBudgetStore(self.store)
        self.leases: list[tuple[Task, Lease]] = []
        self.calls: list[tuple[Task, Lease, str, int]] = []
        self.made = 0
        self.spent = 0

    def ask(self, act: Any) -> Any:
        return self.runner.run(act)

    @initialize()
    def begin(self) -> None:
        """The root and two children, all of them running."""
        self.submit(ROOT, None)
        self.claim("w1")
        for _ in range(2):
            self.child()
        self.claim("w1")

    def submit(self, task_id: str, parent: str | None) -> None:
        budget = Allowance(tokens=MOST) if parent is None else None
        new = NewTask(
            task_id=task_id,
            tenant_id="default",
            task_type="x",
            input_data={},
            parent_task_id=parent,
            budget=budget,
        )
        self.ask(self.store.submit(new))

    @rule()
    def child(self) -> None:
        self.made += 1
        self.submit(f"task_{self.made}", ROOT)

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def claim(self, worker: str) -> None:
        self.ask(self.store.beat(worker, ["default"], slots=9, running=0))
        for task in self.ask(self.store.claim(worker, ["default"], 3)):
            lease = Lease("default", task.task_id, worker, task.epoch)
            self.leases.append((task, lease))

    @rule(which=picks, path=st.sampled_from(["1", "2", "3"]), tokens=st.integers(1, 60))
    def reserve(self, which: int, path: str, tokens: int) -> None:
        task, lease = self.leases[-1 - which % len(self.leases)]
        wanted = Wanted(tokens=tokens)
        try:
            verdict = self.ask(self.store.reserve(lease, path, wanted, task.budget_ids))
        except LostOwnership:
            return
        self.calls = [call for call in self.calls if call[1:3] != (lease, path)]
        if verdict.is_granted:
            self.calls.append((task, lease, path, tokens))
        elif verdict.exhausted:
            assert self.spent + tokens > MOST, "it held what was wanted"

    @rule(which=picks, part=parts)
    def settle(self, which: int, part: int) -> None:
        if not self.calls:
            return
        task, lease, path, tokens = self.calls.pop(-1 - which % len(self.calls))
        used = Amounts(tokens=tokens * part // 3, steps=1)
        settled = Settlement(path=path, used=used, budget_ids=task.budget_ids)
        journal = {"v": 1, "path": path, "value": None}
        event = NewEvent(type=EventType.LLM_COMPLETED, journal=journal)
        append = Append(lease, [event], task.usage, settled)
        if self.ask(self.store.append([append])) == ["stored"]:
            self.spent += used.tokens

    @rule(which=picks)
    def put_back(self, which: int) -> None:
        if self.calls:
            task, lease, path, _ = self.calls.pop(-1 - which % len(self.calls))
            self.ask(self.store.put_back(lease, path, task.budget_ids))

    @rule(which=picks, ends=st.booleans())
    def leave(self, which: int, ends: bool) -> None:
        """A child ends, or is handed over, perhaps in the middle of a call."""
        _, lease = self.leases[-1 - which % len(self.leases)]
        if lease.task_id == ROOT and ends:
            return
        move = complete({}) if ends else release("drained")
        try:
            self.ask(self.store.settle(lease, move))
        except LostOwnership:
            return

    @rule()
    def die(self) -> None:
        """Every worker dies; their tasks are given back."""
        self.clock.advance(TTL_S + 1)
        self.ask(self.store.bury_workers(100))

    @rule()
    def upkeep(self) -> None:
        self.ask(self.store.free_reservations(100))

    @invariant()
    def never_overspent(self) -> None:  # I12
        budget = self.budget()
        if budget is not None:
            assert self.spent == budget.spent.tokens
            assert 0 <= budget.reserved.tokens
            assert MOST >= budget.spent.tokens + budget.reserved.tokens

    def budget(self) -> Budget | None:
        found: Budget | None = self.ask(self.budgets.get("default", ROOT))
        return found

    def teardown(self) -> None:
        """In the end nothing is reserved any more."""
        self.die()
        self.upkeep()
        budget = self.budget()
        assert budget is None or Amounts() == budget.reserved
        self.runner.close()


def test_no_order_of_events_overspends_a_budget() -> None:
    """Reservations, settlements, deaths, zombies and upkeep in any order."""
    how = settings(
        max_examples=40,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LedgerMachine, settings=how)
