"""Restate on this machine: its server, its log synced to disk at each write, and a service of five steps."""

import json
import os
import pwd
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.peers.environment import (
    DURABLE,
    ROOT,
    PeerUnavailable,
    peers_python,
    restate_server,
)
from benchmarks.processes import clean_environment, open_folder

from support.server_process import ServerProcess, ServerUnavailable, free_port

#: What is not its default: four partitions, for two cores, memory as on a small machine,
#: nothing sent anywhere, loopback only. The sync of its log (`rocksdb-disable-wal-fsync`) is left on.
CONFIGURATION = """\
base-dir = "{folder}/data"
node-name = "bench"
default-num-partitions = 4
rocksdb-total-memory-size = "512.0 MiB"
disable-telemetry = true
log-filter = "error"
listen-mode = "tcp"
bind-address = "127.0.0.1:{fabric}"
advertised-address = "http://127.0.0.1:{fabric}"
[ingress]
bind-address = "127.0.0.1:{ingress}"
[admin]
bind-address = "127.0.0.1:{admin}"
disable-web-ui = true
[bifrost.local]
rocksdb-disable-wal-fsync = false
"""

RUN = "/five/run"


@contextmanager
def restate() -> Iterator[int]:
    """The port to POST `RUN` to: the answer comes when the five steps are done. Raises `PeerUnavailable`."""
    program, python = restate_server(), peers_python(DURABLE)
    folder = open_folder()
    ports = {name: free_port() for name in ("fabric", "ingress", "admin")}
    file = folder / "restate.toml"
    file.write_text(CONFIGURATION.format(folder=folder, **ports))
    service_port = free_port()
    called = [str(python), "-m", "benchmarks.peers.restate_service", str(service_port)]
    service = _process(called, open_folder(), lambda: True)
    command = [str(program), "--no-logo", "--config-file", str(file)]
    server = _process(command, folder, lambda: _registered(ports["admin"], service_port))
    with ExitStack() as running:
        try:
            for process in (service, server):
                running.callback(process.remove)
                process.start()
        except ServerUnavailable as error:
            raise PeerUnavailable(f"Restate: {error}") from error
        yield ports["ingress"]


def _process(command: list[str], folder: Path, is_ready: Callable[[], bool]) -> ServerProcess:
    return ServerProcess(
        command,
        environment={**clean_environment(folder), "PYTHONPATH": str(ROOT)},
        account=pwd.getpwuid(os.geteuid()),
        folder=folder,
        is_ready=is_ready,
    )


def _registered(admin_port: int, service_port: int) -> bool:
    """Whether the server knows the service, which it asks for its handlers."""
    body = json.dumps({"uri": f"http://127.0.0.1:{service_port}", "force": True}).encode()
    url = f"http://127.0.0.1:{admin_port}/deployments"
    headers = {"Content-Type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).close()
    except OSError:
        return False
    return True
