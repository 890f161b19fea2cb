"""Starts a private RabbitMQ from the programs on this machine.

    with RabbitmqServer() as server:
        print(server.url)

Debian's wrapper in /usr/sbin changes to the user `rabbitmq` and reads the machine's configuration, so the
script behind it is run, with every file, port and name of its own.
"""

import os
import secrets
import shutil
import signal
import socket
from pathlib import Path
from pwd import struct_passwd
from typing import Self

from support.server_process import (
    ServerProcess,
    ServerUnavailable,
    free_port,
    private_folder,
    run_as,
    server_account,
)

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = opspawn
default_pass = {password}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.console = false
log.file.level = warning
"""

#: Few and sleepy scheduler threads: the broker shares two cores with what is tested. Loopback only.
ERLANG = (
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
)


class RabbitmqServer:
    """A RabbitMQ of our own on 127.0.0.1. Keeps its port and its data across `stop` and `kill`."""

    def __init__(self, script: Path | None = None) -> None:
        script = script or find_script()
        account = server_account("rabbitmq")
        folder = private_folder("ops-rmq-", account)
        self.port = free_port()
        self._password = secrets.token_hex(8)
        self._write_configuration(account, folder)
        environment = self._environment(account, folder)
        self._account, self._ctl_environment = account, environment
        self._ctl = script.with_name("rabbitmqctl")
        # Without one of ours, the node would leave a port mapper (epmd) running behind it.
        self._epmd = ServerProcess(
            [str(find_epmd()), "-address", "127.0.0.1", "-port", environment["ERL_EPMD_PORT"]],
            environment=environment,
            account=account,
            folder=private_folder("ops-epmd-", account),
            is_ready=lambda: _answers(int(environment["ERL_EPMD_PORT"]), b"", 0),
        )
        self._node = ServerProcess(
            [str(script)],
            environment=environment,
            account=account,
            folder=folder,
            # The broker answers the protocol header with its first method frame (type 1).
            is_ready=lambda: _answers(self.port, b"AMQP\x00\x00\x09\x01", 1),
        )

    @property
    def url(self) -> str:
        return f"amqp://opspawn:{self._password}@127.0.0.1:{self.port}/%2F"

    @property
    def pid(self) -> int:
        return self._node.pid

    def start(self) -> None:
        self._epmd.start()
        self._node.start()

    def stop(self) -> None:
        """An orderly stop: durable queues and persistent messages are on disk."""
        # The script that waits for the node would call a control program; the node itself stops faster.
        node = next((c.pid for c in self._node.children() if c.name() == "beam.smp"), None)
        self._node.stop(signal.SIGTERM, to=node)
        self._epmd.kill()

    def kill(self) -> None:
        self._node.kill()
        self._epmd.kill()

    def freeze(self) -> None:
        self._node.freeze()

    def thaw(self) -> None:
        self._node.thaw()

    def delete_vhost(self) -> None:
        """Deletes the virtual host: its queues and messages are gone, its connections are closed."""
        self.control("delete_vhost", "/")

    def create_vhost(self) -> None:
        """Makes it again, empty, as an operator would."""
        self.control("add_vhost", "/")
        self.control("set_permissions", "--vhost", "/", "opspawn", ".*", ".*", ".*")

    def control(self, *command: str) -> None:
        """Runs `rabbitmqctl` on this node. Raises `ServerUnavailable` with what it said."""
        run_as(self._account, [str(self._ctl), *command], self._ctl_environment)

    def remove(self) -> None:
        self._node.remove()
        self._epmd.remove()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _write_configuration(self, account: struct_passwd, folder: Path) -> None:
        text = CONFIGURATION.format(port=self.port, password=self._password)
        for name, content in {"rabbitmq.conf": text, "env.conf": "", "plugins": "[].\n"}.items():
            (folder / name).write_text(content)
            os.chown(folder / name, account.pw_uid, account.pw_gid)
        (folder / "rabbitmq.conf").chmod(0o600)

    def _environment(self, account: struct_passwd, folder: Path) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": str(folder),  # where the node makes its cookie
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_NODENAME": f"opspawn-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        }


def find_script() -> Path:
    """The server's own script, not the wrapper of Debian's package."""
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    on_path = shutil.which("rabbitmq-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    for script in (packaged, Path(on_path) if on_path else packaged):
        if script.is_file():
            return script
    raise ServerUnavailable(
        "no RabbitMQ here: install one (on Debian: apt-get install rabbitmq-server), start Docker, "
        "or set RABBITMQ_URL"
    )


def find_epmd() -> Path:
    found = shutil.which("epmd") or next(
        iter(map(str, Path("/usr/lib/erlang").glob("**/epmd"))), ""
    )
    if not found:
        raise ServerUnavailable("RabbitMQ is here but Erlang's `epmd` is not: install erlang-base")
    return Path(found)


def _answers(port: int, question: bytes, first_byte: int) -> bool:
    """Whether the server takes a connection and, when it is asked, answers as it should."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(question)
            return not question or connection.recv(1) == bytes([first_byte])
    except OSError:
        return False
