"""Clients made from proto/ alone, as somebody else makes them, against a running gRPC door."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from grpc_tools import protoc

from ops_core.ports import TaskType
from ops_core.rpc import create_server
from ops_core.service import TaskService
from ops_core.testing import MemoryStore, services_of
from support.documents import ROOT
from support.npm import installed, node

PROTO = ROOT / "proto"
CLIENTS = ROOT / "tests" / "data" / "grpc_clients"

#: What each client tells of its task: NOT_FOUND is 5.
TOLD = {
    "replayed": True,
    "status": "PENDING",
    "n": 7,
    "types": ["task.submitted", "task.cancelled"],
    "missing": 5,
}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    types = {"noop": TaskType(name="noop", input_schema={"type": "object"})}
    service = TaskService(MemoryStore(), types, lambda _queue, _task_id: None)
    server = create_server(services_of(service))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def told(*command: str | Path, **environment: str) -> dict[str, Any]:
    """What a client wrote about its task, without the id."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert 0 == process.returncode, errors.decode()
    found: dict[str, Any] = json.loads(output)
    assert found.pop("id").startswith("task_")
    return found


async def test_python_stubs_made_from_the_contract_work(address: str, tmp_path: Path) -> None:
    """Not those that we ship: made anew, where ours are not."""
    well_known = resources.files("grpc_tools") / "_proto"
    sources = [str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")]
    made = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    assert 0 == protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *made, *sources])
    for folder in ("ops_core", "ops_core/rpc", "ops_core/rpc/v1"):
        (tmp_path / folder / "__init__.py").touch()  # a regular package hides the installed one
    client = CLIENTS / "python_client.py"
    assert TOLD == await told(sys.executable, client, address, PYTHONPATH=str(tmp_path))


async def test_a_javascript_client_made_from_the_contract_works(
    address: str, tmp_path: Path
) -> None:
    """By grpc-js, which shares no code with the server's gRPC."""
    modules = await asyncio.to_thread(installed, CLIENTS / "node")
    client = CLIENTS / "node" / "client.js"
    assert TOLD == await told(node(), client, PROTO, address, NODE_PATH=str(modules))
