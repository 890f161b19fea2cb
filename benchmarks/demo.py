"""What a newcomer waits for: the demo, from a fresh clone with nothing installed, and again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import names
from benchmarks.processes import ROOT, clean_environment, open_folder
from benchmarks.results import Results

SYSTEM = "embedded"

#: What reaches a package index from here; caches are not kept, so that everything is fetched.
INDEX_PREFIXES = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_PROXY")
CACHES = {"UV_CACHE_DIR", "PIP_CACHE_DIR"}

#: Seconds that a stopped demo may take to stop its own PostgreSQL.
STOP_S = 30.0


class DemoFailed(Exception):
    """A demo that does not end with 0 has no time worth showing."""


def installed(rounds: int, results: Results) -> None:
    """`opspawn demo` of this environment, without a key: first in an empty folder, then again."""
    command = [str(Path(sys.executable).parent / "opspawn"), "demo"]
    with _folder() as folder:
        environment = clean_environment(folder)
        results.add(names.DEMO_NEW, SYSTEM, "s", _seconds(command, folder, environment))
        for _ in range(rounds):
            results.add(names.DEMO_AGAIN, SYSTEM, "s", _seconds(command, folder, environment))


def cold(rounds: int, results: Results, say: Callable[[str], None]) -> None:
    """`make demo` in a fresh clone of HEAD, its installation timed apart; once, for it is slow."""
    with _folder() as folder:
        say("cold demo: cloning HEAD and installing everything into it")
        clone = folder / "opspawn"
        environment = clean_environment(folder / "home", **_index_settings())
        (folder / "home").mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        install_s = _seconds(["make", ".venv/demo.stamp"], clone, environment)
        demo_s = _seconds(["make", "demo"], clone, environment)
        results.add(names.COLD_INSTALL, SYSTEM, "s", install_s)
        results.add(names.COLD_DEMO, SYSTEM, "s", demo_s)
        results.add(names.COLD_TOTAL, SYSTEM, "s", install_s + demo_s)
        for _ in range(rounds):
            results.add(
                names.WARM_DEMO, SYSTEM, "s", _seconds(["make", "demo"], clone, environment)
            )


def _index_settings() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(INDEX_PREFIXES) and name not in CACHES
    }


@contextmanager
def _folder() -> Iterator[Path]:
    folder = open_folder("ops-demo-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _seconds(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    log = folder / "benchmark.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that what we stop is this process and its children
        )
    try:
        code = process.wait()
    finally:
        _stop(process)
    if code != 0:
        raise DemoFailed(
            f"{' '.join(command)} ended with {code}:\n{log.read_text(errors='replace')[-1500:]}"
        )
    return time.monotonic() - began


def _stop(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, how)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
