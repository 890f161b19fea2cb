"""Runs mypy --strict over the three packages, then over each folder of tests and over the tools.

One run for each: the folders of tests hold files of the same name (`conftest.py`), which mypy would refuse
to see twice.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["src/opspawn", "ops-core/src/ops_core", "agentkit/src/agentkit"]
OTHERS = ["tests", "ops-core/tests", "agentkit/tests", "benchmarks", "docker", "tools"]


def main() -> int:
    groups = [PACKAGES, *([folder] for folder in OTHERS if any((ROOT / folder).rglob("*.py")))]
    return max(check(group) for group in groups)


def check(paths: list[str]) -> int:
    print("mypy", *paths, flush=True)
    return subprocess.run([sys.executable, "-m", "mypy", *paths], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
