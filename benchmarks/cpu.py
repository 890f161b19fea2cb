"""CPU of processes, read where the kernel counts it: ten milliseconds are the least that can be seen."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

#: Processes of PostgreSQL that work for every database, as its process titles name them. Those of
#: autovacuum come and go, at times of their own, and are in no figure.
SHARED = ("checkpointer", "background writer", "walwriter")


def process_seconds(pid: int) -> float:
    """Of a process and of its children that live."""
    process = psutil.Process(pid)
    return sum(_seconds(each.pid) for each in (process, *process.children(recursive=True)))


def database_seconds(postmaster: int, database: str) -> float:
    """Of the sessions of one database, and of what the server does for all of them."""
    return sum(_seconds(pid) for pid, title in titles(postmaster) if is_for(title, database))


def is_for(title: str, database: str) -> bool:
    """Whether a process of PostgreSQL with this title works for the database."""
    words = title.partition("postgres: ")[2]
    if words.startswith("autovacuum"):
        return False
    return words.startswith(SHARED) or f" {database} " in words


def titles(postmaster: int) -> Iterator[tuple[int, str]]:
    """PostgreSQL's processes: the id and the title of each."""
    for child in psutil.Process(postmaster).children():
        try:
            title = Path(f"/proc/{child.pid}/cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        yield child.pid, title.rstrip(b"\0 ").decode(errors="replace") + " "


def _seconds(pid: int) -> float:
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended meanwhile
        return 0.0
    user, system = line.rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
