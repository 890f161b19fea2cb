"""A run of the benchmarks far too small to mean anything: it ends well and leaves valid JSON."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_tiny_run_of_the_embedded_opspawn_yields_a_table_and_json(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    command = [
        *(sys.executable, str(ROOT / "benchmarks" / "run.py")),
        *("--systems", "embedded", "--only", "latency", "--only", "throughput"),
        *("--rounds", "2", "--tasks", "5", "--samples", "2", "--output", str(file)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert "no-op tasks, submitted and done" in done.stdout
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["complete"]
    assert report["results"]
    assert {2} == {len(row["values"]) for row in report["results"]}
