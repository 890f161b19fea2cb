"""A run of `make bench` far too small to mean anything: it leaves a table, JSON and Markdown."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_one_part_in_small_yields_the_table_and_both_files(tmp_path: Path) -> None:
    """The part without a server of ours: an embedded Opspawn, started and looked at."""
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), "--quick"]
    command += ["--only", "footprint", "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    [written] = tmp_path.glob("bench-*.json")
    report = json.loads(written.read_text(encoding="utf-8"))
    assert report["complete"]
    assert not [one["what"] for one in report["targets"] if not one["values"]]
    assert "held to" in done.stdout
    assert "| 8 | ready again |" in written.with_suffix(".md").read_text(encoding="utf-8")
