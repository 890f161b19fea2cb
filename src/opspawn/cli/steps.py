"""`opspawn tasks steps`: what a task did, one line a step."""

from rich.table import Table
from rich.text import Text

from opspawn.cli.client import ApiClient
from opspawn.cli.narrate import cost
from opspawn.cli.tasks import console, talk
from opspawn.cli.text import json_text, one_line, print_json
from opspawn.client import calls
from opspawn.client.call import Json

PAGE = 200


def show(url: str, task_id: str, *, as_json: bool) -> None:
    """All steps, however many pages they are."""
    steps = talk(url, lambda api: _all(api, task_id))
    if as_json:
        print_json(steps)
    else:
        console().print(_table(steps["steps"]))


async def _all(api: ApiClient, task_id: str) -> Json:
    steps: list[Json] = []
    while True:
        page = await api.ask(calls.steps(task_id, len(steps), PAGE))
        steps += page["steps"]
        if not page["steps"] or len(steps) >= page["total"]:
            return {"steps": steps, "total": page["total"]}


def _table(steps: list[Json]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("STEP", "KIND", "NAME", "STATUS", "EFFECT", "TOOK", "COST"):
        table.add_column(title, no_wrap=True)
    table.add_column("OUTPUT", no_wrap=True, overflow="ellipsis")
    for step in steps:
        took = step.get("duration_s")
        cells = [
            one_line(step.get("step"), 60),
            one_line(step.get("kind"), 20),
            one_line(step.get("name") or "", 40),
            one_line(step.get("status"), 20),
            one_line(step.get("effect") or "", 20),
            f"{took:.2f} s" if isinstance(took, int | float) else "",
            cost(step["cost_usd"]) if step.get("kind") == "llm" else "",
            _output(step),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _output(step: Json) -> str:
    """What it came to; before that, why it has not."""
    output = step.get("output")
    if step.get("kind") == "llm" and isinstance(output, dict):
        output = output.get("text") or output.get("tool_calls")
    if output is None:
        return one_line(step.get("why") or "")
    return one_line(output if isinstance(output, str) else json_text(output, indent=None))
