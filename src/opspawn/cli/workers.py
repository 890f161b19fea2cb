"""`opspawn workers …`: workers of a running server."""

from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from opspawn.cli.tasks import ask, console
from opspawn.cli.text import one_line, print_json, print_line
from opspawn.client import workers
from opspawn.client.call import Json


def list_workers(url: str, *, limit: int, as_json: bool) -> None:
    """One line a worker, newest first."""
    page = ask(url, workers.workers({"limit": limit}))
    if as_json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("WORKER", "STATE", "TASKS", "SEEN", "VERSION"):
        table.add_column(title, no_wrap=True)
    table.add_column("QUEUES")
    for worker in page.get("workers") or []:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(worker)))
    console().print(table)


def show(url: str, worker_id: str, *, as_json: bool) -> None:
    _tell(ask(url, workers.worker(worker_id)), as_json=as_json)


def drain(url: str, worker_id: str, *, as_json: bool) -> None:
    _tell(ask(url, workers.drain(worker_id)), as_json=as_json)


def _tell(worker: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(worker)
    else:
        print_line("  ".join(_cells(worker)))


def _cells(worker: Json) -> list[str]:
    tasks = f"{worker.get('owned_tasks')} of {worker.get('slots')}"
    queues = ", ".join(map(str, worker.get("queues") or [])) or "none"
    cells = [worker.get("worker_id"), worker.get("state"), tasks, _ago(worker.get("heartbeat_at"))]
    return [one_line(cell) for cell in (*cells, worker.get("version") or "unknown", queues)]


def _ago(at: object) -> str:
    """By this machine's clock, which may be some seconds off."""
    try:
        passed_s = (datetime.now(UTC) - datetime.fromisoformat(str(at))).total_seconds()
    except (TypeError, ValueError):
        return "unknown"
    return f"{max(passed_s, 0):.0f} s ago"
