"""Writes `docs/reference/openapi.json`, the REST door's own description of itself, or checks it.

python tools/gen_openapi.py            write it
python tools/gen_openapi.py --check    only compare
"""

import argparse
import json
import sys
from pathlib import Path

from ops_core.api import create_app
from ops_core.service import TaskService
from ops_core.testing import MemoryStore, services_of

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reference" / "openapi.json"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/reference/openapi.json, or check it.")
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    wanted = document()
    if not parser.parse_args().check:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    print("docs/reference/openapi.json is stale, run: python tools/gen_openapi.py")
    return 1


def document() -> str:
    """The text of the file. What the document says does not depend on task types or on a store."""
    app = create_app(services_of(TaskService(MemoryStore(), {}, lambda _queue, _task_id: None)))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
