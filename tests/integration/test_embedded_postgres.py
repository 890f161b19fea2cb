"""The embedded PostgreSQL: started, stopped, killed, and found again with its data."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from opspawn.embedded import EmbeddedError, look, postgres
from opspawn.embedded.account import Account
from opspawn.embedded.postmaster import pid_file_lines
from support.embedded_folder import holder, postmaster_of
from support.opspawn_processes import until


def ask(url: str, *statements: str) -> object:
    """Runs statements; returns the value of the last."""

    async def run() -> object:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def keep_seven(url: str) -> None:
    ask(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7) RETURNING n")


def test_the_first_start_makes_an_empty_database(new_dir: Path) -> None:
    """Named opspawn, in UTF-8, and SQLAlchemy opens its URL as it is."""

    async def run(url: str) -> tuple[str, str, int]:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            row = await connection.execute(
                text(
                    "SELECT current_database(), current_setting('server_encoding'), "
                    "(SELECT count(*) FROM pg_tables WHERE schemaname = 'public')"
                )
            )
            name, encoding, tables = row.one()
        await engine.dispose()
        return name, encoding, tables

    with postgres(new_dir, print) as url:
        assert ("opspawn", "UTF8", 0) == asyncio.run(run(url))


def test_what_was_committed_survives_a_restart(data_dir: Path) -> None:
    """Stopped and started again."""
    with postgres(data_dir, print) as url:
        keep_seven(url)
    with postgres(data_dir, print) as url:
        assert 7 == ask(url, "SELECT n FROM kept")


def test_durability_is_never_traded_for_speed(data_dir: Path) -> None:
    """fsync, full pages and synchronous commits are on."""
    with postgres(data_dir, print) as url:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert "on" == ask(url, f"SHOW {setting}")


def test_a_new_cluster_is_on_disk_before_it_has_its_name(
    new_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs that make it wait for no disk; the last one brings all of it there."""
    real, said = Account.run, list[tuple[str, str, bool]]()

    def run(account: Account, command: Sequence[str], **options: str) -> Any:
        if any(str(new_dir / "postgres.new-") in argument for argument in command):
            [draft] = new_dir.glob("postgres.new-*")
            drafted = draft.is_dir() and not (new_dir / "postgres").exists()
            said.append((Path(command[0]).name, " ".join(command), drafted))
        return real(account, command, **options)

    monkeypatch.setattr(Account, "run", run)
    with postgres(new_dir, print):
        pass
    assert ["initdb", "postgres", "initdb"] == [name for name, _, _ in said]
    assert said[-1][1].endswith("--sync-only")
    assert all(drafted for _, _, drafted in said)


def test_names_are_on_disk_before_the_server_starts(
    new_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster's, and the record that says where it is: what was accepted is found after a power cut."""
    real, synced = os.fsync, list[tuple[str, list[str]]]()

    def fsync(opened: int) -> None:
        path = Path(f"/proc/self/fd/{opened}").readlink()
        names = sorted(file.name for file in path.iterdir()) if path.is_dir() else []
        synced.append((path.name, [name for name in names if name.startswith("postgres")]))
        real(opened)

    monkeypatch.setattr(os, "fsync", fsync)
    with postgres(new_dir, print):
        pass
    folder = new_dir.resolve().name
    assert [
        (folder, ["postgres"]),
        ("postgres.new", []),
        (folder, ["postgres", "postgres.json"]),
    ] == synced


def test_a_database_that_cannot_be_made_is_said(
    new_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster does not take its name without it, and the next start makes both."""
    with monkeypatch.context() as patch:
        patch.setattr("opspawn.embedded.cluster.DATABASE", "template1")
        with pytest.raises(EmbeddedError, match="already exists"), postgres(new_dir, print):
            pass
    with postgres(new_dir, print) as url:
        assert "opspawn" == ask(url, "SELECT current_database()")


def test_no_process_stands_by_for_replication(data_dir: Path) -> None:
    """There is nobody to replicate to."""
    with postgres(data_dir, print) as url:
        assert 0 == ask(
            url, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical%'"
        )


def test_nobody_else_can_reach_it(data_dir: Path) -> None:
    """No TCP, and a socket in a folder of its user alone, its path short enough for a socket."""
    with postgres(data_dir, print) as url:
        folder = Path(str(make_url(url).query["host"]))
        assert "" == ask(url, "SHOW listen_addresses")
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
        assert len(str(folder / ".s.PGSQL.5432")) <= 107
    assert not folder.exists()


def test_a_socket_folder_that_others_can_write_is_refused(data_dir: Path) -> None:
    """Somebody else may have put it into /tmp to get our connections."""
    with postgres(data_dir, print) as url:
        folder = Path(str(make_url(url).query["host"]))
    folder.mkdir(mode=0o755)
    try:
        with pytest.raises(EmbeddedError, match="remove it"), postgres(data_dir, print):
            pass
    finally:
        folder.rmdir()


def test_it_stops_cleanly(data_dir: Path) -> None:
    """Its process is gone, and the next start has nothing to recover."""
    with postgres(data_dir, print):
        server = postmaster_of(data_dir / "postgres")
    assert server is not None
    assert not server.is_running()
    with postgres(data_dir, print):
        pass
    log = (data_dir / "postgres.log").read_text()
    assert log.count("database system is shut down") == 3
    assert "was not properly shut down" not in log


def test_it_stops_with_sessions_open(data_dir: Path) -> None:
    """A client that never leaves does not hold it up."""

    async def leave_open(url: str) -> asyncpg.Connection:
        return await asyncpg.connect(url.replace("+asyncpg", ""))

    runner = asyncio.Runner()
    with postgres(data_dir, print) as url:
        connection = runner.run(leave_open(url))
    assert postmaster_of(data_dir / "postgres") is None
    connection.terminate()
    runner.close()


def test_ctrl_c_in_the_terminal_does_not_reach_it(data_dir: Path) -> None:
    """It lives in a session of its own: Opspawn drains first and stops it last."""
    with postgres(data_dir, print):
        server = postmaster_of(data_dir / "postgres")
        assert server is not None
        assert os.getsid(server.pid) != os.getsid(0)


def test_an_exception_inside_stops_it_and_passes_through(data_dir: Path) -> None:
    """The errors of whoever uses the database are not taken for its own."""
    with pytest.raises(ConnectionError, match="mine"), postgres(data_dir, print):
        raise ConnectionError("mine")
    assert postmaster_of(data_dir / "postgres") is None


def test_a_second_start_on_the_same_folder_is_refused(data_dir: Path) -> None:
    """In one line that names the process that holds it."""
    with (
        holder(data_dir) as (other, _url),
        pytest.raises(EmbeddedError, match=rf"process {other.pid}\)") as caught,
        postgres(data_dir, print),
    ):
        pass
    assert 1 == len(str(caught.value).splitlines())


def test_after_kill_9_the_server_is_taken_over_with_its_data(data_dir: Path) -> None:
    """The server outlives us; the next start uses the same process, and stops it in the end."""
    with holder(data_dir) as (other, url):
        keep_seven(url)
        before = postmaster_of(data_dir / "postgres")
        other.kill()
        other.wait()
    said: list[str] = []
    with postgres(data_dir, said.append) as url:
        assert before == postmaster_of(data_dir / "postgres")
        assert 7 == ask(url, "SELECT n FROM kept")
    assert any("Taking over" in line for line in said)
    assert postmaster_of(data_dir / "postgres") is None


def test_after_a_power_cut_the_data_is_recovered(data_dir: Path) -> None:
    """Everything killed at once: what was committed is there."""
    with holder(data_dir) as (other, url):
        keep_seven(url)
        server = postmaster_of(data_dir / "postgres")
        assert server is not None
        everything = [psutil.Process(other.pid), server, *server.children(recursive=True)]
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):  # a session may just have ended
                process.kill()
        psutil.wait_procs(everything, timeout=10)
    with postgres(data_dir, print) as url:
        assert 7 == ask(url, "SELECT n FROM kept")


def test_a_frozen_server_without_its_socket_is_replaced(data_dir: Path) -> None:
    """Left by a killed run, and no longer reachable: it is stopped and started anew."""
    with holder(data_dir) as (other, url):
        keep_seven(url)
        other.kill()
        other.wait()
    folder = Path(str(make_url(url).query["host"]))
    before = postmaster_of(data_dir / "postgres")
    (folder / ".s.PGSQL.5432").unlink()
    with postgres(data_dir, print) as url:
        assert before != postmaster_of(data_dir / "postgres")
        assert 7 == ask(url, "SELECT n FROM kept")


def test_a_pid_file_that_names_a_stranger_is_not_believed(data_dir: Path) -> None:
    """After a reboot its number may be anybody's: the stranger lives on, the server starts."""
    with postgres(data_dir, print):
        lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    owner = (data_dir / "postgres").stat()
    with ExitStack() as stack:
        stranger = subprocess.Popen(["sleep", "600"], user=owner.st_uid, cwd="/")
        stack.callback(stranger.wait)
        stack.callback(stranger.kill)
        pid_file = data_dir / "postgres" / "postmaster.pid"
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        with postgres(data_dir, print) as url:
            assert 1 == ask(url, "SELECT 1")
        assert stranger.poll() is None


def test_a_first_start_that_was_killed_is_repeated(new_dir: Path) -> None:
    """A half-made cluster is not taken for a whole one."""
    (new_dir / "postgres.new-0a1b2c3d" / "base").mkdir(parents=True)
    new_dir.chmod(0o755)
    with postgres(new_dir, print) as url:
        assert 1 == ask(url, "SELECT 1")
    assert [] == [*new_dir.glob("postgres.new*")]


def test_a_start_does_not_share_its_draft_with_the_one_before(
    new_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An initdb that outlives the kill of its Opspawn fails a moment later, and empties its folder."""
    real, drafts = Account.run, list[Path]()

    def run(account: Account, command: Sequence[str], **options: str) -> Any:
        if "--no-sync" in command:
            drafts.append(Path(command[command.index("-D") + 1]))
            if len(drafts) == 1:
                raise KeyboardInterrupt  # as good as killed: the folder is left as it is
        return real(account, command, **options)

    monkeypatch.setattr(Account, "run", run)
    with pytest.raises(KeyboardInterrupt), postgres(new_dir, print):
        pass
    with postgres(new_dir, print) as url:
        assert 1 == ask(url, "SELECT 1")
    assert 2 == len(set(drafts))


def test_interrupted_while_starting_no_server_stays_behind(
    data_dir: Path, ctrl_c_interrupts: None
) -> None:
    """Ctrl-C while the server is not ready yet, here because it waits for a primary that never comes."""
    cluster = data_dir / "postgres"
    (cluster / "standby.signal").touch()
    with (cluster / "postgresql.auto.conf").open("a") as configuration:
        configuration.write("hot_standby = off\n")

    def interrupt_when_up() -> None:
        until(lambda: "standby" in "".join(pid_file_lines(cluster)))
        os.kill(os.getpid(), signal.SIGINT)

    until_then = threading.Thread(target=interrupt_when_up)
    until_then.start()
    with pytest.raises(KeyboardInterrupt), postgres(data_dir, print):
        pass
    until_then.join()
    assert postmaster_of(cluster) is None
    assert not look(data_dir).is_held


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Also where this process ignores SIGINT, as one does that a shell's script has put behind itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_looking_changes_nothing(new_dir: Path) -> None:
    """Before the first start, while it runs, and after."""
    new_dir.mkdir()
    assert (False, None) == (look(new_dir).is_held, look(new_dir).url)
    assert [] == list(new_dir.iterdir())
    with holder(new_dir) as (_other, url):
        assert (True, url) == (look(new_dir).is_held, look(new_dir).url)
