"""One run of the benchmarks, from the command line's words to the table and the JSON."""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import demo
from benchmarks.machine import machine_facts
from benchmarks.options import Options, parse
from benchmarks.ratios import ratios
from benchmarks.results import Results
from benchmarks.stage import stage
from benchmarks.table import show
from benchmarks.throughput import IN_FLIGHT

from support.server_process import ServerUnavailable

RESULTS = Path(__file__).resolve().parent / "reports"  # not "results": that is a module here

INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code. What was measured before a failure is shown and written all the same."""
    options = parse(arguments)
    began = datetime.now(UTC)
    results = Results()
    machine = machine_facts()
    code = 1
    try:
        with _stopped_by_signals():
            _measure(options, results, machine)
        code = 0
    except KeyboardInterrupt:
        _say("interrupted; everything that was started is stopped")
        code = INTERRUPTED
    except ServerUnavailable as error:
        _say(f"{error}\n  (without RabbitMQ and a PostgreSQL server: --systems embedded)")
    except demo.DemoFailed as error:
        _say(str(error))
    finally:
        if results.rows():
            report = _report(options, results, machine, began, is_complete=code == 0)
            show(sys.stdout, machine, results.rows(), ratios(results))
            _say(f"written: {_write(report, options.output or _file(began))}")
    return code


def _measure(options: Options, results: Results, machine: dict[str, Any]) -> None:
    parts = [part for part in options.only if part != "demo"]
    if parts:
        _measure_systems(parts, options, results, machine)
    if "demo" in options.only:
        _say("the installed demo")
        demo.installed(options.rounds, results)
    if options.cold_demo:
        demo.cold(options.rounds, results, _say)


def _measure_systems(
    parts: Sequence[str], options: Options, results: Results, machine: dict[str, Any]
) -> None:
    """Parts and systems take turns within a round, so that a slow minute of the machine hits all."""
    with stage(options, _say) as ready:
        machine |= ready.facts
        for number in range(1, options.rounds + 1):
            for part in parts:
                _say(f"round {number} of {options.rounds}: {part}")
                asyncio.run(ready.measure(part, options, results))


def _report(
    options: Options,
    results: Results,
    machine: dict[str, Any],
    began: datetime,
    *,
    is_complete: bool,
) -> dict[str, Any]:
    chosen = asdict(options) | {"in_flight": IN_FLIGHT}
    del chosen["output"]
    return {
        "date": began.isoformat(timespec="seconds"),
        "complete": is_complete,
        "seconds": round((datetime.now(UTC) - began).total_seconds()),
        "machine": machine,
        "options": chosen,
        "results": [row.as_json() for row in results.rows()],
        "ratios": [row.as_json() for row in ratios(results)],
    }


def _file(began: datetime) -> Path:
    return RESULTS / f"{began:%Y-%m-%dT%H%M%SZ}.json"


def _write(report: dict[str, Any], file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGINT even where a shell ignores it, end the run through all that stops processes."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _say(line: str) -> None:
    print(f"→ {line}", file=sys.stderr, flush=True)
