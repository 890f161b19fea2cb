"""Long-term memory for tasks: who has which, what is recorded of it, what keeps a worker from starting."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agentkit import InMemoryLongTermMemory, Namespace
from agentkit.testing import answer, call
from ops_core.log import EventType
from ops_core.task import Status
from opspawn import replay
from opspawn.agents.memory import MemoryUnusable, remembering
from opspawn.bootstrap import serve_worker
from opspawn.replay import Recording, save
from opspawn.settings import Settings, SettingsError
from support.agent_desk import AgentDesk
from support.server_process import free_port

pytestmark = pytest.mark.unit

TOOLS = ["memory_search", "memory_save", "memory_forget"]


def settings(path: Path, **changes: object) -> Settings:
    chosen = {"ltm_provider": "chroma", "ltm_chroma_path": path / "memory", **changes}
    return Settings(_env_file=None, **chosen)  # type: ignore[arg-type]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture
def desk() -> AgentDesk:
    desk = AgentDesk()
    desk.memory = InMemoryLongTermMemory()
    return desk


async def test_what_one_task_saves_another_finds(desk: AgentDesk) -> None:
    """In the namespace of tenant and agent, with the task that saved it as the source."""
    first = await desk.submit("note", tools=TOOLS)
    await desk.run(call(("memory_save", {"text": "Ada drinks tea"})), answer("Noted."))
    second = await desk.submit("look", tools=TOOLS)
    llm = await desk.run(call(("memory_search", {"query": "what drinks Ada"})), answer("Tea."))
    assert "Ada drinks tea" in llm.requests[1].messages[-1].text
    assert first in llm.requests[1].messages[-1].text
    task = await desk.task(second)
    assert Status.COMPLETED is task.status
    assert desk.memory is not None
    [found] = await desk.memory.search(Namespace("default", task.agent), "tea")
    assert f"agent {task.agent}, task {first}" == found.source
    assert () == await desk.memory.search(Namespace("other", task.agent), "tea")
    assert () == await desk.memory.search(Namespace("default", "another"), "tea")


async def test_a_task_for_a_user_remembers_what_is_of_that_user(desk: AgentDesk) -> None:
    """And so do the tasks that it starts; those for nobody and for another one do not find it."""
    tools = {"tools": [*TOOLS, "run_tasks"]}
    await desk.ask("note", config=tools, user="ada")
    await desk.run(call(("run_tasks", {"goals": ["note it"]})))
    await desk.run(call(("memory_save", {"text": "Ada drinks tea"})), answer("Noted."))
    assert desk.memory is not None
    [found] = await desk.memory.search(Namespace("default", "default", "ada"), "tea")
    assert "Ada drinks tea" == found.text
    assert () == await desk.memory.search(Namespace("default", "default"), "tea")
    assert () == await desk.memory.search(Namespace("default", "default", "bob"), "tea")


async def test_what_was_searched_and_saved_is_told(desk: AgentDesk) -> None:
    """Beside the steps, once; calls that failed have neither found nor saved."""
    task_id = await desk.submit("note", tools=[*TOOLS, "ask_user"])
    await desk.run(
        call(("memory_save", {"text": "Ada drinks tea", "topic": "drinks"})),
        call(("memory_search", {"query": "tea"}), ("memory_search", {"query": ""})),
        call(("ask_user", {"question": "Which?"})),
    )
    await desk.answer(task_id, "Green.")
    await desk.run(answer("Noted."))
    told = {EventType.MEMORY_SAVED, EventType.MEMORY_SEARCHED}
    events = [event for event in await desk.log(task_id) if event.type in told]
    assert [
        (
            "memory.saved",
            {"step": 1, "call_id": "call_1", "text": "Ada drinks tea", "topic": "drinks"},
        ),
        ("memory.searched", {"step": 2, "call_id": "call_1", "query": "tea", "topic": None}),
    ] == [(event.type, event.data) for event in events]


async def test_a_worker_without_a_memory_has_no_such_tools() -> None:
    """The task fails, and says which tools there are."""
    desk = AgentDesk()
    task_id = await desk.submit("look", tools=["memory_search"])
    await desk.run()
    error = (await desk.task(task_id)).error
    assert error is not None
    assert "unknown_tool" == error.type


async def test_a_task_has_them_only_when_it_asks(desk: AgentDesk) -> None:
    """What an agent has unless told otherwise does not change."""
    await desk.submit("look")
    llm = await desk.run(answer("done"))
    assert {"calculator", "current_time"} == {tool.name for tool in llm.requests[0].tools}


async def test_a_run_that_remembered_is_replayed_without_a_memory(
    desk: AgentDesk, tmp_path: Path
) -> None:
    """What was found then comes from the log; an older build did not tell it beside the calls."""
    task_id = await desk.submit("note", tools=TOOLS)
    await desk.run(
        call(("memory_save", {"text": "tea"})),
        call(("memory_search", {"query": "tea"})),
        answer("ok"),
    )
    log = await desk.log(task_id)
    assert EventType.TOOL_COMPLETED in {event.type for event in log}
    older = [event for event in log if not event.type.startswith("memory.")]
    assert len(log) - 2 == len(older)
    for kept in (log, older):
        save(Recording.of(await desk.task(task_id), kept, desk.settings), tmp_path / "run.json")
        replayed = await asyncio.to_thread(replay.check, tmp_path / "run.json")
        assert 5 <= replayed.steps


async def test_a_folder_is_opened_at_the_start(tmp_path: Path) -> None:
    """By one worker; a second one is told why it does not start, until the first has stopped."""
    async with remembering(settings(tmp_path), now=True) as memory:
        assert memory is not None
        with pytest.raises(MemoryUnusable, match="open already"):
            async with remembering(settings(tmp_path), now=True):
                raise AssertionError("it started")
        # The process that runs suspects starts all the same: its tasks read why they cannot remember.
        async with remembering(settings(tmp_path), now=False) as late:
            assert late is not None
    async with remembering(settings(tmp_path), now=True):
        pass


async def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    """And nothing is made."""
    async with remembering(settings(tmp_path, ltm_provider="none"), now=True) as memory:
        assert memory is None
    assert [] == files(tmp_path)


async def test_another_embedder_is_refused(tmp_path: Path) -> None:
    """At the start, naming both."""
    async with remembering(settings(tmp_path), now=True):
        pass
    with pytest.raises(MemoryUnusable, match=r"hashing-lexical.*all-minilm"):
        async with remembering(settings(tmp_path, ltm_embedder="minilm"), now=True):
            raise AssertionError("it started")


async def test_an_embedder_without_a_key_is_refused(tmp_path: Path) -> None:
    """At the start."""
    with pytest.raises(MemoryUnusable, match="No API key"):
        async with remembering(settings(tmp_path, ltm_embedder="openai"), now=True):
            raise AssertionError("it started")


async def test_a_server_that_is_away_stops_no_worker(tmp_path: Path) -> None:
    """It is logged; the tasks that use the memory are told."""
    url = f"http://127.0.0.1:{free_port()}"
    with capture_logs() as logs:
        async with remembering(settings(tmp_path, ltm_chroma_url=url), now=True) as memory:
            assert memory is not None
    assert ["warning"] == [entry["log_level"] for entry in logs]
    assert url.removeprefix("http://") in logs[0]["why"]


async def test_separate_workers_refuse_a_folder(tmp_path: Path) -> None:
    """Before anything else, with the remedy."""
    with pytest.raises(SettingsError, match=r"AGENTKIT_LTM_CHROMA_URL is not set.*chroma run"):
        await serve_worker(settings(tmp_path), asyncio.Event())
