"""LangGraph with its PostgreSQL checkpointer: a graph of five nodes. Run in the peers' environment.

`python -m benchmarks.peers.langgraph_steps DATABASE_URL TASKS IN_FLIGHT SAMPLES`. Each checkpoint is on disk
before the next node starts (`durability="sync"`). No queue and no door: the graph is called in this process.
"""

import asyncio
import sys
import time
from typing import Any, TypedDict
from uuid import uuid4

from benchmarks.peers.measured import say
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

STEPS = 5
POOL = 32


class State(TypedDict):
    """What goes from node to node."""

    value: int


async def _node(state: State) -> State:
    return {"value": state["value"] + 1}


def _graph(saver: AsyncPostgresSaver) -> Any:
    names = [f"step_{number}" for number in range(STEPS)]
    graph = StateGraph(State)
    for name in names:
        graph.add_node(name, _node)
    for first, then in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(first, then)
    return graph.compile(checkpointer=saver)


async def main(url: str, tasks: int, in_flight: int, samples: int) -> None:
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(url, min_size=POOL, max_size=POOL, kwargs=options) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        graph = _graph(saver)

        async def one() -> float:
            began = time.perf_counter()
            config = {"configurable": {"thread_id": uuid4().hex}}
            end = await graph.ainvoke({"value": 0}, config, durability="sync")
            assert end["value"] == STEPS, end
            return time.perf_counter() - began

        await asyncio.gather(*(one() for _ in range(in_flight)))
        took = [await one() for _ in range(samples)]
        left = iter(range(tasks))

        async def some() -> None:
            for _ in left:
                await one()

        began = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(in_flight)))
        say(tasks / (time.perf_counter() - began), took)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
