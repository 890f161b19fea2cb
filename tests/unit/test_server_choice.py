"""Where the servers of the tests come from when the first choice is not there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support import debian, docker_servers, local_servers, postgres_server, rabbitmq_server
from support.server_process import ServerUnavailable


class Shop:
    """A machine without a server, on which a package can be installed."""

    def __init__(self) -> None:
        self.installed: list[str] = []

    def find(self) -> None:
        if not self.installed:
            raise ServerUnavailable("not here: apt-get install it")

    def install(self, package: str, say: Callable[[str], None]) -> None:
        say(f"installing {package}")
        self.installed.append(package)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop()
    monkeypatch.setattr(debian, "install", shop.install)
    return shop


def test_a_missing_server_is_installed_where_we_may(
    monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: True)
    said: list[str] = []
    local_servers.provide(shop.find, "rabbitmq-server", said.append)
    assert shop.installed == ["rabbitmq-server"]
    assert said == ["installing rabbitmq-server"]


def test_a_missing_server_fails_with_the_command_where_we_may_not(
    monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)
    with pytest.raises(ServerUnavailable, match="apt-get install"):
        local_servers.provide(shop.find, "rabbitmq-server", lambda _: None)
    assert shop.installed == []


def test_nothing_is_installed_when_the_server_is_here(shop: Shop) -> None:
    local_servers.provide(lambda: None, "rabbitmq-server", lambda _: None)
    assert shop.installed == []


@pytest.mark.parametrize("find", [postgres_server.find_programs, rabbitmq_server.find_script])
def test_a_server_that_is_not_found_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, find: Callable[[], Path]
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(ServerUnavailable, match="apt-get install"):
        find()


def test_a_docker_client_without_an_engine_is_no_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not docker_servers.engine_answers()


def test_services_are_kept_from_starting_while_a_package_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(debian, "POLICY", tmp_path / "policy-rc.d")
    with debian.services_kept_down():
        assert debian.POLICY.read_text().endswith("exit 101\n")
        assert debian.POLICY.stat().st_mode & 0o111
    assert not debian.POLICY.exists()


def test_a_policy_that_was_there_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(debian, "POLICY", tmp_path / "policy-rc.d")
    debian.POLICY.write_text("mine")
    with debian.services_kept_down():
        pass
    assert debian.POLICY.read_text() == "mine"


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("postgres", "postgresql+asyncpg://opspawn:only-for-tests@127.0.0.1:15432/postgres"),
        ("rabbitmq", "amqp://opspawn:only-for-tests@127.0.0.1:15672/%2F"),
    ],
)
def test_containers_are_reached_where_docker_published_them(service: str, url: str) -> None:
    class Services:
        def port_for(self, service: str, port: int) -> int:
            return 10_000 + port

    assert url == docker_servers.docker_url(Services(), service)
