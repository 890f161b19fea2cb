"""What a peer's program tells the benchmark: a line of JSON. Imports nothing of the others."""

import json
from collections.abc import Sequence


def say(tasks_per_s: float, took_s: Sequence[float]) -> None:
    """`took_s`: one task at a time, each from its call to its end."""
    print(json.dumps({"tasks_per_s": tasks_per_s, "took_s": list(took_s)}), flush=True)
