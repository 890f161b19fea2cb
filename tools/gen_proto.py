"""Generates the gRPC stubs of `proto/` into ops-core, or checks that they are current.

    python tools/gen_proto.py            write them
    python tools/gen_proto.py --check    generate elsewhere and compare

A .proto file's path is its Python package's path. grpcio-tools stays at 1.76: its stubs run on every newer
grpcio and protobuf, those of a newer one refuse an older runtime.
"""

import argparse
import difflib
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PROTO = ROOT / "proto"
TARGET = ROOT / "ops-core" / "src"
GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


def main() -> int:
    parser = argparse.ArgumentParser(description="Generate the gRPC stubs, or check them.")
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    if not parser.parse_args().check:
        generate(TARGET)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return compare(Path(folder))


def generate(target: Path) -> None:
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    if not sources:
        sys.exit(f"no .proto file under {PROTO}")
    well_known = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}={target}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *outputs, *sources]) != 0:
        sys.exit("protoc failed")


def compare(fresh: Path) -> int:
    """Prints how the checked-in stubs differ, those without a .proto file included."""
    names = generated_in(fresh) | generated_in(TARGET)
    stale = [name for name in sorted(names) if not same(fresh / name, TARGET / name)]
    if stale:
        print("generated stubs are stale, run: python tools/gen_proto.py")
    return 1 if stale else 0


def generated_in(folder: Path) -> set[Path]:
    files = (path for path in folder.rglob("*") if path.name.endswith(GENERATED))
    return {path.relative_to(folder) for path in files}


def same(wanted: Path, found: Path) -> bool:
    texts = [p.read_text(encoding="utf-8") if p.exists() else "" for p in (found, wanted)]
    before, after = (text.splitlines(keepends=True) for text in texts)
    sys.stdout.writelines(difflib.unified_diff(before, after, str(found), "generated"))
    return before == after


if __name__ == "__main__":
    sys.exit(main())
