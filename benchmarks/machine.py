"""What the numbers were measured on. Without it they mean nothing."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import pika
import psutil

ROOT = Path(__file__).resolve().parents[1]


def machine_facts() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_1_min_before": round(os.getloadavg()[0], 2),
        "opspawn": commit(),
        "dramatiq": version("dramatiq"),
    }


async def postgres_facts(name: str, url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        facts = {
            setting: await connection.fetchval(f"SHOW {setting}")
            for setting in ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        }
    finally:
        await connection.close()
    facts["server_version"] = facts["server_version"].split()[0]
    return {f"postgresql ({name})": ", ".join(f"{key} {value}" for key, value in facts.items())}


def rabbitmq_facts(url: str) -> dict[str, str]:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        # pika keeps what the server said of itself where no public name leads.
        properties: Mapping[str, Any] = connection._impl.server_properties  # noqa: SLF001
    said = properties["version"]
    return {"rabbitmq": said.decode() if isinstance(said, bytes) else str(said)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The commit of the checkout, marked when there are changes that are not in it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "not a git checkout"
