"""Writes `requirements.lock`, or checks that it still answers the three pyproject.toml files.

    tools/lock.py              keep what is pinned, add what is missing
    tools/lock.py --upgrade    the newest that the ranges allow
    tools/lock.py --check      fail when the file should be written again

The lock holds every dependency of every distribution, extra and group, for every platform and Python of
`requires-python`, each with its hashes and none with an address (docs/adr/0002-locked-requirements.md).
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PROJECTS = ["pyproject.toml", "agentkit/pyproject.toml", "ops-core/pyproject.toml"]
OURS = ["opspawn", "agentkit", "ops-core"]
ADDRESS = re.compile(r"://|(^|\s)(-i|-f|--\S*index\S*|--find-links)\b|^file:|\s@\s", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write or check requirements.lock.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="only compare, write nothing")
    mode.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    options = parser.parse_args()
    if options.check:
        return check()
    compile_lock(LOCK, upgrade=options.upgrade)
    print(f"{LOCK.name}: {len(pins(LOCK))} pins")
    return refuse_addresses(LOCK)


def check() -> int:
    if not LOCK.exists():
        print(f"{LOCK.name} is missing: run `make lock`")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        # uv prefers what its output file already pins, so a lock that still fits comes back unchanged.
        # Only pins are compared: an index may add a wheel, and its hash, to a version at any time.
        fresh = Path(folder) / LOCK.name
        shutil.copy(LOCK, fresh)
        compile_lock(fresh, upgrade=False)
        stale = sorted(pins(LOCK) ^ pins(fresh))
    for line in stale:
        print(f"{LOCK.name}: {'needed' if line not in pins(LOCK) else 'not needed'}: {line}")
    if stale:
        print(f"{LOCK.name} does not answer the pyproject.toml files: run `make lock`")
        return 1
    return refuse_addresses(LOCK)


def compile_lock(output: Path, *, upgrade: bool) -> None:
    command = [uv(), "pip", "compile", "--quiet", "--universal", "--python-version=3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate"]
    command += ["--all-extras", "--group=dev", "--custom-compile-command=make lock"]
    command += [f"--no-emit-package={name}" for name in OURS]
    command += ["--upgrade"] if upgrade else []
    # uv prints the lock as well as writing it.
    subprocess.run(
        [*command, f"--output-file={output}", *PROJECTS],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def pins(lock: Path) -> set[str]:
    """The lines that name a version, without their hashes."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return {line.rstrip(" \\") for line in lines if re.match(r"[a-z0-9]", line)}


def refuse_addresses(lock: Path) -> int:
    found = ADDRESS.findall(lock.read_text(encoding="utf-8"))
    if found:
        print(
            f"{lock.name} names the place that packages come from; the lock must work with any index"
        )
    return 1 if found else 0


def uv() -> str:
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if found is None:
        sys.exit("uv is missing: run `make lock`, which installs it into .tools")
    return found


if __name__ == "__main__":
    sys.exit(main())
