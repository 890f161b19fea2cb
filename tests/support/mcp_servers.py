"""The five MCP servers of other people that ours are tested with, as they are started by their own users."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from agentkit.mcp import McpServer
from support.npm import installed, node
from support.server_process import free_port

LOCKED = Path(__file__).parents[2] / "agentkit" / "tests" / "mcp_servers"

#: Seconds that Node may take to start on a busy machine.
PATIENCE_S = 30.0


def time_server() -> McpServer:
    return McpServer(name="time", command=sys.executable, args=("-m", "mcp_server_time"))


def git_server(repository: Path) -> McpServer:
    args = ("-m", "mcp_server_git", "--repository", str(repository))
    return McpServer(name="git", command=sys.executable, args=args)


def everything_server() -> McpServer:
    return McpServer(name="everything", command=str(node()), args=(_program("everything"),))


def filesystem_server(folder: Path) -> McpServer:
    args = (_program("filesystem"), str(folder))
    return McpServer(name="files", command=str(node()), args=args)


def memory_server(file: Path) -> McpServer:
    environment = {"MEMORY_FILE_PATH": str(file)}
    args = (_program("memory"),)
    return McpServer(name="memory", command=str(node()), args=args, env=environment)


class EverythingOverHttp:
    """A process that serves `server-everything` over streamable HTTP; it may be killed and started again."""

    def __init__(self) -> None:
        self._port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self.url = f"http://127.0.0.1:{self._port}/mcp"

    def start(self) -> None:
        """Returns when it listens: it says so."""
        self._process = process = subprocess.Popen(
            [str(node()), _program("everything"), "streamableHttp"],
            env={"PORT": str(self._port), "PATH": str(node().parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "listening" in line.lower():
                return
        raise AssertionError(f"it ended with exit code {process.wait()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None


@contextmanager
def everything_over_http() -> Iterator[EverythingOverHttp]:
    server = EverythingOverHttp()
    server.start()
    try:
        yield server
    finally:
        server.kill()


def processes_of(server: McpServer) -> list[psutil.Process]:
    """The processes that this one has started for the server."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if all(argument in process.cmdline() for argument in server.args)
    ]


def _program(name: str) -> str:
    package = installed(LOCKED) / "@modelcontextprotocol" / f"server-{name}"
    [program] = json.loads((package / "package.json").read_text())["bin"].values()
    return str(package / program)
