"""Compares the contract with the one that was released: fails for a change that breaks a client.

    python -m tools.contract_changes              compare
    python -m tools.contract_changes --release    make today's contract the released one

The released contract is in docs/reference/released/: the OpenAPI document, the .proto files, and
`declared.toml`, where a change that is meant is declared, word for word as it is printed, with the reason:

    [[change]]
    what = "GET /api/v1/tasks/{task_id}: removed"
    reason = "…"
"""

import argparse
import json
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tools import contract_openapi, contract_proto

ROOT = Path(__file__).resolve().parents[1]
NOW = ROOT / "docs" / "reference" / "openapi.json"
PROTO = ROOT / "proto"
RELEASED = ROOT / "docs" / "reference" / "released"
NOTHING_DECLARED = (
    "# What breaks the released contract and is meant: see tools/contract_changes.py.\n"
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the contract with the released one.")
    parser.add_argument("--release", action="store_true", help="make today's the released one")
    if parser.parse_args().release:
        release()
        return 0
    problems = list(undeclared(breaking(), declared((RELEASED / "declared.toml").read_bytes())))
    if problems:
        print("The contract has changed so that clients of the released one break:")
        print("\n".join(f"  {line}" for line in problems))
        print("Change it so that they do not, or declare each: see tools/contract_changes.py.")
    return 1 if problems else 0


def breaking() -> list[str]:
    """Each change once: a schema is used in many places of one operation."""
    old, new = (json.loads(path.read_bytes()) for path in (RELEASED / "openapi.json", NOW))
    protos = contract_proto.described(RELEASED / "proto"), contract_proto.described(PROTO)
    found = [*contract_openapi.changes(old, new), *contract_proto.changes(*protos)]
    return list(dict.fromkeys(found))


def declared(text: bytes) -> set[str]:
    """Raises `SystemExit` for one without a reason."""
    changes = tomllib.loads(text.decode()).get("change", [])
    for change in changes:
        if not change.get("reason", "").strip():
            raise SystemExit(f"declared.toml: {change.get('what')!r} has no reason")
    return {change["what"] for change in changes}


def undeclared(found: list[str], meant: set[str]) -> Iterator[str]:
    """What is not declared, and what is declared and has not happened."""
    yield from (line for line in found if line not in meant)
    yield from (f"declared, and not so: {line}" for line in sorted(meant - set(found)))


def release() -> None:
    shutil.rmtree(RELEASED, ignore_errors=True)
    shutil.copytree(PROTO, RELEASED / "proto")
    shutil.copy(NOW, RELEASED / "openapi.json")
    (RELEASED / "declared.toml").write_text(NOTHING_DECLARED, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
